import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { VirtualClock } from "../../runtime/virtual-clock.ts";
import { requestFor } from "./authority.testing.ts";
import { openAuthority } from "./authority.ts";
import { authorityCertificate } from "./authority-state.ts";
import { loadPlugIn } from "./plug-in-files.ts";

const directory = mkdtempSync(join(tmpdir(), "keepmesh-plugin-"));
after(() => rmSync(directory, { recursive: true }));
const identity = { trustDomain: "cluster.local", namespace: "default", serviceAccount: "reviews" };
/** A little later than the certificates, which the tests make after this. */
const options = { trustDomain: "cluster.local", nowMs: Date.now() + 60_000 };
const authorityExtensions =
	"basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n";

function openssl(words: string): void {
	execFileSync("openssl", words.split(" "), { cwd: directory, stdio: "pipe" });
}

/** NAME.key and NAME.crt; without `by` self-signed. */
function makeCertificate(name: string, by?: string, extensions = authorityExtensions, days = 30, key = "ec"): void {
	writeFileSync(join(directory, `${name}.ext`), extensions);
	if (key === "ec") openssl(`ecparam -name prime256v1 -genkey -noout -out ${name}.key`);
	else openssl(`genrsa -out ${name}.key 2048`);
	openssl(`req -new -key ${name}.key -out ${name}.csr -subj /O=plug/CN=${name}`);
	const signer = by === undefined ? `-signkey ${name}.key` : `-CA ${by}.crt -CAkey ${by}.key -CAcreateserial`;
	openssl(`x509 -req -in ${name}.csr -out ${name}.crt -days ${days} -extfile ${name}.ext ${signer}`);
}

const text = (name: string): string => readFileSync(join(directory, name), "utf8");

/** A directory with these files. */
function layout(name: string, files: Readonly<Record<string, string>>): string {
	const path = join(directory, name);
	mkdirSync(path, { recursive: true });
	for (const [file, content] of Object.entries(files)) writeFileSync(join(path, file), content);
	return path;
}

makeCertificate("root");
makeCertificate("middle", "root");
makeCertificate("issuer", "middle");
makeCertificate("stranger", undefined, authorityExtensions, 30, "rsa");

const cacerts = (overrides: Readonly<Record<string, string>> = {}) => ({
	"ca-cert.pem": text("issuer.crt"),
	"ca-key.pem": text("issuer.key"),
	"cert-chain.pem": text("issuer.crt") + text("middle.crt"),
	"root-cert.pem": text("root.crt"),
	...overrides,
});

/** Signs with what is in the directory, and has openssl verify it. */
function signsWith(plugIn: string, roots: string): number {
	const authority = openAuthority({
		directory: join(directory, `state-${Math.abs(hash(plugIn))}`),
		plugInDirectory: plugIn,
		trustDomain: "cluster.local",
		wallMs: () => Date.now(),
	});
	const signed = authority.sign(requestFor(), identity);
	assert.ok(signed.ok);
	writeFileSync(join(directory, "leaf.pem"), signed.chain[0] ?? "");
	writeFileSync(join(directory, "between.pem"), signed.chain.slice(1, -1).join(""));
	const between = signed.chain.length > 2 ? " -untrusted between.pem" : "";
	openssl(`verify -CAfile ${roots}${between} leaf.pem`);
	return signed.chain.length;
}

const hash = (value: string): number => [...value].reduce((sum, char) => (sum * 31 + char.charCodeAt(0)) | 0, 7);

