// Keepmesh and keepalived on one LAN, each in both roles, from the same keepalived.conf: who owns the address, since when, and
// what the client sees of it. At most one owner while adverts arrive, exactly one within the protocol's own time.

import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { conf, vip4, vip6 } from "./vip-conf.ts";
import { startMs, toleratedOverlapMs, VipLan, warmUp } from "./vip-lan.ts";
import { slackMs, type VipNode } from "./vip-node.ts";
import { begin, fast, keepsOwner, noKeepalived, onlyOne, pairs, type Setting, slow } from "./vip-two-routers.ts";

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

describe("beside keepalived", { skip: noKeepalived ?? false, concurrency: 8 }, () => {
	before(warmUp);

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
				await lan.untilOwner(address, "a", downMs + startMs);
				await lan.untilClientSees(address, "a");
				await keepsOwner(built, 200);
				owner.node.crash();
				await lan.untilOwner(address, "b", downMs + slackMs);
				await lan.untilClientSees(address, "b");
				onlyOne(built);
			});

	it("among three, whoever is next takes over, at a stop and at a crash", async (context) => {
		const lan = new VipLan();
		context.after(() => lan.close());
		const [a, b, c] = [lan.addNode("a"), lan.addNode("b"), lan.addNode("c")];
		const downMs = 361;
		a.start("keepmesh", conf({ priority: 150 }));
		await lan.untilOwner(vip4, "a", downMs + startMs);
		b.start("keepalived", conf({ priority: 120 }));
		c.start("keepmesh", conf({ priority: 110 }));
		await lan.staysOwner(vip4, "a", downMs + 400);
		await a.stop();
		await lan.untilOwner(vip4, "b", downMs + slackMs);
		await lan.staysOwner(vip4, "b", downMs);
		b.crash();
		await lan.untilOwner(vip4, "c", downMs + slackMs);
		a.start("keepmesh", conf({ priority: 150 }));
		await lan.untilOwner(vip4, "a", downMs + startMs);
		const overlapMs = lan.longestOverlapMs(vip4);
		assert.ok(overlapMs < toleratedOverlapMs, `${overlapMs} ms\n${lan.history(vip4)}`);
	});

	it("a killed Keepmesh leaves no address behind beside its successor", async (context) => {
		const built = await begin(context, ["keepmesh", "keepalived"]);
		const { lan, owner, address, downMs } = built;
		owner.node.signal("SIGKILL");
		await lan.untilOwner(address, "b", downMs + slackMs);
		lan.clientSends(address);
		await lan.untilClientSees(address, "b");
		owner.start();
		await lan.untilOwner(address, "a", downMs + startMs);
		await lan.untilClientSees(address, "a");
	});

	it("routers with another configuration are told apart, and counted by what is wrong with them", async (context) => {
		const lan = new VipLan();
		context.after(() => lan.close());
		const password = authentication("PASS", "geheim");
		const a = lan.addNode("a");
		a.start("keepmesh", conf({ version: 2, priority: 150, more: password }));
		await lan.untilOwner(vip4, "a", 3610 + startMs);
		const wrong = {
			auth_failure: { version: 2, more: authentication("PASS", "falsch") },
			authtype_mismatch: { version: 2 },
			vers_err: { version: 3, advert: "1" },
			advert_interval_err: { version: 2, advert: "2", more: password },
		} as const;
		for (const [reason, options] of Object.entries(wrong)) lan.addNode(reason).start("keepalived", conf(options));
		const sameId = { version: 2, more: password, addresses: ["10.77.0.120/24"], priority: 90 } as const;
		lan.addNode("clash").start("keepalived", conf(sameId));
		const otherId = { version: 2, addresses: ["10.77.0.121/24"], virtualRouterId: 52 } as const;
		lan.addNode("other").start("keepalived", conf(otherId));
		const addressOf = (name: string) => `10.77.0.${lan.nodes.find((node) => node.name === name)?.number}`;
		const endMs = performance.now() + 8000 + slackMs;
		for (;;) {
			const { dropped, peers } = await a.instance();
			const { strangers } = await a.status();
			if (dropped.length >= 4 && peers.length > 0 && strangers.length > 0) break;
			assert.ok(performance.now() < endMs, `${JSON.stringify(await a.status())}\n${lan.logs()}`);
			await sleep(100);
		}
		const { state, dropped, peers } = await a.instance();
		assert.equal(state, "MASTER");
		assert.deepEqual(
			dropped.map(({ address, reason }) => `${address} ${reason}`).sort(),
			Object.keys(wrong)
				.map((reason) => `${addressOf(reason)} ${reason}`)
				.sort(),
		);
		assert.deepEqual(
			peers.map(({ address, priority, otherAddresses }) => ({ address, priority, otherAddresses })),
			[{ address: addressOf("clash"), priority: 90, otherAddresses: true }],
		);
		const { strangers } = await a.status();
		assert.deepEqual(
			strangers.flatMap(({ otherRouters }) => otherRouters),
			[{ virtualRouterId: 52, source: addressOf("other") }],
		);
		const told = a.command("status", "-o", "json");
		assert.deepEqual(
			Object.keys(wrong).filter((reason) => !told.includes(reason)),
			[],
		);
	});
});
