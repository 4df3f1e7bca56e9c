import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { freeAddress, freeRouterId, type NamedPool } from "./free-address.ts";

const pool = (name: string, spec: NamedPool["spec"]): NamedPool => ({ name, spec });

describe("the address of a drill", () => {
	it("is the last one of a pool that nobody has", () => {
		const edge = pool("edge", { addresses: ["10.0.0.1-10.0.0.9", "10.0.0.100-10.0.0.102", "2001:db8::1"] });
		assert.deepEqual(freeAddress([edge], new Set(["10.0.0.102"])), { address: "10.0.0.101", pool: edge });
	});

	it("is of a pool that gives without being asked, where there is one", () => {
		const kept = pool("a", { addresses: ["10.0.1.1"], autoAssign: false });
		const edge = pool("b", { addresses: ["10.0.2.1"] });
		assert.equal(freeAddress([kept, edge], new Set())?.address, "10.0.2.1");
		assert.equal(freeAddress([kept, edge], new Set(["10.0.2.1"]))?.address, "10.0.1.1");
	});

	it("is none where all are taken, or IPv6", () => {
		const full = pool("edge", { addresses: ["10.0.0.1", "2001:db8::/120"] });
		assert.equal(freeAddress([full], new Set(["10.0.0.1"])), undefined);
	});

	it("has a virtual router id that neither a pool may use nor anybody uses", () => {
		const edge = pool("edge", { addresses: [] });
		assert.equal(freeRouterId([edge], new Set([51])), 255);
		assert.equal(freeRouterId([edge], new Set([255, 51])), 127);
		const own = pool("own", { addresses: [], virtualRouterIds: { from: 2, to: 255 } });
		assert.equal(freeRouterId([own], new Set([1])), undefined);
	});
});
