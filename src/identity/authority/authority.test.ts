import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { VirtualClock } from "../../runtime/virtual-clock.ts";
import { readCertificate } from "../certificate-reader.ts";
import { derFromPem } from "../certificate-request.ts";
import { requestFor } from "./authority.testing.ts";
import { type Authority, openAuthority } from "./authority.ts";

const directory = mkdtempSync(join(tmpdir(), "keepmesh-authority-"));
const options = { directory: join(directory, "ca"), trustDomain: "cluster.local", wallMs: () => Date.now() };
const identity = { trustDomain: "cluster.local", namespace: "default", serviceAccount: "bookinfo-reviews" };
const dayMs = 86_400_000;
after(() => rmSync(directory, { recursive: true }));

function signed(authority: Authority, request = requestFor()): readonly string[] {
	const outcome = authority.sign(request, identity);
	assert.ok(outcome.ok);
	return outcome.chain;
}

/** What `openssl verify` says of the chain, as strict as it can be. */
function verified(chain: readonly string[], roots = chain.at(-1) ?? ""): string {
	writeFileSync(join(directory, "leaf.pem"), chain[0] ?? "");
	writeFileSync(join(directory, "between.pem"), chain.slice(1, -1).join(""));
	writeFileSync(join(directory, "root.pem"), roots);
	const between = chain.length > 2 ? ["-untrusted", "between.pem"] : [];
	return execFileSync("openssl", ["verify", "-x509_strict", "-CAfile", "root.pem", ...between, "leaf.pem"], {
		cwd: directory,
		stdio: "pipe",
	}).toString();
}

function factsOf(pem: string | undefined) {
	const facts = readCertificate(derFromPem("CERTIFICATE", pem ?? "") ?? new Uint8Array());
	assert.ok(facts);
	return facts;
}

describe("the certificate authority", () => {
	const authority = openAuthority(options);

	it("signs leaves, by an issuer under the root, that openssl verifies strictly", () => {
		const chain = signed(authority);
		assert.equal(chain.length, 3);
		assert.match(verified(chain), /leaf\.pem: OK/);
	});

	for (const keyType of ["rsa-2048", "rsa-3072"] as const)
		it(`does so with ${keyType} keys`, () => {
			const chain = signed(openAuthority({ ...options, directory: join(directory, keyType), keyType }));
			assert.match(verified(chain), /leaf\.pem: OK/);
			assert.equal(new X509Certificate(chain[2] ?? "").publicKey.asymmetricKeyType, "rsa");
		});

	it("names the workload by its SPIFFE id and nothing else", () => {
		const certificate = new X509Certificate(signed(authority)[0] ?? "");
		assert.equal(certificate.subjectAltName, "URI:spiffe://cluster.local/ns/default/sa/bookinfo-reviews");
		assert.equal(certificate.subject, undefined);
		assert.equal(certificate.ca, false);
	});

	it("says in the leaf which issuer it is from, as the bundle says it", () => {
		const [leaf, issuer] = signed(authority);
		assert.equal(factsOf(leaf).authorityKeyId, authority.bundle().issuerKeyId);
		assert.equal(factsOf(issuer).subjectKeyId, authority.bundle().issuerKeyId);
	});

	it("opens the same root again, and keeps keys and directory from others", () => {
		assert.equal(openAuthority(options).rootPem, authority.rootPem);
		const keys = join(options.directory, "keys");
		assert.equal(statSync(keys).mode & 0o777, 0o700);
		for (const name of readdirSync(keys)) assert.equal(statSync(join(keys, name)).mode & 0o777, 0o600);
	});

	it("refuses to go on under another trust domain", () => {
		assert.throws(() => openAuthority({ ...options, trustDomain: "other.example" }), /authority of cluster\.local/);
	});

	it("takes requests that openssl made, with names in them that it does not look at", () => {
		for (const key of ["rsa:2048", "ec -pkeyopt ec_paramgen_curve:P-384"]) {
			const words = `req -new -newkey ${key} -nodes -keyout k.pem -out r.pem -subj /CN=x -addext`.split(" ");
			const alien = "subjectAltName=URI:spiffe://cluster.local/ns/kube-system/sa/admin";
			execFileSync("openssl", [...words, alien], { cwd: directory, stdio: "ignore" });
			const chain = signed(authority, readFileSync(join(directory, "r.pem"), "utf8"));
			assert.deepEqual(factsOf(chain[0]).uris, ["spiffe://cluster.local/ns/default/sa/bookinfo-reviews"]);
		}
	});

	it("gives the life that is asked for, up to the maximum", () => {
		const hour = authority.sign(requestFor(), identity, { validitySeconds: 3600 });
		assert.ok(hour.ok);
		assert.ok(Math.abs(hour.notAfterMs - Date.now() - 3_600_000) < 60_000);
		const hundredYears = authority.sign(requestFor(), identity, { validitySeconds: 3_155_760_000 });
		assert.ok(!hundredYears.ok && hundredYears.reason === "validity_too_long");
	});

	it("never lets a leaf outlive the issuer, and signs nothing with an issuer that has expired", () => {
		const startMs = Date.now();
		let nowMs = startMs;
		const ageing = openAuthority({ ...options, directory: join(directory, "ageing"), wallMs: () => nowMs });
		nowMs = startMs + 364.5 * dayMs;
		const last = ageing.sign(requestFor(), identity);
		assert.ok(last.ok && Math.abs(last.notAfterMs - startMs - 365 * dayMs) < 1000);
		nowMs = startMs + 366 * dayMs;
		const late = ageing.sign(requestFor(), identity);
		assert.ok(!late.ok && late.reason === "issuer_expired");
	});
});