describe("a plugged-in authority", () => {
	it("signs with Istio's cacerts files, and sends the whole chain", () => {
		assert.equal(signsWith(layout("cacerts", cacerts()), "root.crt"), 4);
	});

	it("signs with a cert-manager secret", () => {
		const files = {
			"tls.crt": text("issuer.crt") + text("middle.crt"),
			"tls.key": text("issuer.key"),
			"ca.crt": text("root.crt"),
		};
		assert.equal(signsWith(layout("cert-manager", files), "root.crt"), 4);
	});

	it("signs with the self-signed root that an earlier version made, found in its directory", () => {
		const old = layout("old", { "ca-cert.pem": text("stranger.crt"), "ca-key.pem": text("stranger.key") });
		const authority = openAuthority({ directory: old, trustDomain: "cluster.local", wallMs: () => Date.now() });
		assert.equal(authority.source, "plug-in");
		assert.equal(authority.bundle().roots.length, 1);
		assert.equal(signsWith(old, "stranger.crt"), 2);
	});

	it("trusts every root of root-cert.pem: that is how such an authority is rotated", () => {
		const both = cacerts({ "root-cert.pem": text("root.crt") + text("stranger.crt") });
		assert.equal(loadPlugIn(layout("both", both), options).roots.length, 2);
	});

	it("cannot be rotated by command, and says what to do instead", () => {
		const plugInDirectory = layout("fixed", cacerts());
		const authority = openAuthority({
			directory: join(directory, "fixed-state"),
			plugInDirectory,
			trustDomain: "cluster.local",
			wallMs: () => Date.now(),
		});
		assert.throws(() => authority.addRoot(), /plugged in: put the new files into/);
	});

	makeCertificate("leaf", "middle", "basicConstraints=critical,CA:FALSE\n");
	makeCertificate("no-sign", "middle", "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,cRLSign\n");
	makeCertificate("short", "root", "basicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=critical,keyCertSign\n");
	makeCertificate("below-short", "short");
	const issuerChain = (name: string, above: string) => ({
		"ca-cert.pem": text(`${name}.crt`),
		"ca-key.pem": text(`${name}.key`),
		"cert-chain.pem": text(`${name}.crt`) + text(`${above}.crt`),
	});
	const later = { ...options, nowMs: Date.now() + 40 * 86_400_000 };
	const earlier = { ...options, nowMs: Date.now() - 40 * 86_400_000 };
	const refused: readonly (readonly [string, Readonly<Record<string, string>>, RegExp, typeof options?])[] = [
		["a key that does not fit", { "ca-key.pem": text("root.key") }, /ca-key\.pem is not the key of .*ca-cert\.pem/],
		["no key", { "ca-key.pem": "nothing" }, /ca-key\.pem is no private key/],
		["a leaf", issuerChain("leaf", "middle"), /is not the certificate of an authority/],
		["an authority that may not sign", issuerChain("no-sign", "middle"), /keyUsage lacks keyCertSign/],
		["a path that is too long", issuerChain("below-short", "short"), /allows a path length of 0, not 1/],
		["a root that is another's", { "root-cert.pem": text("stranger.crt") }, /no root of .* verifies the certificate/],
		["a chain with a hole", { "cert-chain.pem": text("issuer.crt") }, /no root of .* verifies the certificate/],
		["no root", { "root-cert.pem": "" }, /root-cert\.pem is missing/],
		["a certificate that is none", { "ca-cert.pem": "hello" }, /holds no certificate/],
		["expired certificates", {}, /ca-cert\.pem expired at/, later],
		["certificates of the future", {}, /is not valid before/, earlier],
	];
	for (const [what, overrides, because, at] of refused)
		it(`is refused: ${what}`, () => {
			assert.throws(() => loadPlugIn(layout(`bad-${hash(what)}`, cacerts(overrides)), at ?? options), because);
		});

	it("names all that is wrong at once", () => {
		const broken = layout("broken", cacerts({ "ca-key.pem": text("root.key"), "root-cert.pem": text("stranger.crt") }));
		assert.throws(() => loadPlugIn(broken, options), /is not the key of.*; no root of/);
	});

	it("opens a key that is encrypted", () => {
		openssl("pkcs8 -topk8 -in issuer.key -out sealed.key -passout pass:secret -v2 aes-256-cbc");
		const sealed = layout("sealed", cacerts({ "ca-key.pem": text("sealed.key") }));
		assert.equal(loadPlugIn(sealed, { ...options, passphrase: "secret" }).issuers.length, 1);
		assert.throws(() => loadPlugIn(sealed, options), /--ca-passphrase-file/);
		assert.throws(() => loadPlugIn(sealed, { ...options, passphrase: "wrong" }), /does not open it/);
	});
});

