import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { silentLog } from "../../runtime/log.ts";
import { configMaps, namespaces } from "../client/api-resources.ts";
import { FakeCluster } from "./replicas.testing.ts";
import { RootConfigMaps } from "./root-config-maps.ts";

const meshed = { "istio-injection": "enabled" };

function mesh() {
	const cluster = new FakeCluster();
	const state: { roots: readonly string[] | undefined } = { roots: ["one\n"] };
	const { client, cut } = cluster.client();
	const maps = new RootConfigMaps({ client, clock: cluster.clock, log: silentLog, roots: () => state.roots });
	return {
		cluster,
		state,
		maps,
		cut,
		namespace: (name: string, labels: Readonly<Record<string, string>>) =>
			cluster.api.put(namespaces, { metadata: { name, labels } }),
		text: (namespace: string): string | undefined => {
			const map = cluster.api.get(configMaps, namespace, "istio-ca-root-cert");
			return (map?.data as Record<string, string> | undefined)?.["root-cert.pem"];
		},
		written: () => cluster.api.asked.filter((one) => /^(POST|PATCH)/.test(one)).length,
	};
}

describe("the mesh's roots for tools of others", () => {
	it("are in every namespace whose pods are injected, and in no other", async () => {
		const { cluster, namespace, text, written } = mesh();
		namespace("plain", {});
		namespace("shop", meshed);
		namespace("canary", { "istio.io/rev": "1-1" });
		namespace("off", { "istio-injection": "disabled", "istio.io/rev": "1-1" });
		await cluster.pass(1_000);
		assert.deepEqual(["plain", "shop", "canary", "off"].map(text), [undefined, "one\n", "one\n", undefined]);
		namespace("plain", meshed);
		await cluster.pass(1_000);
		assert.equal(text("plain"), "one\n");
		await cluster.pass(60_000, 1_000);
		assert.equal(written(), 3);
	});

	it("follow the roots, and come back where somebody changed or removed them", async () => {
		const { cluster, maps, namespace, state, text } = mesh();
		namespace("shop", meshed);
		await cluster.pass(1_000);
		state.roots = ["one\n", "two\n"];
		maps.look();
		await cluster.pass(1_000);
		assert.equal(text("shop"), "one\ntwo\n");
		cluster.api.put(configMaps, { metadata: { namespace: "shop", name: "istio-ca-root-cert" }, data: {} });
		await cluster.pass(1_000);
		assert.equal(text("shop"), "one\ntwo\n");
		cluster.api.remove(configMaps, "shop", "istio-ca-root-cert");
		await cluster.pass(1_000);
		assert.equal(text("shop"), "one\ntwo\n");
	});

	it("are written by the leader alone, and when the API server is there again", async () => {
		const { cluster, cut, maps, namespace, state, text, written } = mesh();
		state.roots = undefined;
		namespace("shop", meshed);
		await cluster.pass(5_000);
		assert.equal(written(), 0);
		cut(true);
		state.roots = ["one\n"];
		maps.look();
		await cluster.pass(20_000, 500);
		assert.equal(text("shop"), undefined);
		cut(false);
		await cluster.pass(60_000, 500);
		assert.equal(text("shop"), "one\n");
		maps.close();
		namespace("late", meshed);
		await cluster.pass(5_000);
		assert.equal(text("late"), undefined);
	});
});
