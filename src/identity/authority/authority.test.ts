import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { generateKeyPairSync, X509Certificate } from "node:crypto";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { pemFromDer, signCertificateRequest } from "../certificate-request.ts";
import { type Authority, openAuthority } from "./authority.ts";
import { publicKeyDer, signerOf } from "./signing-key.ts";

const directory = mkdtempSync(join(tmpdir(), "keepmesh-authority-"));
const options = { directory: join(directory, "ca"), trustDomain: "cluster.local", wallMs: () => Date.now() };
const identity = { trustDomain: "cluster.local", namespace: "default", serviceAccount: "bookinfo-reviews" };
after(() => rmSync(directory, { recursive: true }));

function requestFor(key = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey): string {
	return pemFromDer("CERTIFICATE REQUEST", signCertificateRequest(publicKeyDer(key), signerOf(key)));
}

function signed(authority: Authority, request = requestFor()): readonly string[] {
	const outcome = authority.sign(request, identity);
	assert.ok(outcome.ok);
	return outcome.chain;
}

describe("the certificate authority", () => {
	const authority = openAuthority(options);

	it("signs leaves that openssl verifies strictly against the root", () => {
		const [leaf = "", root = ""] = signed(authority);
		writeFileSync(join(directory, "leaf.pem"), leaf);
		writeFileSync(join(directory, "root.pem"), root);
		const said = execFileSync("openssl", ["verify", "-x509_strict", "-CAfile", "root.pem", "leaf.pem"], {
			cwd: directory,
		});
		assert.match(said.toString(), /leaf\.pem: OK/);
	});

	it("names the workload by its SPIFFE id and nothing else", () => {
		const certificate = new X509Certificate(signed(authority)[0] ?? "");
		assert.equal(certificate.subjectAltName, "URI:spiffe://cluster.local/ns/default/sa/bookinfo-reviews");
		assert.equal(certificate.subject, undefined);
		assert.equal(certificate.ca, false);
	});

	it("opens the same root again, and keeps its key from others", () => {
		assert.equal(openAuthority(options).rootPem, authority.rootPem);
		assert.equal(statSync(join(options.directory, "ca-key.pem")).mode & 0o777, 0o600);
	});

	it("takes requests that openssl made", () => {
		execFileSync(
			"openssl",
			["req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", "k.pem", "-out", "r.pem", "-subj", "/CN=x"],
			{
				cwd: directory,
				stdio: "ignore",
			},
		);
		const request = execFileSync("cat", [join(directory, "r.pem")]).toString();
		assert.equal(signed(authority, request).length, 2);
	});

	const weak = generateKeyPairSync("rsa", { modulusLength: 1024 }).privateKey;
	const other = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
	const one = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
	const stolenKey = pemFromDer("CERTIFICATE REQUEST", signCertificateRequest(publicKeyDer(one), signerOf(other)));
	const refused: readonly (readonly [string, string, RegExp])[] = [
		["text that is no request", "hello", /no PEM/],
		["a megabyte", "x".repeat(1_000_000), /longer than/],
		[
			"bytes that are no DER",
			pemFromDer("CERTIFICATE REQUEST", Uint8Array.of(0x30, 0x84, 0xff, 0xff, 0xff, 0xff)),
			/longer than what holds it/,
		],
		["a key that did not sign it", stolenKey, /signature does not fit/],
		["a 1024 bit RSA key", requestFor(weak), /weaker than 2048/],
	];
	for (const [what, request, because] of refused)
		it(`refuses ${what}`, () => {
			const outcome = authority.sign(request, identity);
			assert.ok(!outcome.ok);
			assert.match(outcome.because, because);
		});
});
