// Keepmesh and keepalived on one LAN, each in both roles, from the same keepalived.conf: who owns the address, since when, and
// what the client sees of it. At most one owner while adverts arrive, exactly one within the protocol's own time.

import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { cannotRun } from "../../src/node/namespace-rig.testing.ts";
import { type ConfOptions, conf, vip4, vip6 } from "./vip-conf.ts";
import { missing, type Program, slackMs, toleratedOverlapMs, VipLan, type VipNode } from "./vip-lan.ts";

const pairs: readonly (readonly [Program, Program])[] = [
	["keepmesh", "keepalived"],
	["keepalived", "keepmesh"],
];

interface Side {
	readonly node: VipNode;
	readonly program: Program;
	/** Starts it with its file, or again with the same one. */
	start(changed?: ConfOptions): void;
}

interface Setting {
	readonly conf: (node: VipNode, other: VipNode) => ConfOptions;
	readonly address?: string;
	/** Silence after which a backup claims. */
	readonly downMs: number;
	/** A backup that is told takes so long. */
	readonly skewMs: number;
}

interface Lan {
	readonly lan: VipLan;
	/** Priority 150. */
	readonly owner: Side;
	/** Priority 100. */
	readonly backup: Side;
	readonly address: string;
	readonly downMs: number;
	readonly skewMs: number;
}

const fast: Setting = { conf: () => ({}), downMs: 361, skewMs: 61 };

function build(context: TestContext, [first, second]: readonly [Program, Program], setting: Setting): Lan {
	const lan = new VipLan();
	context.after(() => lan.close());
	const [a, b] = [lan.addNode("a"), lan.addNode("b")];
	const side = (node: VipNode, other: VipNode, program: Program, priority: number): Side => ({
		node,
		program,
		start: (changed = {}) => node.start(program, conf({ priority, ...setting.conf(node, other), ...changed })),
	});
	const { address = vip4, downMs, skewMs } = setting;
	return { lan, owner: side(a, b, first, 150), backup: side(b, a, second, 100), address, downMs, skewMs };
}

/** The owner runs, then the backup beside it. */
async function begin(context: TestContext, pair: readonly [Program, Program], setting: Setting = fast): Promise<Lan> {
	const built = build(context, pair, setting);
	const { lan, owner, backup, address, downMs } = built;
	owner.start();
	await lan.untilOwner(address, "a", downMs + slackMs);
	backup.start();
	await lan.staysOwner(address, "a", downMs + 300);
	return built;
}

function onlyOne({ lan, address }: Lan): void {
	const overlapMs = lan.longestOverlapMs(address);
	assert.ok(overlapMs < toleratedOverlapMs, `two owners for ${overlapMs} ms\n${lan.history(address)}`);
}

const unicast4 = (node: VipNode, other: VipNode): readonly string[] => [
	`unicast_src_ip 10.77.0.${node.number}`,
	`unicast_peer { `,
	`  10.77.0.${other.number}`,
	`}`,
];
const unicast6 = (node: VipNode, other: VipNode): readonly string[] => [
	`unicast_src_ip fd77::${node.number}`,
	`unicast_peer {`,
	`  fd77::${other.number}`,
	`}`,
];
const authentication = (type: "PASS" | "AH", password: string): readonly string[] => [
	"authentication {",
	`  auth_type ${type}`,
	`  auth_pass ${password}`,
	"}",
];
const slow = { downMs: 3610, skewMs: 610 };

const lives: Readonly<Record<string, Setting>> = {
	"version 3, IPv4, multicast": fast,
	"version 3, IPv4, multicast, adverts each 10 ms": {
		...fast,
		conf: () => ({ advert: "0.01" }),
		downMs: 37,
		skewMs: 7,
	},
	"version 3, IPv4, unicast": { ...fast, conf: (node, other) => ({ more: unicast4(node, other) }) },
	"version 3, IPv6, multicast": { ...fast, conf: () => ({ family: "ipv6" }), address: vip6 },
	"version 3, IPv6, unicast": {
		...fast,
		conf: (node, other) => ({ family: "ipv6", more: unicast6(node, other) }),
		address: vip6,
	},
	"version 3, IPv6, adverts each second": { ...slow, conf: () => ({ family: "ipv6", advert: "1" }), address: vip6 },
	"version 2, multicast, no authentication": { ...slow, conf: () => ({ version: 2 }) },
	"version 2, multicast, a password of which 8 bytes count": {
		...slow,
		conf: ({ number }) => ({ version: 2, more: authentication("PASS", number === 2 ? "secret78" : "secret78-longer") }),
	},
	"version 2, unicast, a password": {
		...slow,
		conf: (node, other) => ({ version: 2, more: [...authentication("PASS", "geheim"), ...unicast4(node, other)] }),
	},
	"version 2, multicast, authentication header": {
		...slow,
		conf: () => ({ version: 2, more: authentication("AH", "geheim") }),
	},
	"version 2, unicast, authentication header": {
		...slow,
		conf: (node, other) => ({ version: 2, more: [...authentication("AH", "geheim"), ...unicast4(node, other)] }),
	},
	"version 3, IPv4, a virtual MAC": { ...fast, conf: () => ({ more: ["use_vmac"] }) },
	"version 3, IPv6, a virtual MAC": {
		...fast,
		conf: () => ({ family: "ipv6", more: ["use_vmac"] }),
		address: vip6,
	},
	"version 3, IPv4, one with a virtual MAC": {
		...fast,
		conf: ({ number }) => (number === 2 ? { more: ["use_vmac"] } : {}),
	},
};

const here = cannotRun ?? missing("keepalived");

describe("beside keepalived", { skip: here ?? false, concurrency: 6 }, () => {
	for (const [name, setting] of Object.entries(lives))
		for (const pair of pairs)
			it(`${pair[0]} before ${pair[1]}: start, stop, return and crash; ${name}`, async (context) => {
				const built = await begin(context, pair, setting);
				const { lan, owner, address, downMs, skewMs } = built;
				lan.clientSends(address);
				await lan.untilClientSees(address, "a");
				await owner.node.stop();
				assert.equal(owner.node.hasAddress(address), false, "a stopped router keeps no address");
				await lan.untilOwner(address, "b", skewMs + slackMs);
				await lan.untilClientSees(address, "b");
				owner.start();
				await lan.untilOwner(address, "a", downMs + slackMs);
				await lan.untilClientSees(address, "a");
				await lan.staysOwner(address, "a", 200);
				owner.node.crash();
				await lan.untilOwner(address, "b", downMs + slackMs);
				await lan.untilClientSees(address, "b");
				onlyOne(built);
			});
});