describe("replicas that share an authority's directory", () => {
	it("make one root when they start at once", async () => {
		const shared = join(directory, "at-once");
		const script = `const { openAuthority } = await import(${JSON.stringify(join(import.meta.dirname, "authority.ts"))});
			console.log(openAuthority({ directory: ${JSON.stringify(shared)}, trustDomain: "t", wallMs: Date.now }).rootHash)`;
		const { spawn } = await import("node:child_process");
		const said = await Promise.all(
			Array.from({ length: 3 }, async () => {
				const child = spawn(process.execPath, ["--no-warnings", "--input-type=module", "-e", script]);
				let text = "";
				for await (const chunk of child.stdout) text += chunk;
				return text.trim();
			}),
		);
		assert.match(said[0] ?? "", /^[\w-]{43}$/);
		assert.deepEqual([...new Set(said)], [said[0]]);
		assert.equal(readdirSync(join(shared, "keys")).length, 2);
	});

	it("follow each other's changes", () => {
		const clock = new VirtualClock(Date.now());
		const shared = { ...options, directory: join(directory, "followed"), clock };
		const [one, other] = [openAuthority(shared), openAuthority(shared)];
		let heard = 0;
		other.onChange(() => heard++);
		const added = one.addRoot();
		clock.advance(1_000);
		assert.equal(heard, 1);
		assert.deepEqual(other.bundle(), one.bundle());
		assert.equal(other.bundle().roots.length, 2);
		assert.ok(other.issuers().some(({ keyId }) => keyId === added.issuerKeyId));
		one.close();
		other.close();
		assert.equal(clock.armed, 0);
	});

	it("keep every change when both change something from the same state", () => {
		const shared = { ...options, directory: join(directory, "both") };
		const [one, other] = [openAuthority(shared), openAuthority(shared)];
		one.addIssuer();
		other.addIssuer();
		one.refresh();
		assert.equal(one.issuers().length, 3);
	});
});

describe("the stages of a rotation", () => {
	const authority = openAuthority({ ...options, directory: join(directory, "rotated") });
	const [before] = authority.roots();
	assert.ok(before);
	const oldChain = signed(authority);

	it("trust a new root before anything is signed under it", () => {
		const added = authority.addRoot();
		assert.equal(authority.roots().length, 2);
		assert.notEqual(authority.bundle().issuerKeyId, added.issuerKeyId);
		authority.signWith(added.issuerKeyId);
		const chain = signed(authority);
		assert.match(verified(chain), /OK/);
		assert.notEqual(chain.at(-1), oldChain.at(-1));
		assert.match(verified(oldChain, authority.bundle().roots.join("")), /OK/);
	});

	it("refuse to drop what signs", () => {
		const signing = authority.issuers().find(({ isSigning }) => isSigning);
		assert.throws(() => authority.dropRoot(signing?.root ?? ""), /sign with another one first/);
		assert.throws(() => authority.dropIssuer(signing?.keyId ?? ""), /sign with another one first/);
	});

	it("drop the old root with its issuer, and destroy their keys", () => {
		authority.dropRoot(before.fingerprint);
		assert.equal(authority.roots().length, 1);
		assert.equal(authority.issuers().length, 1);
		assert.equal(readdirSync(join(directory, "rotated", "keys")).length, 2);
		assert.throws(() => verified(oldChain, authority.bundle().roots.join("")));
	});

	it("renew the issuer under the same root", () => {
		const { issuerKeyId } = authority.addIssuer();
		const [old] = authority.issuers().filter(({ isSigning }) => isSigning);
		authority.signWith(issuerKeyId);
		authority.dropIssuer(old?.keyId ?? "");
		assert.match(verified(signed(authority)), /OK/);
		assert.equal(authority.roots().length, 1);
	});
});

describe("signing keys at rest", () => {
	const place = { ...options, directory: join(directory, "sealed") };
	const passphrase = "a phrase";

	it("are encrypted when there is a passphrase, those included that were not", () => {
		const { rootHash } = openAuthority(place);
		assert.equal(openAuthority({ ...place, passphrase }).rootHash, rootHash);
		const keys = join(place.directory, "keys");
		for (const name of readdirSync(keys))
			assert.match(readFileSync(join(keys, name), "utf8"), /BEGIN ENCRYPTED PRIVATE KEY/);
		assert.match(verified(signed(openAuthority({ ...place, passphrase }))), /OK/);
	});

	it("do not open without the passphrase or with a wrong one, and that is said", () => {
		assert.throws(() => openAuthority(place), /is encrypted: give its passphrase/);
		assert.throws(() => openAuthority({ ...place, passphrase: "another" }), /the passphrase does not open it/);
	});
});
