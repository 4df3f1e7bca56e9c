// The same results given to a real keepalived and to the machine here: both must say the same priorities and FAULTs in the same order.
// All cases run in one keepalived, in a network namespace of its own that ends with it, one result a second.

import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import type { SyncGroupConfig, TrackerConfig } from "../vip-config.ts";
import { instanceForTest } from "../vrrp/instance-config.testing.ts";
import { file, TrackingRig, tracker } from "./tracking.testing.ts";

interface Case {
	readonly name: string;
	readonly tracker: Partial<TrackerConfig>;
	/** A result each second: `+` and `-` of a script. */
	readonly results?: string;
	/** What is written into a file, each second. */
	readonly values?: readonly number[];
	readonly priority?: number;
	/** In a sync group with a second instance. */
	readonly group?: "ignoresWeights" | "usesWeights" | "tracks";
}

const cases: readonly Case[] = [
	{ name: "weight 0, rise 2, fall 2", tracker: { weight: 0, rise: 2, fall: 2 }, results: "+--++--" },
	{ name: "weight 0, first result bad", tracker: { weight: 0, rise: 2, fall: 3 }, results: "-+-++--" },
	{ name: "weight 0, init_fail", tracker: { weight: 0, rise: 2, startsFailed: true }, results: "++-++-+" },
	{ name: "weight 0 reversed", tracker: { weight: 0, reverse: true }, results: "+-+--++" },
	{ name: "positive weight", tracker: { weight: 20, fall: 2 }, results: "+--+--+" },
	{ name: "positive weight, first result bad", tracker: { weight: 20, rise: 3 }, results: "-++-+++" },
	{ name: "negative weight", tracker: { weight: -20, rise: 2 }, results: "+-+-++-" },
	{ name: "negative weight, init_fail", tracker: { weight: -20, rise: 2, startsFailed: true }, results: "-++-+++" },
	{ name: "weight reversed", tracker: { weight: 20, reverse: true }, results: "+-+-++-" },
	{ name: "too large a weight", tracker: { weight: 200 }, results: "+-+-+-+" },
	{ name: "too small a weight", tracker: { weight: -200 }, results: "-+-+-+-" },
	{ name: "priority 255 with weight 0", tracker: { weight: 0 }, results: "+-+-+++", priority: 255 },
	{ name: "file times 2", tracker: { weight: 2, check: file }, values: [-10, 30, -127, 0, -126, 90, 0] },
	{ name: "file with weight 0", tracker: { weight: 0, check: file }, values: [0, 3, 4, 0, 0, -1, 0] },
	{ name: "weight in a group that ignores it", tracker: { weight: -20 }, results: "+-+-+-+", group: "ignoresWeights" },
	{ name: "weight in a group that uses it", tracker: { weight: -20 }, results: "+-+-+-+", group: "usesWeights" },
	{ name: "a group's own weight", tracker: { weight: -20 }, results: "+-+-+-+", group: "tracks" },
];

const seconds = 7;
const cannotRun =
	process.getuid?.() !== 0
		? "needs root"
		: spawnSync("keepalived", ["--version"]).status !== 0
			? "needs keepalived"
			: false;

const baseOf = (one: Case): number => one.priority ?? 100;
const groupsOf = (one: Case): readonly SyncGroupConfig[] =>
	one.group === undefined
		? []
		: [
				{
					name: "G",
					members: ["web", "other"],
					tracked: one.group === "tracks" ? [{ tracker: "chk" }] : [],
					usesWeights: one.group === "usesWeights",
					notify: {},
				},
			];

/** What the machine here says of it: `120`, `FAULT`, `able`, each time that something changes. */
function ours(one: Case): readonly string[] {
	const health = { whenAllFail: "release", holdDownMs: 0, maxHoldDownMs: 0 } as const;
	const tracked = one.group === "tracks" ? [] : [{ tracker: "chk" }];
	const rig = new TrackingRig({
		trackers: [tracker("chk", one.tracker)],
		instances: [
			instanceForTest({ priority: baseOf(one), tracked, health }),
			instanceForTest({ name: "other", virtualRouterId: 52, health }),
		],
		groups: groupsOf(one),
	});
	if (one.values) rig.result("chk", true, 0);
	for (const letter of one.results ?? "") rig.result("chk", letter === "+");
	for (const value of one.values ?? []) rig.result("chk", value === 0, value);
	return collapse(
		rig.told.filter((line) => line.startsWith("web ")).map((line) => line.slice(4)),
		baseOf(one),
	);
}

/** keepalived is silent about a FAULT before the first good result, and about priorities during one. */
function collapse(told: readonly string[], base: number): readonly string[] {
	const out: string[] = [];
	let able = false;
	let priority = base;
	for (const word of told) {
		if (word === "able" || word === "FAULT") {
			if ((word === "able") !== able) out.push(word);
			able = word === "able";
			if (able && out.length === 1 && priority !== base) out.push(String(priority));
		} else if (/^\d+$/.test(word) && Number(word) !== priority) {
			priority = Number(word);
			if (able) out.push(word);
		}
	}
	return out;
}

