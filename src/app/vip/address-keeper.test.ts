// On which interface addresses stand.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { instanceForTest } from "../../vip/vrrp/instance-config.testing.ts";
import { addressesOf } from "./address-keeper.ts";

describe("the addresses of a virtual router", () => {
	const address = { address: "10.77.0.100", prefixLength: 24 };

	it("stand on the interface with the virtual MAC, also where the instance's own interface is named", () => {
		const config = instanceForTest({
			virtualMac: { interface: "vrrp.51", sendFromBase: false },
			addresses: [address, { ...address, interface: "eth0" }, { ...address, interface: "eth1" }],
		});
		assert.deepEqual(
			addressesOf(config).map((one) => one.interface),
			["vrrp.51", "vrrp.51", "eth1"],
		);
	});

	it("stand on the instance's interface without one", () => {
		const config = instanceForTest({ addresses: [address], excludedAddresses: [{ ...address, interface: "eth1" }] });
		assert.deepEqual(
			addressesOf(config).map((one) => one.interface),
			["eth0", "eth1"],
		);
	});
});