describe("a revocation list beside a plugged-in authority", () => {
	/** Revokes the certificates, by the authority that made them. */
	/** `revoked`: names of certificates; or lines for the configuration of openssl. */
	function crl(by: string, ...revoked: readonly string[]): string {
		const more = revoked.filter((text) => text.includes("=")).join("");
		const names = revoked.filter((text) => !text.includes("="));
		writeFileSync(join(directory, "index.txt"), "");
		writeFileSync(join(directory, "crlnumber"), "01\n");
		writeFileSync(
			join(directory, "ca.cnf"),
			`[ca]\ndefault_ca=d\n[d]\ndatabase=index.txt\ncrlnumber=crlnumber\ndefault_md=sha256\ndefault_crl_days=7\n${more}`,
		);
		for (const name of names) openssl(`ca -config ca.cnf -revoke ${name}.crt -keyfile ${by}.key -cert ${by}.crt`);
		openssl(`ca -config ca.cnf -gencrl -keyfile ${by}.key -cert ${by}.crt -out crl.pem`);
		return text("crl.pem");
	}

	function opened(name: string, list: string) {
		return openAuthority({
			directory: join(directory, `${name}-state`),
			plugInDirectory: layout(name, cacerts(list === "" ? {} : { "ca-crl.pem": list })),
			trustDomain: "cluster.local",
			wallMs: () => Date.now(),
		});
	}

	makeCertificate("stolen", "issuer", "basicConstraints=critical,CA:FALSE\n");
	makeCertificate("kept", "issuer", "basicConstraints=critical,CA:FALSE\n");
	const factsOf = (name: string) => authorityCertificate(text(`${name}.crt`), name).facts;

	it("revokes what is on it and nothing else", () => {
		const authority = opened("revoking", crl("issuer", "stolen"));
		assert.equal(authority.isRevoked(factsOf("stolen")), true);
		assert.equal(authority.isRevoked(factsOf("kept")), false);
	});

	it("may be empty, and of each authority of the chain", () => {
		const authority = opened("several", crl("issuer") + crl("root", "middle"));
		assert.equal(authority.isRevoked(factsOf("middle")), true);
		assert.equal(authority.isRevoked(factsOf("stolen")), false);
	});

	it("goes to the Envoys with the bundle, the newest of each authority, and makes the bundle another one", () => {
		const [older, newer] = [crl("issuer"), crl("issuer", "stolen")];
		const ofRoot = crl("root");
		const lists = opened("for-envoys", older + ofRoot + newer).bundle().revocationLists ?? [];
		assert.deepEqual(new Set(lists), new Set([newer, ofRoot]));
		assert.equal(opened("no-list", "").bundle().revocationLists, undefined);
	});

	it("stays at the control plane where Envoys would refuse everybody because of it", () => {
		const because = (name: string, list: string): string | undefined => {
			const authority = opened(name, list);
			assert.equal(authority.bundle().revocationLists, undefined);
			return authority.revocationLists().because;
		};
		assert.match(because("root-alone", crl("root")) ?? "", /none of the authority that signs/);
		const special = "crl_extensions=e\n[e]\nissuingDistributionPoint=critical,@p\n[p]\nonlyuser=TRUE\n";
		assert.match(because("special", crl("issuer", special)) ?? "", /critical extensions/);
	});

	it("is refused when a stranger signed it, or when it is none", () => {
		assert.throws(() => opened("strange", crl("stranger")), /signed by none of the plugged-in authorities/);
		assert.throws(() => opened("none", "hello"), /ca-crl\.pem holds no revocation list/);
	});
});

describe("the files of a plugged-in authority", () => {
	it("are taken over when Kubernetes swaps them, and not when they are bad", () => {
		const mount = join(directory, "mount");
		mkdirSync(mount);
		const swapTo = (version: string): void => {
			symlinkSync(version, join(mount, "..data_tmp"));
			renameSync(join(mount, "..data_tmp"), join(mount, "..data"));
		};
		cpSync(layout("v1", cacerts()), join(mount, "v1"), { recursive: true });
		swapTo("v1");
		for (const name of Object.keys(cacerts())) symlinkSync(join("..data", name), join(mount, name));
		const clock = new VirtualClock(Date.now());
		const said: (string | undefined)[] = [];
		const authority = openAuthority({
			directory: join(directory, "mount-state"),
			plugInDirectory: mount,
			trustDomain: "cluster.local",
			wallMs: () => clock.wallMs(),
			clock,
			onProblem: (because) => said.push(because),
		});
		const before = authority.bundle();
		cpSync(layout("v2", cacerts({ "ca-key.pem": text("root.key") })), join(mount, "v2"), { recursive: true });
		swapTo("v2");
		clock.advance(1_000);
		assert.deepEqual(authority.bundle(), before);
		assert.match(said[0] ?? "", /is not the key of/);
		const files = { "ca-cert.pem": text("stranger.crt"), "ca-key.pem": text("stranger.key") };
		const roots = { "root-cert.pem": text("root.crt") + text("stranger.crt"), "cert-chain.pem": "" };
		cpSync(layout("v3", { ...files, ...roots }), join(mount, "v3"), { recursive: true });
		swapTo("v3");
		clock.advance(1_000);
		assert.notEqual(authority.bundle().issuerKeyId, before.issuerKeyId);
		assert.equal(authority.bundle().roots.length, 2);
		assert.equal(said.at(-1), undefined);
		authority.close();
	});
});
