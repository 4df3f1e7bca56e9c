// A complete instance for tests: version 3, IPv4, multicast, one address, one advert each 100 ms.

import { createHmac } from "node:crypto";
import type { InstanceConfig } from "../vip-config.ts";
import type { Hashes } from "./advert-codec.ts";

export const nodeHashes: Hashes = {
	hmacMd5: (key, message) => createHmac("md5", key).update(message).digest(),
	hmacSha256: (key, message) => createHmac("sha256", key).update(message).digest(),
};

export function instanceForTest(changed: Partial<InstanceConfig> = {}): InstanceConfig {
	return {
		name: "web",
		interface: "eth0",
		family: "ipv4",
		version: 3,
		virtualRouterId: 51,
		priority: 100,
		initialState: "BACKUP",
		advertIntervalMs: 100,
		addresses: [{ address: "10.77.0.100", prefixLength: 24 }],
		excludedAddresses: [],
		routes: [],
		transport: { type: "multicast", group: changed.family === "ipv6" ? "ff02::12" : "224.0.0.18" },
		authentication: { type: "none" },
		checksum3: "pseudoHeader",
		preempt: true,
		preemptDelayMs: 0,
		downAfterAdverts: 3,
		announce: {
			repeat: 5,
			delayMs: 5000,
			refreshMs: 0,
			refreshRepeat: 1,
			spacingMs: 0,
			lowerPriorityRepeat: 5,
			lowerPriorityDelayMs: 5000,
		},
		advertOnLowerPriority: true,
		advertOnHigherPriority: false,
		checkAddresses: true,
		strict: false,
		accept: true,
		tracked: [],
		ignoresOwnInterface: false,
		trackSourceAddress: false,
		health: { whenAllFail: "hold", holdDownMs: 0, maxHoldDownMs: 0 },
		notify: {},
		...changed,
	};
}
