import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import type { HostAddress } from "../host-network.ts";
import { AddressFile, keepsAddressProtocol } from "./address-file.ts";

const seen = (address: string, prefixLength: number): HostAddress => ({
	interface: "eth0",
	family: "ipv4",
	address,
	prefixLength,
	scope: "global",
	tentative: false,
	duplicate: false,
	owned: false,
});

describe("the file of added addresses", () => {
	let directory: string;
	before(() => {
		directory = mkdtempSync(join(tmpdir(), "keepmesh-addresses-"));
	});
	after(() => rmSync(directory, { recursive: true, force: true }));

	it("tells a later run what was added and not removed, on a kernel that does not", () => {
		const path = join(directory, "old-kernel");
		const first = new AddressFile(path, "5.15.0-91-generic");
		first.add("eth0", { address: "10.0.0.1", prefixLength: 24 });
		first.add("eth0", { address: "FD00::0001", prefixLength: 64 });
		first.add("eth0", { address: "10.0.0.2", prefixLength: 24 });
		first.remove("eth0", { address: "10.0.0.2", prefixLength: 24 });
		const later = new AddressFile(path, "5.15.0-91-generic");
		const has = [seen("10.0.0.1", 24), seen("fd00::1", 64), seen("10.0.0.2", 24), seen("10.0.0.1", 32)];
		assert.deepEqual(
			has.map((address) => later.has(address)),
			[true, true, false, false],
		);
	});

	it("is needed before Linux 5.18", () => {
		assert.deepEqual(["4.19.0", "5.17.9", "5.18.0", "6.1.0-13-amd64"].map(keepsAddressProtocol), [
			false,
			false,
			true,
			true,
		]);
	});
});
