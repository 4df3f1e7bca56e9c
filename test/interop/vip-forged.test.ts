// Forged and damaged packets at a live Keepmesh, sent by a third machine on the LAN: none brings it down or makes it grow, each is
// counted by what is wrong with it, and with a password none moves the address.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { before, describe, it, type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { VrrpSocket } from "../../src/kernel/host-network.ts";
import { openLinuxHostNetwork } from "../../src/kernel/linux/linux-host-network.ts";
import { cannotRun } from "../../src/node/namespace-rig.testing.ts";
import { seededRandom } from "../../src/runtime/seeded-random.testing.ts";
import { dropReasons } from "../../src/vip/vrrp/drop-reason.ts";
import { checksumOfSum, pseudoHeaderSum, sumOfWords } from "../../src/vip/vrrp/internet-checksum.ts";
import { type ConfOptions, conf, vip4 } from "./vip-conf.ts";
import { startMs, VipLan, warmUp } from "./vip-lan.ts";
import { slackMs, type VipNode } from "./vip-node.ts";

const group = Buffer.from([224, 0, 0, 18]);
const ipv4Bytes = 20;
const vrrpBytes = 8;

interface Forged {
	readonly source?: string;
	readonly ttl?: number;
	readonly version?: number;
	readonly type?: number;
	readonly virtualRouterId?: number;
	readonly priority?: number;
	readonly count?: number;
	readonly intervalCs?: number;
	readonly addresses?: readonly string[];
	/** Added to the right checksum. */
	readonly checksumError?: number;
	/** Bytes after the message, or fewer of it. */
	readonly extra?: number;
	/** Version 2: type of authentication and 8 bytes. */
	readonly authentication?: readonly [number, string];
	/** The other form of the checksum of version 3 over IPv4. */
	readonly messageOnly?: boolean;
	/** Four IP options that do nothing. */
	readonly options?: boolean;
}

const bytesOf = (address: string): Buffer => Buffer.from(address.split(".").map(Number));

/** A datagram of version 3 over IPv4 that is right but for what is asked for. */
function forge(forged: Forged = {}): Buffer {
	const { source = "10.77.0.60", version = 3, addresses = [vip4], authentication } = forged;
	const length = vrrpBytes + 4 * addresses.length + (version === 2 ? 8 : 0);
	const message = Buffer.alloc(length);
	message[0] = (version << 4) | (forged.type ?? 1);
	message[1] = forged.virtualRouterId ?? 51;
	message[2] = forged.priority ?? 50;
	message[3] = forged.count ?? addresses.length;
	if (version === 2) message.set([authentication?.[0] ?? 0, 1], 4);
	else message.writeUInt16BE(forged.intervalCs ?? 10, 4);
	for (const [index, address] of addresses.entries()) message.set(bytesOf(address), vrrpBytes + 4 * index);
	if (version === 2) message.write(authentication?.[1] ?? "", length - 8, 8, "latin1");
	const pseudo = version === 2 || forged.messageOnly ? 0 : pseudoHeaderSum(bytesOf(source), group, length, 112);
	const checksum = checksumOfSum(pseudo + sumOfWords(message, 0, length));
	message.writeUInt16BE((checksum + (forged.checksumError ?? 0)) & 0xffff, 6);
	const extra = forged.extra ?? 0;
	const payload = extra >= 0 ? Buffer.concat([message, Buffer.alloc(extra, 7)]) : message.subarray(0, length + extra);
	const optionBytes = forged.options ? 4 : 0;
	const header = Buffer.alloc(ipv4Bytes + optionBytes, 1);
	header.set([0x40 | (5 + optionBytes / 4), 0xc0, 0, 0, 0, 0, 0, 0, forged.ttl ?? 255, 112, 0, 0]);
	header.set(bytesOf(source), 12);
	header.set(group, 16);
	return Buffer.concat([header, payload]);
}

type Random = () => number;
const upTo = (random: Random, count: number): number => Math.floor(random() * count);
/** Never an address of the node itself: its kernel would drop that as a martian. */
const stranger = (random: Random): string => `10.77.${1 + upTo(random, 200)}.${66 + upTo(random, 180)}`;

