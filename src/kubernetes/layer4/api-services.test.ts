import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { keyOf } from "../../resources/config-object.ts";
import { realClock } from "../../runtime/clock.ts";
import { silentLog } from "../../runtime/log.ts";
import type { Change } from "../../snapshot/change.ts";
import { configMaps } from "../client/api-resources.ts";
import { FakeApi } from "../client/fake-api.testing.ts";
import type { ApiResource } from "../client/resource-path.ts";
import { lostNodesName } from "../nodes-alive/wire/lost-nodes-object.ts";
import { ApiServices } from "./api-services.ts";
import { type Layer4Node, layer4Node } from "./node-object.ts";

const resource = (kind: string, plural: string, group = "", namespaced = true): ApiResource => ({
	group,
	version: "v1",
	plural,
	kind,
	namespaced,
});
const services = resource("Service", "services");
const slices = resource("EndpointSlice", "endpointslices", "discovery.k8s.io");
const nodes = resource("Node", "nodes", "", false);
const place = { namespace: "keepmesh-system", name: lostNodesName };
const web = {
	metadata: { name: "web", namespace: "default" },
	spec: { clusterIP: "10.96.0.3", ports: [{ port: 80 }] },
};
const slice = (address: string) => ({
	metadata: { name: "web-1", namespace: "default", labels: { "kubernetes.io/service-name": "web" } },
	addressType: "IPv4",
	endpoints: [{ addresses: [address], conditions: { ready: true }, nodeName: "n1" }],
	ports: [{ port: 8080 }],
});
const inZoneA = { "topology.kubernetes.io/zone": "a" };
const node = (extra: object = {}, labels: Readonly<Record<string, string>> = inZoneA) => ({
	metadata: { name: "n1", labels },
	spec: { podCIDRs: ["10.244.1.0/24"], ...extra },
});

async function until(ask: () => boolean): Promise<void> {
	for (let turn = 0; turn < 2_000; turn++) {
		if (ask()) return;
		await new Promise((resolve) => setTimeout(resolve, 5));
	}
	assert.fail("not within 10 s");
}

function start(api: FakeApi) {
	const told: string[] = [];
	const batches: (readonly Change[])[] = [];
	const seen: Layer4Node[] = [];
	const lost: string[] = [];
	const source = new ApiServices(
		{ node: "n1", lostNodes: place },
		{
			client: api,
			clock: realClock,
			log: silentLog,
			onNode: (now) => {
				told.push("node");
				seen.push(now);
			},
			onChanges: (changes) => {
				told.push("changes");
				batches.push(changes);
			},
			onLost: (now) => lost.push([...now].join()),
		},
	);
	let isReady = false;
	void source.ready.then(() => {
		isReady = true;
	});
	source.open();
	return { batches, isReady: () => isReady, lost, seen, source, told };
}

describe("Services of layer 4 from an API server", () => {
	it("are told once all is known, the node first, and then as they change", async () => {
		const api = new FakeApi();
		api.put(services, web);
		api.put(slices, slice("10.244.1.9"));
		const { batches, isReady, seen, source, told } = start(api);
		await until(() => api.asked.length >= 4);
		await new Promise((resolve) => setTimeout(resolve, 50));
		assert.deepEqual(told, [], "nothing without the Node");
		api.put(nodes, node());
		await until(isReady);
		assert.deepEqual(told, ["node", "changes"]);
		assert.deepEqual(seen[0], { name: "n1", zone: "a", podRanges: ["10.244.1.0/24"], isEligible: true });
		const keys = batches[0]?.map((change) => (change.type === "objectApplied" ? keyOf(change.object) : ""));
		assert.deepEqual(keys?.toSorted(), ["EndpointSlice/default/web-1", "Service/default/web"]);
		api.put(slices, slice("10.244.1.10"));
		await until(() => batches.length === 2);
		api.remove(services, "default", "web");
		await until(() => batches.length === 3);
		assert.deepEqual(batches[2], [{ type: "objectRemoved", key: "Service/default/web" }]);
		source.close();
	});

	it("do not ask for what other proxies do, nor for headless ones", async () => {
		const api = new FakeApi();
		api.put(nodes, node());
		const { isReady, source } = start(api);
		await until(isReady);
		const asked = api.asked.filter((one) => /services\?|endpointslices\?/.test(one)).map(decodeURIComponent);
		assert.ok(asked.length >= 2);
		for (const one of asked)
			assert.match(one, /!service\.kubernetes\.io\/service-proxy-name,!service\.kubernetes\.io\/headless/);
		source.close();
	});

	it("stay as they are while the server cannot be asked, which is said with their age", async () => {
		const api = new FakeApi();
		api.put(nodes, node());
		api.put(services, web);
		const { batches, isReady, source } = start(api);
		await until(isReady);
		assert.deepEqual(source.problems(), []);
		api.isDown = true;
		api.breakWatches();
		await until(() => source.problems().length >= 3);
		assert.match(source.problems()[0]?.because ?? "", /is \d+ s old/);
		assert.equal(batches.length, 1);
		source.close();
	});

	it("keep the last good version of an object that is refused", async () => {
		const api = new FakeApi();
		api.put(nodes, node());
		api.put(services, web);
		const { batches, isReady, source } = start(api);
		await until(isReady);
		api.put(services, { ...web, spec: { ...web.spec, ports: "none" } });
		await until(() => source.problems().length === 1);
		assert.equal(source.problems()[0]?.about, "Service/default/web");
		assert.equal(batches.length, 1);
		api.put(services, web);
		await until(() => source.problems().length === 0);
		source.close();
	});

	it("come with the nodes that are lost", async () => {
		const api = new FakeApi();
		api.put(nodes, node());
		api.put(configMaps, { metadata: place, data: { nodes: "n2\nn3" } });
		const { isReady, lost, source } = start(api);
		await until(() => isReady() && lost.length === 1);
		api.put(configMaps, { metadata: place, data: { nodes: "" } });
		await until(() => lost.length === 2);
		assert.deepEqual(lost, ["n2,n3", ""]);
		source.close();
	});
});

describe("a Node", () => {
	const read = (extra: object, metadata: object = {}) => {
		const { metadata: own, spec } = node(extra);
		return layer4Node({
			apiVersion: "v1",
			kind: "Node",
			metadata: { ...own, uid: "1", resourceVersion: "1", ...metadata },
			spec,
		});
	};

	it("that is being taken away is not for new connections of load balancers", () => {
		assert.equal(read({}).isEligible, true);
		assert.equal(read({ taints: [{ key: "other", effect: "NoSchedule" }] }).isEligible, true);
		assert.equal(read({ taints: [{ key: "ToBeDeletedByClusterAutoscaler" }] }).isEligible, false);
		assert.equal(read({}, { deletionTimestamp: "2026-01-01T00:00:00Z" }).isEligible, false);
	});
});
