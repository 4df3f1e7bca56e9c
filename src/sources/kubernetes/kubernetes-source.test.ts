import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import { pathOf } from "../../kubernetes/client/resource-path.ts";
import { seededRandom } from "../../runtime/seeded-random.testing.ts";
import { istio, pods, SourceRig, slices, virtualServices } from "./source-rig.testing.ts";
import { customKinds } from "./watched-kinds.ts";

describe("an API server as the source of resources", () => {
	let rig: SourceRig;

	beforeEach(() => {
		rig = new SourceRig();
	});
	afterEach(() => rig.close());

	const virtualService = (weight: number) =>
		rig.api.put(virtualServices, {
			metadata: { name: "a", namespace: "default" },
			spec: { hosts: ["a"], http: [{ route: [{ destination: { host: "a" }, weight }] }] },
		});

	it("tells everything at once, when all of it has been read", async () => {
		rig.define(virtualServices);
		rig.service("a");
		virtualService(100);
		rig.api.refusals.set(pathOf(virtualServices), 403);
		rig.start();
		await rig.settle();
		assert.equal(await rig.isReady(), false);
		assert.deepEqual(rig.news(), []);
		assert.match(rig.source.waitingFor() ?? "", /^virtualservices.networking.istio.io \(Refused403\)$/);
		rig.api.refusals.clear();
		await rig.settle(300);
		assert.equal(await rig.isReady(), true);
		assert.deepEqual(rig.news(), ["+Service/default/a +VirtualService/default/a"]);
		assert.equal(rig.source.waitingFor(), undefined);
	});

	it("keeps everything while the server is lost, and says for how long and why", async () => {
		rig.service("a");
		rig.start();
		await rig.settle();
		rig.news();
		assert.equal(rig.source.status().isFresh, true);
		rig.api.isDown = true;
		rig.api.breakWatches();
		for (let second = 0; second < 600; second++) await rig.settle(1000);
		assert.deepEqual(rig.news(), []);
		assert.ok(rig.source.current("Service/default/a"));
		const { ageMs, because, isFresh } = rig.source.status();
		assert.equal(isFresh, false);
		assert.ok(ageMs > 595_000 && ageMs < 605_000, String(ageMs));
		assert.match(because ?? "", /connection refused/);
		rig.service("b");
		rig.api.isDown = false;
		for (let second = 0; second < 12; second++) await rig.settle(1000);
		assert.deepEqual(rig.news(), ["+Service/default/b"]);
		assert.equal(rig.source.status().isFresh, true);
		assert.equal(rig.source.status().ageMs, 0);
	});

	it("follows all kinds again as soon as the server has answered for one, though each waits a time of its own", async () => {
		rig.random = seededRandom(7);
		rig.define(virtualServices);
		rig.start();
		await rig.settle();
		rig.api.isDown = true;
		rig.api.breakWatches();
		for (let second = 0; second < 120; second++) await rig.settle(1000);
		const downAsked = rig.api.asked.length;
		rig.api.isDown = false;
		const isWatch = (path: string): boolean => path.includes("watch=true");
		while (!rig.api.asked.slice(downAsked).some(isWatch)) await rig.settle(10);
		await rig.settle(10);
		assert.equal(rig.api.openWatches, 6);
	});

	it("notices a server that takes connections and answers nothing, though its watches are open", async () => {
		rig.start();
		await rig.settle();
		const { request } = rig.api;
		rig.api.request = (_method, path) => Promise.reject(new Error(`${path}: no answer within 5000 ms`));
		for (let second = 0; second < 12; second++) await rig.settle(1000);
		assert.match(rig.source.status().because ?? "", /no answer/);
		rig.api.request = request;
		for (let second = 0; second < 6; second++) await rig.settle(1000);
		assert.equal(rig.source.status().isFresh, true);
	});

	it("reads of the mesh's kinds what names its revision or none, and of Kubernetes' own everything", async () => {
		const put = (name: string, revision?: string) =>
			rig.api.put(virtualServices, {
				metadata: {
					name,
					namespace: "default",
					...(revision === undefined ? {} : { labels: { "istio.io/rev": revision } }),
				},
				spec: { hosts: [name], http: [{ route: [{ destination: { host: "a" } }] }] },
			});
		rig.define(virtualServices);
		rig.service("a", 80, { labels: { "istio.io/rev": "default" } });
		put("all");
		put("own", "1-1");
		put("other", "default");
		rig.start("1-1");
		await rig.settle();
		assert.equal(await rig.isReady(), true);
		assert.deepEqual(rig.news(), ["+Service/default/a +VirtualService/default/all +VirtualService/default/own"]);
		put("own", "default");
		put("other", "1-1");
		await rig.settle();
		assert.deepEqual(rig.news().join(" ").split(" ").sort(), [
			"+VirtualService/default/other",
			"-VirtualService/default/own",
		]);
	});

	it("reads Istio's kinds as they are installed, and forgets them as they are taken away", async () => {
		rig.start();
		await rig.settle();
		assert.equal(await rig.isReady(), true);
		rig.define(virtualServices, ["v1"], "False");
		await rig.settle();
		assert.equal(rig.source.watchedKind("VirtualService"), undefined);
		rig.define(virtualServices);
		virtualService(100);
		await rig.settle();
		assert.deepEqual(rig.news(), ["+VirtualService/default/a"]);
		rig.api.remove(customKinds, undefined, "virtualservices.networking.istio.io");
		await rig.settle();
		assert.deepEqual(rig.news(), ["-VirtualService/default/a"]);
		virtualService(50);
		await rig.settle();
		assert.deepEqual(rig.news(), []);
	});

	it("reads the newest version that both sides know, and goes over to another without a gap", async () => {
		rig.define(virtualServices, ["v1alpha3", "v1beta1"]);
		const before = istio("virtualservices", "VirtualService", "v1beta1");
		const spec = { hosts: ["a"], http: [{ route: [{ destination: { host: "a" } }] }] };
		rig.api.put(before, { metadata: { name: "a", namespace: "default", uid: "1" }, spec });
		rig.start();
		await rig.settle();
		assert.deepEqual(rig.news(), ["+VirtualService/default/a"]);
		rig.api.put(virtualServices, { metadata: { name: "a", namespace: "default", uid: "1" }, spec });
		rig.define(virtualServices, ["v1alpha3", "v1beta1", "v1"]);
		await rig.settle();
		assert.equal(rig.source.watchedKind("VirtualService")?.resource.version, "v1");
		assert.ok(!rig.news().some((text) => text.includes("-")));
	});

	it("keeps the last good version when the server has a bad one, and says so", async () => {
		rig.define(virtualServices);
		virtualService(100);
		rig.start();
		await rig.settle();
		rig.news();
		virtualService(-5);
		await rig.settle();
		assert.deepEqual(rig.news(), []);
		assert.equal(rig.problems[0]?.resource, "VirtualService default/a");
		assert.match(rig.problems[0]?.hint ?? "", /last good version stays in force/);
		virtualService(100);
		await rig.settle();
		assert.deepEqual(rig.problems, []);
		assert.deepEqual(rig.news(), []);
	});

	it("takes no notice of what changes nothing for the mesh", async () => {
		rig.service("a");
		rig.start();
		await rig.settle();
		rig.news();
		const managed = { managedFields: [{ manager: "kubectl" }], generation: 7 };
		const last = { "kubectl.kubernetes.io/last-applied-configuration": "{}" };
		rig.service("a", 80, { ...managed, annotations: last });
		await rig.settle();
		assert.deepEqual(rig.news(), []);
		rig.service("a", 80, { ...managed, annotations: { "networking.istio.io/exportTo": "." } });
		await rig.settle();
		assert.deepEqual(rig.news(), ["+Service/default/a"]);
	});

	it("counts Pods that have run to their end as gone", async () => {
		rig.pod("a", "default", {});
		rig.start();
		await rig.settle();
		assert.deepEqual(rig.news(), ["+Pod/default/a"]);
		rig.pod("a", "default", {}, "Succeeded");
		await rig.settle();
		assert.deepEqual(rig.news(), ["-Pod/default/a"]);
	});

	it("keeps of an EndpointSlice what routes traffic, and of a Pod what the mesh asks it", async () => {
		const endpoint = { addresses: ["10.0.0.1"], targetRef: { kind: "Pod", name: "a", namespace: "d", uid: "u" } };
		// Who writes one by hand may leave out where the Pod is.
		const byHand = { addresses: ["10.0.0.2"], targetRef: { kind: "Pod", name: "b" } };
		const annotations = { "endpoints.kubernetes.io/last-change-trigger-time": "now" };
		rig.api.put(slices, {
			metadata: { name: "s", namespace: "d", annotations },
			addressType: "IPv4",
			endpoints: [endpoint, byHand],
		});
		const container = { name: "c", image: "i", env: [{ name: "SECRET", value: "x" }], ports: [{ containerPort: 80 }] };
		rig.api.put(pods, {
			metadata: { name: "a", namespace: "d" },
			spec: { serviceAccountName: "s", containers: [container, { name: "none" }], volumes: [{ name: "v" }] },
			status: {
				podIP: "10.0.0.1",
				podIPs: [{ ip: "10.0.0.1" }],
				conditions: [{ type: "Ready", status: "True", x: 1 }],
			},
		});
		rig.start();
		await rig.settle();
		const slice = rig.source.current("EndpointSlice/d/s");
		assert.deepEqual(slice?.metadata.annotations, {});
		assert.deepEqual(slice?.spec, {
			addressType: "IPv4",
			ports: [],
			endpoints: [
				{ addresses: ["10.0.0.1"], targetRef: { kind: "Pod", name: "a", namespace: "d" } },
				{ addresses: ["10.0.0.2"], targetRef: { kind: "Pod", name: "b" } },
			],
		});
		assert.deepEqual(rig.source.current("Pod/d/a")?.spec, {
			serviceAccountName: "s",
			containers: [{ name: "c", ports: [{ containerPort: 80 }] }],
			status: { podIP: "10.0.0.1", conditions: [{ type: "Ready", status: "True" }] },
		});
	});

	it("says of a Pod whose proxy alone is not ready that its node serves it", async () => {
		rig.start();
		await rig.settle();
		const ready = { name: "web", ready: true };
		const proxy = { name: "istio-proxy", ready: false };
		const condition = (type: string, is: boolean, reason = "BySidecar") => ({
			type,
			status: is ? "True" : "False",
			reason,
		});
		const away = {
			phase: "Running",
			podIP: "10.0.0.1",
			conditions: [condition("Ready", false), condition("keepmesh.io/serving", true)],
			containerStatuses: [ready],
			initContainerStatuses: [proxy],
		};
		const conditionsOf = async (change: object, spec: object = {}): Promise<unknown> => {
			const containers = [{ name: "web", ports: [{ containerPort: 80 }] }];
			rig.api.put(pods, {
				metadata: { name: "a", namespace: "d" },
				spec: { containers, ...spec },
				status: { ...away, ...change },
			});
			await rig.settle();
			const read = rig.source.current("Pod/d/a");
			return read?.kind === "Pod" ? read.spec.status?.conditions?.map(({ type }) => type) : undefined;
		};
		const served = ["Ready", "keepmesh.io/served-without-proxy"];
		assert.deepEqual(await conditionsOf({}), served);
		assert.deepEqual(await conditionsOf({ containerStatuses: [{ ...ready, ready: false }] }), ["Ready"]);
		assert.deepEqual(await conditionsOf({ containerStatuses: [ready, proxy], initContainerStatuses: [] }), served);
		assert.deepEqual(await conditionsOf({ conditions: [condition("Ready", false)] }), ["Ready"]);
		const refused = [condition("Ready", false), condition("keepmesh.io/serving", false)];
		assert.deepEqual(await conditionsOf({ conditions: refused }), ["Ready"]);
		assert.deepEqual(await conditionsOf({}, { readinessGates: [{ conditionType: "other" }] }), ["Ready"]);
		assert.deepEqual(await conditionsOf({ initContainerStatuses: [{ ...proxy, ready: true }] }), ["Ready"]);
		assert.deepEqual(await conditionsOf({ phase: "Pending" }), ["Ready"]);
		const bySpare = [condition("Ready", true), condition("keepmesh.io/serving", true, "BySpare")];
		const isBack = { initContainerStatuses: [{ ...proxy, ready: true }] };
		assert.deepEqual(await conditionsOf({ ...isBack, conditions: bySpare }), served, "its EndpointSlice comes later");
		const back = [condition("Ready", true), condition("keepmesh.io/serving", true)];
		assert.deepEqual(await conditionsOf({ ...isBack, conditions: back }), ["Ready"]);
	});

	it("says when a change that somebody wrote has come", async () => {
		rig.start();
		await rig.settle();
		const written = rig.service("a").metadata.resourceVersion;
		const seen = rig.source.sees("Service/default/a", written, 1000);
		await rig.settle();
		assert.equal(await seen, true);
		const late = rig.source.sees("Service/default/a", "999999", 1000);
		await rig.settle(1001);
		assert.equal(await late, false);
	});
});
