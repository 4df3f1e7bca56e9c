import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { anEndpointSlice, anObject, aPod, aProxy, applied, aService, removed } from "../model/model.testing.ts";
import type { ServiceSpec } from "../resources/kinds/core.ts";
import { noLayer4Services, updateLayer4Services } from "./layer4-services.ts";
import { nameTableFor } from "./name-table.ts";
import { applyChanges, applyLost, applyServing, emptySnapshot, type Snapshot } from "./snapshot.ts";

const start = applyChanges(
	emptySnapshot(),
	applied(
		aService("reviews", { clusterIP: "10.96.0.1" }),
		aService("ratings", { clusterIP: "10.96.0.2" }),
		anEndpointSlice("reviews", ["10.1.0.1"]),
	),
).snapshot;
const first = updateLayer4Services(noLayer4Services, start);

const aVirtualIp = (addresses: readonly string[], excludedAddresses: readonly string[] = []) =>
	anObject("VirtualIP", "edge", { addresses, excludedAddresses, virtualRouterId: 51 });
const addressesOf = (state: typeof first, key: string) =>
	state.services.get(key)?.ports.flatMap((port) => port.endpoints.map((endpoint) => endpoint.address));

describe("Services for layer 4", () => {
	it("are made of Services and their slices", () => {
		assert.deepEqual([...first.services.keys()].sort(), ["default/ratings", "default/reviews"]);
		assert.deepEqual(first.services.get("default/reviews")?.clusterAddresses, ["10.96.0.1"]);
		assert.deepEqual(addressesOf(first, "default/reviews"), ["10.1.0.1"]);
		assert.deepEqual(addressesOf(first, "default/ratings"), []);
	});

	it("keep their identity unless they themselves changed", () => {
		const moved = applyChanges(start, applied(anEndpointSlice("reviews", ["10.1.0.1", "10.1.0.2"]))).snapshot;
		const next = updateLayer4Services(first, moved);
		assert.deepEqual(addressesOf(next, "default/reviews"), ["10.1.0.1", "10.1.0.2"]);
		assert.equal(next.services.get("default/ratings"), first.services.get("default/ratings"));
	});

	it("are the same map where a change says nothing to layer 4", () => {
		const labelled = applyChanges(start, applied(aService("other", { clusterIP: "None" }))).snapshot;
		assert.equal(updateLayer4Services(first, labelled).services, first.services);
	});

	it("leave with their Service", () => {
		const gone = applyChanges(start, removed(aService("reviews"))).snapshot;
		assert.deepEqual([...updateLayer4Services(first, gone).services.keys()], ["default/ratings"]);
	});

	it("take pods where nobody made slices, and let them go", () => {
		const service = aService("web", { clusterIP: "10.96.0.3" });
		const pod = aPod("web-1", "10.1.0.9");
		const withPod = applyChanges(start, applied(service, pod)).snapshot;
		const there = updateLayer4Services(first, withPod);
		assert.deepEqual(addressesOf(there, "default/web"), ["10.1.0.9"]);
		const without = applyChanges(withPod, removed(pod)).snapshot;
		assert.deepEqual(addressesOf(updateLayer4Services(there, without), "default/web"), []);
	});

	it("leave out a pod that is closed, over TCP, and no other; and have it again afterwards", () => {
		const ports = [
			{ name: "http", port: 80 },
			{ name: "dns", port: 53, protocol: "UDP" },
		] as const;
		const service = aService("web", { clusterIP: "10.96.0.3", ports });
		const pods = [8, 9].map((n) => aPod(`web-${n}`, `10.1.0.${n}`, { nodeName: "n1" }));
		const before = applyChanges(start, applied(service, ...pods)).snapshot;
		const there = updateLayer4Services(first, before);
		const usable = (state: typeof first) =>
			state.services
				.get("default/web")
				?.ports.map(({ endpoints }) => endpoints.filter(({ ready, serving }) => ready || serving).length);
		assert.deepEqual(usable(there), [2, 2]);
		const told = { namespace: "default", name: "web-9", serviceAccount: "default", node: "n1", isGranted: false };
		const closed = applyServing(before, [{ ...told, step: "closed" }]).snapshot;
		const without = updateLayer4Services(there, closed);
		assert.deepEqual(usable(without), [1, 2]);
		assert.equal(without.services.get("default/reviews"), there.services.get("default/reviews"));
		assert.deepEqual(usable(updateLayer4Services(without, applyServing(closed, []).snapshot)), [2, 2]);
		const direct = applyServing(before, [{ ...told, step: "direct" }]).snapshot;
		assert.equal(updateLayer4Services(there, direct).services, there.services, "direct takes connections");
	});

	it("leave out, over any protocol, what is on a machine that is lost, known by Pods or by slices alone", () => {
		const ports = [{ name: "dns", port: 53, protocol: "UDP" }] as const;
		const service = aService("web", { clusterIP: "10.96.0.3", ports });
		const slice = anEndpointSlice("web", [], [{ name: "dns", port: 53, protocol: "UDP" }]);
		const endpoints = ["n1", "n2"].map((nodeName, n) => ({ addresses: [`10.1.0.${n + 1}`], nodeName }));
		const before = applyChanges(start, applied(service, { ...slice, spec: { ...slice.spec, endpoints } })).snapshot;
		const there = updateLayer4Services(first, before);
		const usable = (state: typeof first) =>
			state.services
				.get("default/web")
				?.ports.flatMap((port) => port.endpoints.filter(({ ready }) => ready).map(({ address }) => address));
		assert.deepEqual(usable(there), ["10.1.0.1", "10.1.0.2"]);
		const lost = applyLost(before, { nodes: new Set(["n1"]), pods: new Set() }).snapshot;
		const without = updateLayer4Services(there, lost);
		assert.deepEqual(usable(without), ["10.1.0.2"]);
		const back = applyLost(lost, { nodes: new Set(), pods: new Set() }).snapshot;
		assert.deepEqual(usable(updateLayer4Services(without, back)), ["10.1.0.1", "10.1.0.2"]);
	});

	it("have the address that the name table answers where the Service has none", () => {
		const snapshot = applyChanges(start, applied(aService("plain"))).snapshot;
		const state = updateLayer4Services(first, snapshot);
		const entry = nameTableFor(snapshot, aProxy()).entries.find(({ shortName }) => shortName === "plain");
		assert.ok(entry);
		assert.deepEqual(state.services.get("default/plain")?.clusterAddresses, entry.addresses);
	});

	const edge = (spec: ServiceSpec = {}, annotations: Readonly<Record<string, string>> = {}) =>
		aService("edge", { clusterIP: "10.96.0.9", type: "LoadBalancer", ...spec }, { annotations });
	const ofEdge = (snapshot: Snapshot, before = first) =>
		updateLayer4Services(before, snapshot).services.get("default/edge")?.loadBalancerAddresses;

	it("have the address that they ask for once a VirtualIP holds it, as long as it does", () => {
		const alone = applyChanges(start, applied(edge({ loadBalancerIP: "192.0.2.7" }))).snapshot;
		const without = updateLayer4Services(first, alone);
		assert.deepEqual(ofEdge(alone), []);
		const held = applyChanges(alone, applied(aVirtualIp(["192.0.2.7/24 dev eth0"]))).snapshot;
		const there = updateLayer4Services(without, held);
		assert.deepEqual(ofEdge(held, without), ["192.0.2.7"]);
		assert.equal(there.services.get("default/reviews"), without.services.get("default/reviews"));
		const moved = applyChanges(held, applied(aVirtualIp(["192.0.2.8/24"]))).snapshot;
		assert.deepEqual(ofEdge(moved, there), []);
	});

	it("have several by annotation, of both families, beside those that somebody else gave", () => {
		const status = { loadBalancer: { ingress: [{ ip: "198.51.100.1" }, { ip: "192.0.2.7" }] } };
		const asked = { "keepmesh.io/load-balancer-ips": "192.0.2.7, 2001:DB8:0::7,192.0.2.9" };
		const virtual = aVirtualIp(["192.0.2.7"], ["2001:db8::7/64"]);
		const snapshot = applyChanges(start, applied(edge({ status }, asked), virtual)).snapshot;
		assert.deepEqual(ofEdge(snapshot), ["198.51.100.1", "192.0.2.7", "2001:db8::7"]);
	});

	it("get none where they are no load balancers, or of another controller's class", () => {
		const virtual = aVirtualIp(["192.0.2.7"]);
		const wish = { loadBalancerIP: "192.0.2.7" };
		for (const [spec, has] of [
			[{ ...wish, type: "NodePort" }, false],
			[{ ...wish, loadBalancerClass: "example.com/other" }, false],
			[{ ...wish, loadBalancerClass: "keepmesh.io/virtual-ip" }, true],
		] as const)
			assert.deepEqual(ofEdge(applyChanges(start, applied(edge(spec), virtual)).snapshot), has ? ["192.0.2.7"] : []);
	});

	it("are after any walk of changes what they are from scratch", () => {
		let seed = 7;
		const random = (limit: number): number => {
			seed = (Math.imul(seed, 1_103_515_245) + 12_345) & 0x7fff_ffff;
			return seed % limit;
		};
		let snapshot = emptySnapshot();
		let state = noLayer4Services;
		for (let step = 0; step < 400; step++) {
			const name = `s${random(6)}`;
			const change = [
				() => applied(aService(name, random(3) === 0 ? {} : { clusterIP: `10.96.1.${random(9)}` })),
				() => removed(aService(name)),
				() => applied(anEndpointSlice(name, [`10.1.0.${random(5)}`])),
				() => removed(anEndpointSlice(name, [])),
				() => applied(aPod(`${name}-${random(2)}`, `10.2.0.${random(5)}`)),
				() => removed(aPod(`${name}-${random(2)}`, "")),
				() => applied(aService(name, { type: "LoadBalancer", loadBalancerIP: `192.0.2.${random(4)}` })),
				() => applied(aVirtualIp([`192.0.2.${random(4)}`])),
				() => removed(aVirtualIp([])),
			][random(9)];
			snapshot = applyChanges(snapshot, change?.() ?? []).snapshot;
			if (random(3) > 0) state = updateLayer4Services(state, snapshot);
			const scratch = updateLayer4Services(noLayer4Services, snapshot);
			const now = updateLayer4Services(state, snapshot);
			assert.deepEqual(new Map(now.services), new Map(scratch.services), `step ${step}`);
		}
	});
});
