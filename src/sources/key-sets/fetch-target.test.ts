// Where the control plane lets itself be sent.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { checkFetchUrl, refusedAddress } from "./fetch-target.ts";

const strict = { allowLoopback: false };
const lab = { allowLoopback: true };

describe("checkFetchUrl", () => {
	for (const uri of [
		"https://issuer.example/keys",
		"http://keycloak.auth.svc.cluster.local:8080/realms/a/protocol/openid-connect/certs",
		"http://10.0.0.1/keys",
		"https://[2001:db8::1]/keys",
		"http://192.168.1.1:1234/",
	]) {
		it(`lets ${uri} be asked`, () => {
			assert.ok(checkFetchUrl(uri, strict).ok);
		});
	}

	for (const uri of [
		"http://169.254.169.254/latest/meta-data",
		"http://169.254.170.2/v2/credentials",
		"http://2852039166/",
		"http://0xa9.0xfe.0xa9.0xfe/",
		"http://0251.0376.0251.0376/",
		"http://[::ffff:169.254.169.254]/",
		"http://[::ffff:a9fe:a9fe]/",
		"http://[64:ff9b::a9fe:a9fe]/",
		"http://[2002:a9fe:a9fe::1]/",
		"http://[fe80::1]/",
		"http://[fd00:ec2::254]/",
		"http://[fd20:ce::254]/",
		"http://[::]/",
		"http://0.0.0.0/",
		"http://0/",
		"http://224.0.0.1/",
		"http://255.255.255.255/",
		"http://[ff02::1]/",
		"http://100.100.100.200/",
		"http://168.63.129.16/",
		"http://metadata.google.internal/computeMetadata/v1/",
		"http://METADATA.google.internal./",
		"http://metadata/",
		"file:///etc/passwd",
		"ftp://issuer.example/",
		"gopher://issuer.example/",
		"data:application/json,{}",
		"https://user:password@issuer.example/",
		"/keys",
		"",
	]) {
		it(`refuses ${uri || "nothing"}, in a lab too`, () => {
			assert.ok(!checkFetchUrl(uri, strict).ok);
			assert.ok(!checkFetchUrl(uri, lab).ok);
		});
	}

	for (const uri of [
		"http://127.0.0.1:8080/keys",
		"http://127.1/",
		"http://[::1]/",
		"http://[::ffff:127.0.0.1]/",
		"http://localhost:8080/",
		"http://issuer.localhost/",
	]) {
		it(`refuses ${uri}, except in a lab`, () => {
			assert.ok(!checkFetchUrl(uri, strict).ok);
			assert.ok(checkFetchUrl(uri, lab).ok);
		});
	}
});

describe("refusedAddress", () => {
	it("looks into IPv6 addresses that stand for IPv4 ones", () => {
		for (const address of ["::ffff:169.254.169.254", "::169.254.169.254", "64:ff9b::a9fe:a9fe", "fe80::1%eth0"]) {
			assert.notEqual(refusedAddress(address, lab), undefined, address);
		}
		for (const address of ["10.1.2.3", "::ffff:10.1.2.3", "2606:4700::1111", "fd12::1"]) {
			assert.equal(refusedAddress(address, strict), undefined, address);
		}
	});
});
