import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { derFromPem } from "../../identity/certificate-request.ts";
import { silentLog } from "../../runtime/log.ts";
import { noMetrics } from "../../runtime/metrics.ts";
import { VirtualClock } from "../../runtime/virtual-clock.ts";
import { emptySnapshot } from "../../snapshot/snapshot.ts";
import { openCertificateAuthority } from "./certificate-authority.ts";

const directory = mkdtempSync(join(tmpdir(), "keepmesh-crl-"));
after(() => rmSync(directory, { recursive: true }));
const plugIn = join(directory, "cacerts");
mkdirSync(plugIn);

function openssl(words: string): void {
	execFileSync("openssl", words.split(" "), { cwd: directory, stdio: "pipe" });
}

const derOf = (name: string): Uint8Array =>
	derFromPem("CERTIFICATE", readFileSync(join(directory, name), "utf8")) ?? new Uint8Array();

describe("chains of client certificates", () => {
	openssl(
		"req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 9 -subj /O=plug -keyout cacerts/ca-key.pem -out cacerts/ca-cert.pem",
	);
	writeFileSync(join(directory, "leaf.ext"), "basicConstraints=critical,CA:FALSE\n");
	for (const name of ["stolen", "kept"]) {
		openssl(
			`req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=${name} -keyout ${name}.key -out ${name}.csr`,
		);
		openssl(
			`x509 -req -in ${name}.csr -out ${name}.crt -days 8 -extfile leaf.ext -CA cacerts/ca-cert.pem -CAkey cacerts/ca-key.pem -CAcreateserial`,
		);
	}
	const clock = new VirtualClock(Date.now() + 1_000);
	const opened = openCertificateAuthority(
		{ directory: join(directory, "state"), plugInDirectory: plugIn, trustDomain: "t" },
		{ clock, log: silentLog, metrics: noMetrics, snapshot: () => emptySnapshot() },
	);
	after(() => opened.close());
	const root = () => derFromPem("CERTIFICATE", readFileSync(join(plugIn, "ca-cert.pem"), "utf8")) ?? new Uint8Array();
	const [stolen, kept] = [
		[derOf("stolen.crt"), root()],
		[derOf("kept.crt"), root()],
	] as const;

	it("count while the mesh trusts their root", () => {
		assert.equal(opened.checkChain(stolen), undefined);
		assert.match(opened.checkChain([derOf("kept.crt"), derOf("stolen.crt")]) ?? "", /no longer trusts its root/);
		assert.match(opened.checkChain([]) ?? "", /no longer trusts its root/);
		assert.match(opened.checkChain([Uint8Array.of(1), root()]) ?? "", /cannot be read/);
	});

	it("count no longer when the operator revokes one of them, on connections that stand too", () => {
		const config =
			"[ca]\ndefault_ca=d\n[d]\ndatabase=index.txt\ncrlnumber=crlnumber\ndefault_md=sha256\ndefault_crl_days=7\n";
		for (const [name, content] of Object.entries({ "index.txt": "", crlnumber: "01\n", "ca.cnf": config }))
			writeFileSync(join(directory, name), content);
		const signer = "-keyfile cacerts/ca-key.pem -cert cacerts/ca-cert.pem";
		openssl(`ca -config ca.cnf -revoke stolen.crt ${signer}`);
		openssl(`ca -config ca.cnf -gencrl ${signer} -out cacerts/ca-crl.pem`);
		let changes = 0;
		opened.authority.onChange(() => changes++);
		clock.advance(1_000);
		assert.equal(changes, 1);
		assert.match(opened.checkChain(stolen) ?? "", /is revoked/);
		assert.equal(opened.checkChain(kept), undefined);
	});
});
