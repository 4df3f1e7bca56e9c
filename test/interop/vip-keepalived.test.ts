// Keepmesh and keepalived on one LAN, each in both roles, from the same keepalived.conf: who owns the address, since when, and
// what the client sees of it. At most one owner while adverts arrive, exactly one within the protocol's own time.

import assert from "node:assert/strict";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, describe, it, type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { cannotRun } from "../../src/node/namespace-rig.testing.ts";
import { type ConfOptions, conf, instanceConf, vip4, vip6 } from "./vip-conf.ts";
import {
	missing,
	type Program,
	slackMs,
	startMs,
	toleratedOverlapMs,
	VipLan,
	type VipNode,
	warmUp,
} from "./vip-lan.ts";

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
	await lan.untilOwner(address, "a", downMs + startMs);
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

interface Fault {
	readonly conf: (node: VipNode) => ConfOptions;
	fail(lan: VipLan, node: VipNode): void | Promise<void>;
	repair(lan: VipLan, node: VipNode): void | Promise<void>;
	/** Of a script: each second. */
	readonly pollMs?: number;
	/** Moves along. */
	readonly also?: string;
}

const marker = (node: VipNode): string => join(node.directory, "marker");

function scriptFault(weight: number): Fault {
	return {
		conf: (node) => ({
			before: [
				"vrrp_script check {",
				`  script "/usr/bin/test ! -e ${marker(node)}"`,
				"  interval 1",
				"  timeout 1",
				"  fall 1",
				"  rise 1",
				`  weight ${weight}`,
				"}",
			],
			more: ["track_script {", "  check", "}"],
		}),
		fail: (_, node) => writeFileSync(marker(node), ""),
		repair: (_, node) => rmSync(marker(node)),
		pollMs: 2000,
	};
}

function fileFault(weight: number, failed: number): Fault {
	return {
		conf: (node) => ({
			before: ["track_file level {", `  file "${marker(node)}"`, `  weight ${weight}`, "  init_file 0 overwrite", "}"],
			more: ["track_file {", "  level", "}"],
		}),
		fail: (_, node) => writeFileSync(marker(node), `${failed}\n`),
		repair: (_, node) => writeFileSync(marker(node), "0\n"),
	};
}

/** Of another network. */
function interfaceFault(conf: (node: VipNode) => ConfOptions, also?: string): Fault {
	return {
		conf: (node) => {
			node.addInterface("other0");
			return conf(node);
		},
		fail: (_, node) => void node.host.exec("ip", "link", "set", "other0", "down"),
		repair: (_, node) => void node.host.exec("ip", "link", "set", "other0", "up"),
		...(also === undefined ? {} : { also }),
	};
}

const faults: Readonly<Record<string, Fault>> = {
	"a script that fails releases": scriptFault(0),
	"a script that fails lowers the priority below the other's": scriptFault(-100),
	"a file releases": fileFault(0, 1),
	"a file lowers the priority below the other's": fileFault(1, -80),
	"an interface that goes down releases": interfaceFault(() => ({ more: ["track_interface {", "  other0", "}"] })),
	"an interface that goes down lowers the priority": interfaceFault(() => ({
		more: ["track_interface {", "  other0 weight -80", "}"],
	})),
	"a group moves when the interface of one member goes down": interfaceFault(
		({ number }) => ({
			before: ["vrrp_sync_group both {", "  group {", "    web", "    db", "  }", "}"],
			after: [
				instanceConf({
					name: "db",
					priority: number === 2 ? 150 : 100,
					virtualRouterId: 52,
					addresses: ["10.77.0.110/24"],
					more: ["track_interface {", "  other0", "}"],
				}),
			],
		}),
		"10.77.0.110",
	),
	"its cable is pulled": {
		conf: () => ({}),
		fail: (lan, node) => lan.cable(node, "down"),
		repair: async (lan, node) => {
			await lan.until("the address is gone from there", () => !node.hasAddress(vip4), slackMs);
			lan.cable(node, "up");
		},
	},
};

const here = cannotRun ?? missing("keepalived");

