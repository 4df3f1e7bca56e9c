import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import { gateways, SourceRig } from "./source-rig.testing.ts";
import { secretResource } from "./watched-kinds.ts";

describe("Secrets from an API server", () => {
	let rig: SourceRig;

	beforeEach(() => {
		rig = new SourceRig();
	});
	afterEach(() => rig.close());

	const gateway = (credentialName: string) =>
		rig.api.put(gateways, {
			metadata: { name: "g", namespace: "default" },
			spec: {
				selector: { istio: "ingress" },
				servers: [
					{
						port: { number: 443, name: "https", protocol: "HTTPS" },
						hosts: ["*"],
						tls: { mode: "SIMPLE", credentialName },
					},
				],
			},
		});
	const secret = (namespace: string, name: string, text = "x") =>
		rig.api.put(secretResource, {
			metadata: { namespace, name },
			data: { "tls.crt": btoa(text), "tls.key": btoa(text) },
		});

	const asksForSecrets = (): readonly string[] =>
		rig.api.asked.filter((text) => text.includes("/secrets")).map((text) => decodeURIComponent(text));

	it("asks only for those that a Gateway names, where its Pods are, and waits for them at the start", async () => {
		rig.define(gateways);
		gateway("cert");
		rig.pod("gw", "edge", { istio: "ingress" });
		rig.pod("other", "default", {});
		secret("edge", "cert");
		secret("default", "cert");
		secret("edge", "other");
		rig.start();
		await rig.settle();
		assert.equal(await rig.isReady(), true);
		assert.match(rig.news()[0] ?? "", /\+Secret\/edge\/cert$/);
		assert.ok(
			asksForSecrets().every((text) => /\/namespaces\/edge\/secrets\?.*metadata.name=cert(?:-cacert)?/.test(text)),
		);
		assert.equal(asksForSecrets().length, 2);
		secret("edge", "cert", "renewed");
		await rig.settle();
		assert.deepEqual(rig.news(), ["+Secret/edge/cert"]);
	});

	it("asks for no Secret at all without a Gateway", async () => {
		rig.define(gateways);
		secret("default", "cert");
		rig.pod("gw", "edge", { istio: "ingress" });
		rig.start();
		await rig.settle();
		assert.deepEqual(asksForSecrets(), []);
	});

	it("follows when a Gateway names another, and when its Pods come to another namespace", async () => {
		rig.define(gateways);
		gateway("one");
		secret("edge", "one");
		secret("edge", "two");
		secret("edge2", "two");
		rig.start();
		await rig.settle();
		rig.news();
		rig.pod("gw", "edge", { istio: "ingress" });
		await rig.settle(60);
		await rig.settle();
		assert.deepEqual(rig.news(), ["+Pod/edge/gw", "+Secret/edge/one"]);
		gateway("two");
		await rig.settle(60);
		await rig.settle();
		assert.deepEqual(rig.news().join(" ").split(" ").sort(), [
			"+Gateway/default/g",
			"+Secret/edge/two",
			"-Secret/edge/one",
		]);
		rig.pod("gw", "edge2", { istio: "ingress" });
		await rig.settle(60);
		await rig.settle();
		assert.deepEqual(rig.news(), ["+Pod/edge2/gw", "+Secret/edge2/two"]);
	});
});
