import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { proxyFromNode } from "./proxy-from-node.ts";

const id = "sidecar~10.1.0.5~reviews-v1-abc.shop~shop.svc.cluster.local";

function proxyOf(node: Parameters<typeof proxyFromNode>[0]) {
	const read = proxyFromNode(node);
	assert.ok(read.ok, read.ok ? "" : read.because);
	return read.proxy;
}

describe("an xDS node in Istio's form", () => {
	it("names type, address, workload and namespace in its id", () => {
		const proxy = proxyOf({ id, metadata: {} });
		assert.deepEqual(
			[proxy.type, proxy.ipAddresses, proxy.name, proxy.namespace, proxy.dnsDomain],
			["sidecar", ["10.1.0.5"], "reviews-v1-abc", "shop", "shop.svc.cluster.local"],
		);
		assert.deepEqual([proxy.clusterId, proxy.interceptionMode, proxy.proxyless], ["Kubernetes", "REDIRECT", false]);
	});

	it("says the rest in its metadata", () => {
		const proxy = proxyOf({
			id,
			metadata: {
				NAMESPACE: "other",
				LABELS: { app: "reviews", "topology.kubernetes.io/region": "eu", "topology.kubernetes.io/zone": "eu-1" },
				CLUSTER_ID: "c1",
				NETWORK: "n1",
				INSTANCE_IPS: "10.1.0.5,fd00::5",
				SERVICE_ACCOUNT: "bookinfo-reviews",
				INTERCEPTION_MODE: "TPROXY",
				GENERATOR: "grpc",
			},
		});
		assert.deepEqual([proxy.namespace, proxy.clusterId, proxy.network], ["other", "c1", "n1"]);
		assert.deepEqual(proxy.ipAddresses, ["10.1.0.5", "fd00::5"]);
		assert.deepEqual(
			[proxy.serviceAccount, proxy.interceptionMode, proxy.proxyless],
			["bookinfo-reviews", "TPROXY", true],
		);
		assert.deepEqual(proxy.locality, { region: "eu", zone: "eu-1", subzone: "" });
		assert.equal(proxy.labels.app, "reviews");
	});

	it("may give its locality by itself, which goes before labels", () => {
		const metadata = { LABELS: { "topology.kubernetes.io/region": "eu" } };
		assert.deepEqual(proxyOf({ id, metadata, locality: { region: "us", zone: "us-1" } }).locality, {
			region: "us",
			zone: "us-1",
			subzone: "",
		});
	});
});

describe("a node that is no proxy of the mesh", () => {
	const refusals: readonly (readonly [string, string, RegExp])[] = [
		["an id of another form", "envoy-1", /TYPE~ADDRESS/],
		["an empty id", "", /TYPE~ADDRESS/],
		["an unknown type", "ztunnel~10.0.0.1~a.b~b.svc", /neither sidecar nor router/],
		["no namespace", "sidecar~10.0.0.1~a~svc", /namespace/],
		["no address", "sidecar~~a.b~b.svc", /address/],
		["an address that is none", "sidecar~10.0.0.999~a.b~b.svc", /address/],
		["an endless id", `sidecar~10.0.0.1~${"a".repeat(5000)}.b~b.svc`, /longer/],
	];
	for (const [name, nodeId, why] of refusals) {
		it(`is refused with the reason: ${name}`, () => {
			const read = proxyFromNode({ id: nodeId, metadata: {} });
			assert.ok(!read.ok);
			assert.match(read.because, why);
			assert.ok(read.because.length <= 600);
		});
	}
});

describe("odd metadata", () => {
	const odd: readonly unknown[] = [
		undefined,
		null,
		"text",
		7,
		[],
		[{ LABELS: {} }],
		{ LABELS: "app=reviews", INSTANCE_IPS: 7, NAMESPACE: {}, CLUSTER_ID: null },
		{ LABELS: { app: 7, nested: { a: 1 }, ok: "yes" }, INTERCEPTION_MODE: "SIDEWAYS" },
		{ LABELS: { __proto__: { polluted: "yes" } }, NETWORK: "n".repeat(100_000) },
		JSON.parse('{"LABELS": {"__proto__": "x", "constructor": "y"}, "__proto__": {"NAMESPACE": "evil"}}'),
	];
	for (const metadata of odd)
		it(`counts as absent: ${JSON.stringify(metadata)?.slice(0, 60)}`, () => {
			const proxy = proxyOf({ id, metadata });
			assert.equal(proxy.namespace, "shop");
			assert.equal(proxy.network, "");
			assert.equal(proxy.interceptionMode, "REDIRECT");
			for (const value of Object.values(proxy.labels)) assert.equal(typeof value, "string");
		});

	it("is cut to a bounded number of labels and addresses", () => {
		const LABELS = Object.fromEntries(Array.from({ length: 100_000 }, (_, index) => [`l${index}`, "x"]));
		const INSTANCE_IPS = Array.from({ length: 40 }, (_, index) => `10.0.0.${index}`).join(",");
		const proxy = proxyOf({ id, metadata: { LABELS, INSTANCE_IPS } });
		assert.equal(Object.keys(proxy.labels).length, 256);
		assert.equal(proxy.ipAddresses.length, 16);
	});
});