describe("beside keepalived", { skip: here ?? false, concurrency: 6 }, () => {
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
				await lan.untilOwner(address, "a", downMs + slackMs);
				await lan.untilClientSees(address, "a");
				await lan.staysOwner(address, "a", 200);
				owner.node.crash();
				await lan.untilOwner(address, "b", downMs + slackMs);
				await lan.untilClientSees(address, "b");
				onlyOne(built);
			});

	for (const pair of pairs) {
		const name = `${pair[0]} before ${pair[1]}`;

		it(`${name}: of equal priorities the one that owns stays, and after a split brain the higher address has it`, async (context) => {
			const setting: Setting = { ...fast, conf: () => ({ priority: 120 }) };
			const built = await begin(context, pair, setting);
			const { lan, address, downMs } = built;
			onlyOne(built);
			lan.partition("on");
			await lan.untilBothOwn(address, downMs + slackMs);
			lan.clientSends(address);
			lan.partition("off");
			await lan.untilOwner(address, "b", 120 + slackMs);
			await lan.untilClientSees(address, "b");
			await lan.staysOwner(address, "b", downMs + 200);
		});

		it(`${name}: after a split brain the higher priority has it within an interval, and the client knows`, async (context) => {
			const { lan, address, downMs } = await begin(context, pair);
			lan.partition("on");
			await lan.untilBothOwn(address, downMs + slackMs);
			lan.clientSends(address);
			lan.partition("off");
			const tookMs = await lan.untilOwner(address, "a", 120 + slackMs);
			assert.ok(tookMs < 120 + 150, `it took ${tookMs} ms`);
			await lan.untilClientSees(address, "a");
			await lan.staysOwner(address, "a", downMs + 200);
		});

		it(`${name}: nopreempt leaves it with the one that has it`, async (context) => {
			const built = await begin(context, pair, { ...fast, conf: () => ({ more: ["nopreempt"] }) });
			const { lan, owner, address, downMs, skewMs } = built;
			await owner.node.stop();
			await lan.untilOwner(address, "b", skewMs + slackMs);
			owner.start();
			await lan.staysOwner(address, "b", downMs + 700);
			await built.backup.node.stop();
			await lan.untilOwner(address, "a", downMs + slackMs);
			onlyOne(built);
		});

		it(`${name}: preempt_delay lets the lower one have it for that time, and a down interval`, async (context) => {
			const built = await begin(context, pair, { ...fast, conf: () => ({ more: ["preempt_delay 1"] }) });
			const { lan, owner, address, downMs, skewMs } = built;
			await owner.node.stop();
			await lan.untilOwner(address, "b", skewMs + slackMs);
			owner.start();
			const tookMs = await lan.untilOwner(address, "a", 1000 + downMs + slackMs);
			assert.ok(tookMs > 1000, `it took only ${tookMs} ms`);
			onlyOne(built);
		});

		it(`${name}: an owner that stands still is replaced, and there is one owner again when it goes on`, async (context) => {
			const { lan, owner, address, downMs } = await begin(context, pair);
			owner.node.signal("SIGSTOP");
			await lan.until(
				"b takes over",
				() => owner.node.isRunning && lan.nodes[1]?.holds(address) === true,
				downMs + slackMs,
			);
			owner.node.signal("SIGCONT");
			await lan.untilOwner(address, "a", downMs + slackMs);
			lan.forget();
			await lan.staysOwner(address, "a", downMs + 500);
		});

		it(`${name}: an owner of priority 255 claims at once`, async (context) => {
			const setting: Setting = {
				...slow,
				conf: ({ number }) => (number === 2 ? { advert: "1", priority: 255, state: "MASTER" } : { advert: "1" }),
			};
			const built = build(context, pair, setting);
			const { lan, owner, backup, address, downMs } = built;
			backup.start();
			await lan.untilOwner(address, "b", downMs + startMs);
			owner.start();
			await lan.untilOwner(address, "a", slackMs);
			onlyOne(built);
		});

		it(`${name}: addresses outside the adverts and routes move along`, async (context) => {
			const more = [
				"virtual_ipaddress_excluded {",
				"  10.77.0.101/24 dev eth0",
				"  fd77::101/64 dev eth0",
				"}",
				"virtual_routes {",
				"  192.0.2.0/24 via 10.77.0.1 dev eth0",
				"}",
			];
			const built = await begin(context, pair, { ...fast, conf: () => ({ more }) });
			const { lan, owner, backup, address, skewMs } = built;
			for (const to of ["10.77.0.101", "fd77::101"]) {
				lan.clientSends(to);
				await lan.untilClientSees(to, "a");
			}
			await owner.node.stop();
			await lan.untilOwner(address, "b", skewMs + slackMs);
			for (const excluded of ["10.77.0.101", "fd77::101"]) {
				await lan.untilOwner(excluded, "b", slackMs);
				await lan.untilClientSees(excluded, "b");
			}
			assert.match(backup.node.host.exec("ip", "route", "show", "192.0.2.0/24"), /via 10.77.0.1/);
			assert.equal(owner.node.host.exec("ip", "route", "show", "192.0.2.0/24"), "");
		});

		it(`${name}: a reload changes the addresses and never leaves the owner`, async (context) => {
			const built = await begin(context, pair, { ...slow, conf: () => ({ advert: "1" }) });
			const { lan, owner, backup, address, downMs } = built;
			const addresses = [`${vip4}/24`, "10.77.0.105/24"];
			for (const [{ node }, priority] of [
				[owner, 150],
				[backup, 100],
			] as const) {
				node.writeConf(conf({ advert: "1", addresses, priority }));
				node.signal("SIGHUP");
			}
			await lan.untilOwner("10.77.0.105", "a", slackMs);
			await lan.staysOwner(address, "a", downMs + 500);
			await lan.staysOwner("10.77.0.105", "a", 20);
			for (const [{ node }, priority] of [
				[owner, 150],
				[backup, 100],
			] as const) {
				node.writeConf(conf({ advert: "1", priority }));
				node.signal("SIGHUP");
			}
			await lan.until("the address goes", () => lan.owners("10.77.0.105").length === 0, slackMs);
			await lan.staysOwner(address, "a", downMs + 500);
			assert.equal(owner.node.spans(address).length, 1, "the address was there all the time");
		});

		for (const [what, trial] of Object.entries(faults))
			it(`${name}: ${what}`, async (context) => {
				const built = await begin(context, pair, {
					...fast,
					conf: (node) => trial.conf(node),
				});
				const { lan, owner, address, downMs } = built;
				lan.clientSends(address);
				await trial.fail(lan, owner.node);
				await lan.untilOwner(address, "b", downMs + (trial.pollMs ?? 0) + slackMs);
				await lan.untilClientSees(address, "b");
				if (trial.also) await lan.untilOwner(trial.also, "b", slackMs);
				await trial.repair(lan, owner.node);
				await lan.untilOwner(address, "a", downMs + (trial.pollMs ?? 0) + slackMs);
				await lan.untilClientSees(address, "a");
				if (trial.also) await lan.untilOwner(trial.also, "a", slackMs);
				onlyOne(built);
			});
	}

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
		await lan.untilOwner(vip4, "a", downMs + slackMs);
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
		await lan.untilOwner(address, "a", downMs + slackMs);
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
