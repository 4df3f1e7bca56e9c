import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { describe, it } from "node:test";
import { openIpvsTable } from "./linux-ipvs-table.ts";

describe("the IPVS table of a kernel without ip_vs", () => {
	it("says so, that nftables may be chosen", { skip: existsSync("/proc/net/ip_vs") && "this kernel has it" }, () => {
		assert.deepEqual(openIpvsTable(), {
			ok: false,
			because: "unsupported",
			message: "ip_vs is not in this kernel; nftables balances instead",
		});
	});
});
