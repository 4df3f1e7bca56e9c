import assert from "node:assert/strict";
import { it } from "node:test";
import { allocateAddresses } from "./address-allocation.ts";

const keys = Array.from({ length: 5000 }, (_, index) => `svc-${index}.default.svc.cluster.local/default`);

it("gives every service an address of its own within 240.240.0.0/16, never the first or last", () => {
	const allocated = [...allocateAddresses(keys, []).values()];
	assert.equal(new Set(allocated).size, keys.length);
	for (const address of allocated) {
		assert.match(address, /^240\.240\.\d{1,3}\.\d{1,3}$/);
		assert.ok(address !== "240.240.0.0" && address !== "240.240.255.255");
	}
});

it("gives the next free address where two hashes meet or the address is taken", () => {
	const [first = ""] = keys;
	const alone = allocateAddresses([first], []).get(first) ?? "";
	const moved = allocateAddresses([first], [alone]).get(first) ?? "";
	const hostOf = (address: string) =>
		address
			.split(".")
			.slice(2)
			.map(Number)
			.reduce((high, low) => high * 256 + low, 0);
	assert.equal(hostOf(moved), hostOf(alone) + 1);
});

it("leaves earlier services their addresses when later ones come", () => {
	const few = allocateAddresses(keys.slice(0, 100), []);
	const all = allocateAddresses(keys, []);
	for (const [key, address] of few) assert.equal(all.get(key), address);
});

it("says so when the block is used up", () => {
	const many = Array.from({ length: 65_535 }, (_, index) => `svc-${index}`);
	assert.throws(() => allocateAddresses(many, []), /65534/);
});