/** What is wrong, by the name under which it is to be counted. */
const wrong: Readonly<Record<string, (random: Random) => Buffer>> = {
	ip_ttl_err: (random) => forge({ source: stranger(random), ttl: 1 + upTo(random, 254) }),
	vers_err: (random) => forge({ source: stranger(random), version: 4 + upTo(random, 12) }),
	invalid_type_rcvd: (random) => forge({ source: stranger(random), type: 2 + upTo(random, 14) }),
	chk_err: (random) =>
		forge({ source: stranger(random), priority: upTo(random, 256), checksumError: 1 + upTo(random, 60_000) }),
	addr_count_err: (random) => forge({ source: stranger(random), addresses: [] }),
	packet_len_err: (random) =>
		forge({ source: stranger(random), extra: random() < 0.5 ? 20 + upTo(random, 1400) : -1 - upTo(random, 4) }),
	advert_interval_zero: (random) => forge({ source: stranger(random), priority: 255, intervalCs: 0 }),
	accepted: (random) =>
		forge({
			source: stranger(random),
			priority: 1 + upTo(random, 149),
			options: random() < 0.2,
			messageOnly: random() < 0.5,
		}),
	/** Other VRIDs are counted by interface. */
	strangers: (random) => forge({ source: stranger(random), virtualRouterId: 52 + upTo(random, 200) }),
};

interface Attack {
	readonly lan: VipLan;
	readonly node: VipNode;
	send(datagram: Uint8Array): void;
}

async function prepare(context: TestContext, options: ConfOptions): Promise<Attack> {
	const lan = new VipLan();
	context.after(() => lan.close());
	const node = lan.addNode("a");
	// A socket that takes whole datagrams, as the one for authentication headers does.
	const network = openLinuxHostNetwork({ netns: lan.client.netns });
	context.after(() => network.close());
	const opened = network.openVrrpSocket(
		{
			interface: "eth0",
			family: "ipv4",
			transport: { type: "multicast", group: "224.0.0.18" },
			authenticationHeader: true,
		},
		() => {},
	);
	assert.ok(opened.ok);
	const socket: VrrpSocket = opened.value;
	context.after(() => socket.close());
	node.start("keepmesh", conf({ priority: 150, ...options }));
	await lan.untilOwner(vip4, "a", (options.version === 2 ? 3610 : 361) + startMs);
	return {
		lan,
		node,
		send: (datagram) => {
			const sent = socket.send(datagram, "224.0.0.18");
			assert.ok(sent.ok, JSON.stringify(sent));
		},
	};
}

/** Everything that was heard since the start: adverts that were taken, and packets that were dropped, by reason. */
async function countsOf(node: VipNode): Promise<ReadonlyMap<string, number>> {
	const { counters } = await node.instance();
	const { strangers } = await node.status();
	const counts = new Map<string, number>([["accepted", counters.advert_rcvd ?? 0]]);
	for (const reason of Object.keys(dropReasons)) counts.set(reason, counters[reason] ?? 0);
	const others = strangers.flatMap((one) => Object.entries(one.counters));
	for (const [reason, count] of others) {
		const key = reason === "vrid_err" ? "strangers" : reason;
		counts.set(key, (counts.get(key) ?? 0) + count);
	}
	return counts;
}

const total = (counts: ReadonlyMap<string, number>): number => [...counts.values()].reduce((sum, one) => sum + one, 0);

async function untilTotal(node: VipNode, expected: number, withinMs = slackMs): Promise<ReadonlyMap<string, number>> {
	const endMs = performance.now() + withinMs;
	for (;;) {
		const counts = await countsOf(node);
		if (total(counts) >= expected || performance.now() > endMs) return counts;
		await sleep(20);
	}
}

function memoryKb(pid: number): number {
	return Number(readFileSync(`/proc/${pid}/status`, "utf8").match(/VmRSS:\s+(\d+)/)?.[1]);
}

/** For a batch of packets, also of those that nobody counts. */
const heardMs = 300;

/** Waits for what was sent to be counted now and then: what a receive buffer cannot hold was never received. */
async function flood(attack: Attack, count: number, make: (index: number) => Uint8Array): Promise<void> {
	const before = total(await countsOf(attack.node));
	for (let index = 0; index < count; index++) {
		attack.send(make(index));
		if (index % 128 === 127) await untilTotal(attack.node, before + index + 1, heardMs);
	}
}

