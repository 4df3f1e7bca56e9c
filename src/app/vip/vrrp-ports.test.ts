// Where adverts are sent and heard.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { instanceForTest } from "../../vip/vrrp/instance-config.testing.ts";
import { portKey } from "./vrrp-ports.ts";

const interfaceOf = (changed: Parameters<typeof instanceForTest>[0]): unknown =>
	(JSON.parse(portKey(instanceForTest(changed))) as { readonly interface: unknown }).interface;

describe("the socket of a virtual router", () => {
	it("is on the interface with the virtual MAC, where adverts from the same MAC arrive", () => {
		assert.equal(interfaceOf({ virtualMac: { interface: "vrrp.51", sendFromBase: false } }), "vrrp.51");
	});

	it("is on the real interface when adverts leave by it, and for unicast", () => {
		assert.equal(interfaceOf({ virtualMac: { interface: "vrrp.51", sendFromBase: true } }), "eth0");
		const transport = { type: "unicast", peers: [], ttl: 255, checkSource: false } as const;
		assert.equal(interfaceOf({ virtualMac: { interface: "vrrp.51", sendFromBase: false }, transport }), "eth0");
	});
});
