import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { EnvoyAdmin } from "../envoy-admin.ts";
import type { CertifiedKey } from "./certified-key.ts";
import { lackOfTrust, type WorkloadTrust } from "./trust-proof.ts";

const bundle = { trustDomain: "cluster.local", roots: ["root"], issuerKeyId: "new" };
const keyOf = (issuerKeyId: string): CertifiedKey => ({
	keyPem: "",
	chainPem: "",
	rootPem: "",
	uri: "",
	serial: "",
	notBeforeMs: 0,
	notAfterMs: 0,
	issuerKeyId,
});
const envoyWith = (status: number, body: string): EnvoyAdmin => ({
	get: async () => ({ status, body }),
	post: async () => undefined,
	stream: () => Promise.reject(new Error("not asked")),
});
const inForce: WorkloadTrust = { key: keyOf("new"), use: { state: "confirmed", unasked: [] }, admin: undefined };
const unasked = (admin: EnvoyAdmin | undefined): WorkloadTrust => ({
	...inForce,
	use: { state: "confirmed", unasked: ["ROOTCA"] },
	admin,
});

describe("a trust bundle is in force", () => {
	it("when node, workload and Envoy have what it says", async () => {
		assert.equal(await lackOfTrust(bundle, keyOf("new"), inForce), undefined);
		assert.equal(await lackOfTrust(bundle, undefined, inForce), undefined, "no certificate of the node by design");
		assert.equal(await lackOfTrust(bundle, keyOf("new"), undefined), undefined, "the node itself");
	});

	const cases: readonly [string, RegExp, { issuerKeyId: string | undefined } | undefined, WorkloadTrust | undefined][] =
		[
			["the node has one of the old issuer", /node's own/, keyOf("old"), inForce],
			["the node has none", /node's own/, { issuerKeyId: undefined }, undefined],
			["the workload has none", /no certificate/, keyOf("new"), { ...inForce, key: undefined }],
			["the workload has one of the old issuer", /another issuer/, keyOf("new"), { ...inForce, key: keyOf("old") }],
			["Envoy has not answered", /not confirmed/, keyOf("new"), { ...inForce, use: { state: "waiting", unasked: [] } }],
			["Envoy has refused", /refused/, keyOf("new"), { ...inForce, use: { state: "refused", unasked: [] } }],
			[
				"the spare that could serve has not confirmed",
				/spare/,
				keyOf("new"),
				{ ...inForce, lackOfSpare: async () => "the spare has not confirmed" },
			],
			["Envoy does not ask, and nobody can see into it", /does not ask/, keyOf("new"), unasked(undefined)],
			["Envoy does not ask, and its admin is busy", /does not ask/, keyOf("new"), unasked(envoyWith(503, ""))],
			[
				"Envoy does not ask, but has roots from before",
				/does not ask for ROOTCA/,
				keyOf("new"),
				unasked(envoyWith(200, '{"configs": [{"name": "ROOTCA"}]}')),
			],
		];
	for (const [name, because, node, workload] of cases)
		it(`but not when ${name}`, async () => {
			assert.match((await lackOfTrust(bundle, node, workload)) ?? "in force", because);
		});

	it("when an Envoy that does not ask has nothing of the kind", async () => {
		assert.equal(await lackOfTrust(bundle, keyOf("new"), unasked(envoyWith(200, "{}"))), undefined);
		const other = envoyWith(200, '{"configs": [{"name": "default"}]}');
		assert.equal(await lackOfTrust(bundle, keyOf("new"), unasked(other)), undefined);
	});
});