function configuration(folder: string): string {
	const blocks = cases.map((one, index) => {
		const { weight = 0, rise = 1, fall = 1, reverse, startsFailed, check } = one.tracker;
		const how = `weight ${weight}${reverse ? " reverse" : ""}`;
		const tracking =
			check?.type === "file" ? `track_file { t${index} weight ${weight} }` : `track_script { t${index} ${how} }`;
		const subject =
			check?.type === "file"
				? `track_file t${index} {\n file ${folder}/f${index}\n init_file 0 overwrite\n}`
				: `vrrp_script t${index} {\n script "${folder}/next.sh ${index}"\n interval 1\n rise ${rise}\n fall ${fall}\n${startsFailed ? " init_fail\n" : ""}}`;
		const instance = (name: string, id: number, priority: number, tracked: string): string =>
			[
				`vrrp_instance ${name} {`,
				` state ${priority === 255 ? "MASTER" : "BACKUP"}`,
				" interface veth0",
				` virtual_router_id ${id}`,
				` priority ${priority}`,
				` virtual_ipaddress { 10.99.${id}.1/32 }`,
				` ${tracked}`,
				"}",
			].join("\n");
		const group =
			one.group === undefined
				? ""
				: `vrrp_sync_group G${index} {\n group {\n i${index}\n o${index}\n }\n${one.group === "usesWeights" ? " sync_group_tracking_weight\n" : ""}${one.group === "tracks" ? ` ${tracking}\n` : ""}}\n`;
		const own = instance(`i${index}`, index + 1, baseOf(one), one.group === "tracks" ? "" : tracking);
		return `${subject}\n${group}${own}\n${one.group === undefined ? "" : instance(`o${index}`, index + 101, 100, "")}`;
	});
	return `global_defs {\n script_user root\n}\n${blocks.join("\n")}\n`.replaceAll(/\{ ([^{}]*) \}/g, "{\n$1\n}");
}

describe("keepalived and this machine", { skip: cannotRun, timeout: 60_000 }, () => {
	const folder = mkdtempSync(join(tmpdir(), "keepmesh-truth-"));
	let keepalived: ChildProcess | undefined;
	let log = "";

	before(async () => {
		writeFileSync(
			join(folder, "next.sh"),
			`#!/bin/sh
n=$(($(cat ${folder}/n$1 2>/dev/null || echo 0) + 1))
echo $n > ${folder}/n$1
[ "$(cut -c$n ${folder}/s$1)" = "+" ]
`,
		);
		chmodSync(join(folder, "next.sh"), 0o755);
		for (const [index, one] of cases.entries()) if (one.results) writeFileSync(join(folder, `s${index}`), one.results);
		const conf = join(folder, "keepalived.conf");
		writeFileSync(conf, configuration(folder));
		const pids = ["-p", join(folder, "p"), "-r", join(folder, "r"), "-c", join(folder, "c")].join(" ");
		const line = `ip link set lo up; ip link add veth0 type veth peer name veth1; ip addr add 10.99.0.1/24 dev veth0; ip link set veth1 up; ip link set veth0 up; sleep 0.3; exec keepalived -n -l -D -G -P -f ${conf} ${pids}`;
		keepalived = spawn("unshare", ["-n", "sh", "-c", line], { stdio: ["ignore", "pipe", "pipe"] });
		for (const stream of [keepalived.stdout, keepalived.stderr])
			stream?.on("data", (bytes) => {
				log += bytes;
			});
		// Files follow the clock of the scripts: the first script's count of runs.
		const runs = (): number => {
			try {
				return Number(readFileSync(join(folder, "n0"), "utf8"));
			} catch {
				return 0;
			}
		};
		let written = 0;
		for (let waited = 0; waited < 400 && runs() < seconds; waited++) {
			for (; written < runs(); written++)
				for (const [index, one] of cases.entries())
					if (one.values) writeFileSync(join(folder, `f${index}`), `${one.values[written]}\n`);
			await new Promise((done) => setTimeout(done, 50));
		}
		for (const [index, one] of cases.entries())
			if (one.values) writeFileSync(join(folder, `f${index}`), `${one.values[seconds - 1]}\n`);
		await new Promise((done) => setTimeout(done, 400));
	});

	after(async () => {
		if (keepalived && keepalived.exitCode === null) {
			const ended = new Promise((done) => keepalived?.once("exit", done));
			keepalived.kill("SIGTERM");
			await ended;
		}
		rmSync(folder, { recursive: true, force: true });
	});

	for (const [index, one] of cases.entries())
		it(`agree on ${one.name}`, () => {
			const told: string[] = [];
			for (const line of log.split("\n")) {
				const text = line.split(`(i${index}) `)[1];
				const priority = /^Changing effective priority from \d+ to (\d+)/.exec(text ?? "");
				if (priority?.[1]) told.push(priority[1]);
				else if (text?.startsWith("Entering FAULT STATE")) told.push("FAULT");
				else if (text?.startsWith("Entering BACKUP STATE") || text?.startsWith("Entering MASTER STATE"))
					told.push("able");
			}
			assert.deepEqual(ours(one), collapse(told, baseOf(one)));
		});
});