describe("forged packets", { skip: cannotRun ?? false, concurrency: 3 }, () => {
	before(warmUp);

	it("are counted by what is wrong with them, one by one, and move nothing", async (context) => {
		const attack = await prepare(context, {});
		const { lan, node } = attack;
		const random = seededRandom(5);
		const reasons = Object.keys(wrong);
		const expected = new Map<string, number>();
		await flood(attack, 6000, () => {
			const reason = reasons[upTo(random, reasons.length)] ?? "";
			expected.set(reason, (expected.get(reason) ?? 0) + 1);
			return wrong[reason]?.(random) ?? forge();
		});
		const counts = await untilTotal(node, 6000);
		const seen = Object.fromEntries([...counts].filter(([, count]) => count > 0).sort());
		assert.deepEqual(seen, Object.fromEntries([...expected].sort()));
		assert.deepEqual(lan.owners(vip4), ["a"]);
		assert.equal(node.spans(vip4).length, 1, lan.history(vip4));
		assert.ok((await node.instance()).dropped.length <= 32, "made-up senders are not all remembered");
	});

	it("damaged at random are each counted once, and the process stays as it is", async (context) => {
		const attack = await prepare(context, {
			version: 2,
			advert: "1",
			more: ["authentication {", "  auth_type PASS", "  auth_pass geheim", "}"],
		});
		const { lan, node } = attack;
		const random = seededRandom(6);
		const damaged = (): Buffer => {
			const datagram = forge({
				version: 2,
				source: stranger(random),
				priority: upTo(random, 256),
				authentication: [1, "falsch"],
			});
			for (let times = upTo(random, 4); times >= 0; times--)
				datagram[ipv4Bytes + upTo(random, datagram.length - ipv4Bytes)] = upTo(random, 256);
			return datagram.subarray(0, random() < 0.1 ? ipv4Bytes + 1 + upTo(random, 20) : undefined);
		};
		// Until its heap has the size that the work asks for.
		await flood(attack, 10_000, damaged);
		await untilTotal(node, 10_000);
		const beforeKb = memoryKb(node.pid);
		await flood(attack, 10_000, damaged);
		const counts = await untilTotal(node, 20_000);
		assert.equal(total(counts), 20_000, JSON.stringify([...counts]));
		assert.equal(counts.get("accepted"), 0);
		const grownKb = memoryKb(node.pid) - beforeKb;
		assert.ok(grownKb < 8_000, `grew by ${grownKb} kB`);
		assert.deepEqual(lan.owners(vip4), ["a"]);
		assert.equal(node.spans(vip4).length, 1, lan.history(vip4));
	});

	it("of priority 255 take the address without authentication, as VRRP has it, and it comes back when they stop", async (context) => {
		const attack = await prepare(context, {});
		const { lan, node } = attack;
		for (let times = 0; times < 10; times++) {
			attack.send(forge({ priority: 255 }));
			await sleep(50);
		}
		assert.deepEqual(lan.owners(vip4), []);
		const { state, owner } = await node.instance();
		assert.deepEqual({ state, owner }, { state: "BACKUP", owner: "10.77.0.60" });
		await lan.untilOwner(vip4, "a", 361 + slackMs);
	});

	it("of priority 0 are answered, and take nothing", async (context) => {
		const attack = await prepare(context, {});
		const { lan, node } = attack;
		await flood(attack, 1000, () => forge({ priority: 0 }));
		const counts = await untilTotal(node, 1000);
		assert.equal(counts.get("accepted"), 1000);
		assert.deepEqual(lan.owners(vip4), ["a"]);
		assert.equal(node.spans(vip4).length, 1, lan.history(vip4));
	});

	it("of priority 255 without the HMAC that is asked for move nothing", async (context) => {
		const more = ["auth_hmac {", "  key 1 hex:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff", "}"];
		const attack = await prepare(context, { more });
		const { lan, node } = attack;
		await flood(attack, 500, () => forge({ priority: 255 }));
		const counts = await untilTotal(node, 500);
		assert.equal(counts.get("auth_ext_missing"), 500, JSON.stringify([...counts]));
		assert.deepEqual(lan.owners(vip4), ["a"]);
		assert.equal(node.spans(vip4).length, 1, lan.history(vip4));
	});

	for (const [what, more, authentication] of [
		["a wrong password", ["auth_type PASS", "auth_pass geheim"], [1, "falsch"]],
		["no password", ["auth_type PASS", "auth_pass geheim"], [0, ""]],
		["no authentication header", ["auth_type AH", "auth_pass geheim"], [2, ""]],
	] as const)
		it(`of priority 255 and 0 with ${what} move nothing`, async (context) => {
			const attack = await prepare(context, { version: 2, more: ["authentication {", ...more, "}"] });
			const { lan, node } = attack;
			await flood(attack, 500, (index) => forge({ version: 2, priority: index % 2 === 0 ? 255 : 0, authentication }));
			await sleep(300);
			const { state, counters } = await node.instance();
			assert.equal(state, "MASTER");
			assert.equal(counters.advert_rcvd ?? 0, 0);
			assert.deepEqual(lan.owners(vip4), ["a"]);
			assert.equal(node.spans(vip4).length, 1, lan.history(vip4));
		});
});
