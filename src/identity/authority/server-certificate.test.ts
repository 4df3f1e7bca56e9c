import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { silentLog } from "../../runtime/log.ts";
import { VirtualClock } from "../../runtime/virtual-clock.ts";
import { openAuthority } from "./authority.ts";
import { addressBytes, ServerCertificate, type ServerTls } from "./server-certificate.ts";

const directory = mkdtempSync(join(tmpdir(), "keepmesh-server-"));
after(() => rmSync(directory, { recursive: true }));
const hourMs = 3_600_000;

function opened(name: string) {
	const clock = new VirtualClock(Date.now());
	const authority = openAuthority({ directory: join(directory, name), trustDomain: "t", wallMs: () => clock.wallMs() });
	const renewed: ServerTls[] = [];
	const certificate = new ServerCertificate(
		{
			identity: { trustDomain: "t", part: "control", name: "c1" },
			dnsNames: ["istiod.istio-system.svc"],
			ipAddresses: ["10.1.2.3", "fd00::5"],
		},
		{ authority, clock, log: silentLog, onRenewed: (tls) => renewed.push(tls) },
	);
	return { authority, certificate, clock, renewed };
}

describe("the control plane's own certificate", () => {
	it("names the replica, and where it is reached", () => {
		const { certificate } = opened("names");
		const leaf = new X509Certificate(certificate.tls.cert);
		assert.ok(leaf.subjectAltName?.startsWith("URI:spiffe://t/keepmesh/control/c1, DNS:istiod.istio-system.svc"));
		assert.equal(leaf.checkIP("10.1.2.3"), "10.1.2.3");
		assert.ok(leaf.checkIP("fd00::5"));
		certificate.close();
	});

	it("is renewed at half its life", () => {
		const { certificate, clock, renewed } = opened("half-life");
		clock.advance(11.9 * hourMs);
		assert.equal(renewed.length, 0);
		clock.advance(0.2 * hourMs);
		assert.equal(renewed.length, 1);
		assert.equal(renewed[0]?.cert, certificate.tls.cert);
		clock.advance(24 * hourMs);
		assert.equal(renewed.length, 3);
		certificate.close();
		assert.equal(clock.armed, 0);
	});

	it("comes from the new issuer as soon as that one signs, and trusts what the mesh trusts", () => {
		const { authority, certificate, renewed } = opened("rotated");
		const { issuerKeyId } = authority.addRoot();
		assert.equal(renewed.at(-1)?.ca.length, 2);
		authority.signWith(issuerKeyId);
		assert.ok(renewed.at(-1)?.cert.endsWith(authority.rootPem));
		certificate.close();
	});
});

describe("the bytes of an address", () => {
	for (const [text, hex] of [
		["127.0.0.1", "7f000001"],
		["::1", "00000000000000000000000000000001"],
		["::", "00000000000000000000000000000000"],
		["fe80::1%eth0", "fe800000000000000000000000000001"],
		["2001:db8:0:1:2:3:4:5", "20010db8000000010002000300040005"],
		["::ffff:10.0.0.1", "00000000000000000000ffff0a000001"],
	] as const)
		it(`are right for ${text}`, () => assert.equal(Buffer.from(addressBytes(text)).toString("hex"), hex));
});
