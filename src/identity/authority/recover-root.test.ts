import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash, generateKeyPairSync, X509Certificate } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { noRotation, withRenamedRoots } from "../rotation/rotation-state.ts";
import { stepRotation } from "../rotation/step-rotation.ts";
import { Authority } from "./authority.ts";
import { AuthorityStore } from "./authority-store.ts";
import { dayMs, rootTtlMs } from "./new-certificates.ts";
import { recoverRoot } from "./recover-root.ts";
import { publicKeyDer } from "./signing-key.ts";

const directory = mkdtempSync(join(tmpdir(), "keepmesh-recover-"));
after(() => rmSync(directory, { recursive: true }));

const pinOf = (pem: string): string =>
	createHash("sha256")
		.update(new X509Certificate(pem).publicKey.export({ type: "spki", format: "der" }))
		.digest("hex");

describe("an authority whose root has expired", () => {
	const ca = join(directory, "ca");
	const longAgoMs = Date.now() - rootTtlMs - 30 * dayMs;
	const old = new Authority({ directory: ca, trustDomain: "cluster.local", wallMs: () => longAgoMs });
	const now = new Authority({ directory: ca, trustDomain: "cluster.local", wallMs: () => Date.now() });
	const identity = { trustDomain: "cluster.local", namespace: "default", serviceAccount: "web" };
	const key = publicKeyDer(generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey);

	it("signs nothing, and again when it was recovered, with the same keys", () => {
		const refused = now.signKey(key, identity);
		assert.ok(!refused.ok);
		assert.equal(refused.reason, "issuer_expired");
		assert.ok(recoverRoot(new AuthorityStore(ca), "cluster.local", Date.now()));
		now.refresh();
		const signed = now.signKey(key, identity);
		assert.ok(signed.ok);
		assert.equal(signed.issuerKeyId, old.bundle().issuerKeyId);
		assert.equal(pinOf(now.rootPem), pinOf(old.rootPem));
		assert.notEqual(now.rootPem, old.rootPem);
		const [leaf = "", issuer = "", root = ""] = signed.chain;
		writeFileSync(join(directory, "leaf.pem"), leaf);
		writeFileSync(join(directory, "issuer.pem"), issuer);
		writeFileSync(join(directory, "root.pem"), root);
		const argv = ["verify", "-x509_strict", "-CAfile", "root.pem", "-untrusted", "issuer.pem", "leaf.pem"];
		assert.match(execFileSync("openssl", argv, { cwd: directory }).toString(), /leaf\.pem: OK/);
	});

	it("can be rotated afterwards, and a rotation that was under way goes on with the new editions", () => {
		const authority = {
			roots: old.roots().map(({ fingerprint }) => fingerprint),
			issuers: old.issuers().map(({ keyId, root }) => ({ keyId, rootFingerprint: root })),
			signing: old.bundle().issuerKeyId,
			bundleVersion: "",
		};
		const { state } = stepRotation({ settleMs: 0 }, noRotation, {
			type: "requested",
			kind: "root",
			authority,
			nowMs: 0,
		});
		const [before = ""] = authority.roots;
		const [after = ""] = now.roots().map(({ fingerprint }) => fingerprint);
		const renamed = withRenamedRoots(state, new Map([[before, after]]));
		assert.ok(renamed.phase === "running");
		assert.deepEqual([renamed.from.rootFingerprint, renamed.before.roots], [after, [after]]);
		const { fingerprint, issuerKeyId } = now.addRoot();
		now.signWith(issuerKeyId);
		now.dropRoot(after);
		assert.deepEqual(
			now.roots().map((root) => root.fingerprint),
			[fingerprint],
		);
	});
});
