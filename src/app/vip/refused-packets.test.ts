import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Outcome } from "../../kernel/host-network.ts";
import { silentLog } from "../../runtime/log.ts";
import type { InstanceConfig } from "../../vip/vip-config.ts";
import { instanceForTest } from "../../vip/vrrp/instance-config.testing.ts";
import { RefusedPackets } from "./refused-packets.ts";

const virtualIp = (address: string, more: Partial<InstanceConfig>): InstanceConfig => ({
	...instanceForTest(more),
	addresses: [{ address, prefixLength: 24 }],
});

describe("addresses with no_accept", () => {
	const calls: string[] = [];
	let outcome: Outcome = { ok: true, changed: true };
	const network = {
		refusePackets: async (addresses: readonly string[]): Promise<Outcome> => {
			calls.push(addresses.join(" "));
			return outcome;
		},
	};

	it("are told to the kernel, those of an owner with priority 255 are not, and the same list is told once", async () => {
		const refused = new RefusedPackets(network, silentLog, false);
		const instances = [
			virtualIp("10.0.0.1", { accept: false }),
			virtualIp("10.0.0.2", { accept: true }),
			virtualIp("10.0.0.3", { accept: false, priority: 255 }),
		];
		await refused.set(instances);
		await refused.set(instances);
		await refused.set([]);
		assert.deepEqual(calls.splice(0), ["10.0.0.1", ""]);
	});

	it("cost nothing where there are none, unless a killed run may have left some", async () => {
		await new RefusedPackets(network, silentLog, false).set([]);
		assert.deepEqual(calls.splice(0), []);
		await new RefusedPackets(network, silentLog, true).set([]);
		assert.deepEqual(calls.splice(0), [""]);
	});

	it("are told again after the kernel refused", async () => {
		const refused = new RefusedPackets(network, silentLog, false);
		outcome = { ok: false, because: "unsupported", message: "no nft" };
		await refused.set([virtualIp("10.0.0.1", { accept: false })]);
		outcome = { ok: true, changed: true };
		await refused.set([virtualIp("10.0.0.1", { accept: false })]);
		assert.deepEqual(calls.splice(0), ["10.0.0.1", "10.0.0.1"]);
	});
});
