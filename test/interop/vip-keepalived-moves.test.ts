// What moves an address between Keepmesh and keepalived, and what does not: preemption, stalls, split brains, reloads, and all that
// is tracked. At most one owner while adverts arrive, exactly one within the protocol's own time.

import assert from "node:assert/strict";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, describe, it } from "node:test";
import { type ConfOptions, conf, instanceConf, vip4 } from "./vip-conf.ts";
import { startMs, type VipLan, warmUp } from "./vip-lan.ts";
import { slackMs, type VipNode } from "./vip-node.ts";
import { begin, build, fast, noKeepalived, onlyOne, pairs, type Setting, slow } from "./vip-two-routers.ts";

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

/** Two routers that move together; the second one's interface fails. */
function groupFault(priorityOfSecond: (node: VipNode) => number): Fault {
	const conf = (node: VipNode): ConfOptions => ({
		before: ["vrrp_sync_group both {", "  group {", "    web", "    db", "  }", "}"],
		after: [
			instanceConf({
				name: "db",
				priority: priorityOfSecond(node),
				virtualRouterId: 52,
				addresses: ["10.77.0.110/24"],
				more: ["track_interface {", "  other0", "}"],
			}),
		],
	});
	return interfaceFault(conf, "10.77.0.110");
}

/** The first one is better here, the second one is not. */
const disagreeing = groupFault(() => 100);

const faults: Readonly<Record<string, Fault>> = {
	"a script that fails releases": scriptFault(0),
	"a script that fails lowers the priority below the other's": scriptFault(-100),
	"a file releases": fileFault(0, 1),
	"a file lowers the priority below the other's": fileFault(1, -80),
	"an interface that goes down releases": interfaceFault(() => ({ more: ["track_interface {", "  other0", "}"] })),
	"an interface that goes down lowers the priority": interfaceFault(() => ({
		more: ["track_interface {", "  other0 weight -80", "}"],
	})),
	"a group moves when the interface of one member goes down": groupFault(({ number }) => (number === 2 ? 150 : 100)),
	"its cable is pulled": {
		conf: () => ({}),
		fail: (lan, node) => lan.cable(node, "down"),
		repair: async (lan, node) => {
			await lan.until("the address is gone from there", () => !node.hasAddress(vip4), slackMs);
			lan.cable(node, "up");
		},
	},
};

describe("moves beside keepalived", { skip: noKeepalived ?? false, concurrency: 6 }, () => {
	before(warmUp);

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
			// keepalived yields without a word: then the one that stays cannot know that switches must be set right.
			if (pair[0] === "keepmesh") await lan.untilClientSees(address, "b");
			await lan.staysOwner(address, "b", downMs + 200);
		});

		it(`${name}: after a split brain the higher priority has it within an interval, and the client knows`, async (context) => {
			const { lan, address, downMs } = await begin(context, pair);
			lan.partition("on");
			await lan.untilBothOwn(address, downMs + slackMs);
			lan.clientSends(address);
			lan.partition("off");
			const tookMs = await lan.untilOwner(address, "a", 120 + slackMs);
			// keepalived is an ordinary process: on a busy machine it yields when its turn comes.
			assert.ok(tookMs < (pair[1] === "keepmesh" ? 120 + 150 : 1000), `it took ${tookMs} ms`);
			if (pair[1] === "keepmesh") await lan.untilClientSees(address, "a");
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
			const tookMs = await lan.untilOwner(address, "a", 1000 + downMs + startMs);
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
			await lan.untilOwner(address, "a", 3000);
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

		it(`${name}: a group stays where it is while one of its members would not preempt`, async (context) => {
			const fault = disagreeing;
			const { lan, owner, address, downMs } = await begin(context, pair, { ...fast, conf: fault.conf });
			await fault.fail(lan, owner.node);
			await lan.untilOwner(address, "b", downMs + slackMs);
			await lan.untilOwner("10.77.0.110", "b", slackMs);
			await fault.repair(lan, owner.node);
			await lan.staysOwner(address, "b", 4 * downMs);
			await lan.staysOwner("10.77.0.110", "b", 20);
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
});
