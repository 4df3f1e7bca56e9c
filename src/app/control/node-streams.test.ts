import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseIdentity } from "../../identity/spiffe-id.ts";
import type { XdsNode } from "../../xds/node.ts";
import type { ConfigSource } from "../../xds/wire/config-source.ts";
import { NodeStreams } from "./node-streams.ts";

const proxies: ConfigSource = {
	connect: ({ id }) => ({ ok: true, proxyId: id }),
	configFor: () => new Map([["of the proxy", { typeUrl: "of the proxy", parts: [] }]]),
	disconnected: () => {},
};

const nodeWith = (id: string): XdsNode => ({
	id,
	cluster: "",
	metadata: {},
	locality: { region: "", zone: "", subZone: "" },
	userAgentName: "keepmesh",
	userAgentVersion: "",
});

describe("the stream that a node opens for itself", () => {
	const setUp = () => {
		const published: (readonly string[])[] = [];
		const nodes = new NodeStreams((ids) => published.push(ids));
		const rules = { trustDomain: "cluster.local", isRegistered: (node: string) => node !== "gone" };
		const source = nodes.beside(proxies, (uri) => parseIdentity(uri ?? ""), rules);
		const connect = (id: string, uri?: string) =>
			source.connect(nodeWith(id), { address: "10.0.0.1", ...(uri === undefined ? {} : { uri }) });
		return { nodes, source, connect, published };
	};
	const of = (name: string): string => `spiffe://cluster.local/keepmesh/node/${name}`;

	it("is for that node's certificate alone", () => {
		const { connect } = setUp();
		assert.deepEqual(connect("node~n1", of("n1")), { ok: true, proxyId: "node~n1" });
		for (const uri of [of("n2"), undefined, "spiffe://evil/keepmesh/node/n1", "spiffe://cluster.local/ns/a/sa/n1"])
			assert.equal(connect("node~n1", uri).ok, false, uri ?? "nobody");
		assert.equal(connect("node~gone", of("gone")).ok, false, "shut out");
	});

	it("leaves proxies to whom they belong", () => {
		const { connect, source, nodes } = setUp();
		assert.deepEqual(connect("sidecar~1~a.b~c"), { ok: true, proxyId: "sidecar~1~a.b~c" });
		assert.deepEqual([...(source.configFor("sidecar~1~a.b~c")?.keys() ?? [])], ["of the proxy"]);
		source.disconnected("sidecar~1~a.b~c");
		assert.deepEqual(nodes.connected(), []);
	});

	it("gets the trust bundle of the moment, and each one after it", () => {
		const { connect, source, nodes, published } = setUp();
		connect("node~n1", of("n1"));
		const part = { resources: new Map() };
		nodes.setTrustBundle(part);
		assert.deepEqual(published, [["node~n1"]]);
		assert.deepEqual(
			[...(source.configFor("node~n1") ?? [])].map(([, set]) => set.parts),
			[[part]],
		);
		source.disconnected("node~n1");
		assert.deepEqual(nodes.connected(), []);
	});
});
