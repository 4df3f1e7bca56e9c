import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { Authority } from "../../identity/authority/authority.ts";
import { publicKeyDer } from "../../identity/authority/signing-key.ts";
import type { CertificatesAnswer } from "../api/certificate-routes.ts";
import { cellsOf, rowHeader, rowOfSecrets, rowsOfLedger, stateOf, wideHeader } from "./certificate-rows.ts";

describe("the state of a certificate", () => {
	const life = { notBeforeMs: 1_000, notAfterMs: 101_000 };
	const moments: readonly (readonly [number, string])[] = [
		[999, "NOT YET VALID"],
		[1_000, "OK"],
		[55_999, "OK"],
		[56_001, "RENEWING"],
		[80_999, "RENEWING"],
		[81_000, "EXPIRING"],
		[100_999, "EXPIRING"],
		[101_000, "EXPIRED"],
	];
	for (const [nowMs, state] of moments)
		it(`is ${state} at ${(nowMs - 1_000) / 1_000} % of its life`, () => assert.equal(stateOf(life, nowMs), state));

	it("is OLD ISSUER when the authority has forgotten its issuer, unless it matters more that it expires", () => {
		const row = { ...life, issuerKeyId: "one" };
		assert.equal(stateOf(row, 1_000, new Set(["one"])), "OK");
		assert.equal(stateOf(row, 1_000, new Set(["two"])), "OLD ISSUER");
		assert.equal(stateOf(row, 100_999, new Set(["two"])), "EXPIRING");
	});
});

describe("the certificate that an Envoy shows", () => {
	const directory = mkdtempSync(join(tmpdir(), "keepmesh-rows-"));
	after(() => rmSync(directory, { recursive: true }));
	const authority = new Authority({ directory, trustDomain: "cluster.local", wallMs: () => Date.now() });
	const key = publicKeyDer(generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey);
	const signed = authority.signKey(key, { trustDomain: "cluster.local", namespace: "shop", serviceAccount: "web" });
	assert.ok(signed.ok);
	const chain = signed.chain.join("");
	const root = authority.roots()[0]?.fingerprint ?? "";
	const secrets = (form: (pem: string) => object) => [
		{ name: "ROOTCA", validation_context: { trusted_ca: form(authority.rootPem) } },
		{ name: "default", tls_certificate: { certificate_chain: form(chain), private_key: form("[redacted]") } },
	];

	for (const [what, form] of [
		["text", (pem: string) => ({ inline_string: pem })],
		["bytes", (pem: string) => ({ inline_bytes: Buffer.from(pem).toString("base64") })],
	] as const)
		it(`is read from its secrets, sent as ${what}`, () => {
			const row = rowOfSecrets(secrets(form), "web-1.shop", "node-1");
			assert.ok(row);
			assert.equal(row.identity, "spiffe://cluster.local/ns/shop/sa/web");
			assert.equal(row.serial, signed.serial);
			assert.equal(row.issuerKeyId, authority.bundle().issuerKeyId);
			assert.deepEqual(row.trusts, [root]);
			const issuers = new Set([row.issuerKeyId]);
			const cells = cellsOf(row, Date.now(), true, issuers);
			assert.equal(cells.length, wideHeader.length);
			assert.deepEqual(cells.slice(0, 3), ["cluster.local/ns/shop/sa/web", "web-1.shop", "node-1"]);
			assert.deepEqual(cells.slice(5, 7), ["OK", "envoy"]);
			assert.equal(cellsOf(row, Date.now(), false, issuers).length, rowHeader.length);
		});

	it("is none when it has no secrets, or they are no certificates", () => {
		assert.equal(rowOfSecrets([], "a", "n"), undefined);
		const broken = [{ name: "default", tls_certificate: { certificate_chain: { inline_string: "hello" } } }];
		assert.equal(rowOfSecrets(broken, "a", "n"), undefined);
	});
});

describe("what several control planes issued", () => {
	it("is shown once for each identity and holder, the newest", () => {
		const issued = (notAfterMs: number, issuedTo: string) => ({
			...{ identity: "spiffe://cluster.local/ns/default/sa/web", serial: `${notAfterMs}`, issuerKeyId: "00" },
			...{ notBeforeMs: 0, notAfterMs, issuedTo },
		});
		const answer = (...list: ReturnType<typeof issued>[]) => ({ issued: list }) as unknown as CertificatesAnswer;
		const rows = rowsOfLedger([answer(issued(10, "node n1"), issued(11, "node n2")), answer(issued(12, "node n1"))]);
		assert.deepEqual(
			rows.map(({ serial, node, source }) => [serial, node, source]),
			[
				["12", "n1", "ledger"],
				["11", "n2", "ledger"],
			],
		);
	});
});
