// The traps of keepalived.conf: each is found where it is, and a good pair of files has none.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { checkConf } from "./check-conf.ts";
import { instance } from "./conf-corpus.testing.ts";
import { failoverTimes, renderSpan } from "./failover-times.ts";
import { parseKeepalivedConf } from "./parse-keepalived-conf.ts";
import { renderPlan } from "./render-plan.ts";
import type { ScriptFacts } from "./traps/script-traps.ts";

const parsed = (text: string, path = "a.conf") => ({
	path,
	parsed: parseKeepalivedConf(path, text, { configId: "a" }),
});

function traps(texts: readonly string[], scripts?: (path: string) => ScriptFacts | undefined): readonly string[] {
	return checkConf(
		texts.map((text, index) => parsed(text, `${"abc"[index]}.conf`)),
		scripts,
	)
		.filter(({ code }) => code === "KM-trap")
		.map(({ origin, path, message }) => `${origin.file}:${origin.line} ${path}: ${message}`);
}

const script = (weight: number, lines = "") =>
	`vrrp_script chk {\n script "/bin/chk"\n weight ${weight}\n ${lines}\n}\n`;
const tracking = (lines: string, name = "chk") => instance(`${lines}\n track_script {\n ${name}\n }`);

/** One trap is said, which contains the text. */
function assertOne(found: readonly string[], text: RegExp): void {
	assert.equal(found.filter((line) => text.test(line)).length, 1, found.join("\n") || "nothing was said");
}

describe("weights", () => {
	it("smaller than the gap between two nodes never move the addresses, and the weight that would is named", () => {
		const files = [`${script(-5)}${tracking("priority 150")}`, `${script(-5)}${tracking("priority 100")}`];
		assertOne(
			traps(files),
			/a\.conf:\d+ track_script: chk with weight -5 can never move the addresses: failed, this node still has 145, and b\.conf has 100/,
		);
		const { hint } = checkConf(files.map((text, index) => parsed(text, `${"ab"[index]}.conf`))).find(({ message }) =>
			/never move/.test(message),
		) ?? { hint: "" };
		assert.match(hint, /-51 at least/);
	});

	it("that cross the gap are fine", () => {
		assert.deepEqual(
			traps([`${script(-51)}${tracking("priority 150")}`, `${script(-51)}${tracking("priority 100")}`]).filter((line) =>
				/weight/.test(line),
			),
			[],
		);
	});

	it("above 0 are counted while the check is good, on both nodes", () => {
		assertOne(
			traps([`${script(2)}${tracking("priority 110")}`, `${script(2)}${tracking("priority 100")}`]),
			/can never move/,
		);
		assert.deepEqual(
			traps([`${script(2)}${tracking("priority 101")}`, `${script(2)}${tracking("priority 100")}`]).filter((line) =>
				/never move/.test(line),
			),
			[],
		);
	});

	it("in one file alone say what gap they can cross", () => {
		assertOne(traps([`${script(-5)}${tracking("priority 100")}`]), /moves the priority between 100 and 95/);
		assert.deepEqual(
			traps([`${script(-60)}${tracking("priority 100")}`]).filter((line) => /moves the priority/.test(line)),
			[],
		);
	});

	it("beside nopreempt move nothing", () => {
		assertOne(
			traps([`${script(-60)}${tracking("priority 100\n nopreempt")}`]),
			/nopreempt: this node never takes the addresses/,
		);
	});

	it("of 0 on every node leave nobody", () => {
		assertOne(
			traps([`${script(0)}${tracking("priority 150")}`, `${script(0)}${tracking("priority 100")}`]),
			/nobody holds the addresses/,
		);
	});
});

describe("nodes that do not agree", () => {
	const pairs: readonly (readonly [what: string, a: string, b: string, expected: RegExp])[] = [
		["versions", "version 3", "version 2", /version: another version than in a\.conf: 2 here, 3 there/],
		["intervals of version 2", "advert_int 1", "advert_int 2", /advert_int: another advert_int/],
		[
			"passwords",
			"authentication {\n auth_type PASS\n auth_pass one\n }",
			"authentication {\n auth_type PASS\n auth_pass two\n }",
			/authentication: another authentication than in a\.conf: each drops/,
		],
		["transports", "", "unicast_src_ip 10.9.0.2\n unicast_peer {\n 10.9.0.1\n }", /another transport/],
		["priorities that are the same", "priority 100", "priority 100", /priority 100 stands in a\.conf as well/],
		[
			"state MASTER on both",
			"state MASTER\n priority 150",
			"state MASTER\n priority 100",
			/state MASTER stands on 2 nodes/,
		],
	];
	for (const [what, a, b, expected] of pairs)
		it(what, () => {
			const other = /priority/.test(a + b) ? b : `${b}\n priority 90`;
			assertOne(traps([instance(a), instance(other)]), expected);
		});

	it("on the addresses", () => {
		assertOne(
			traps([instance("priority 9", "10.9.0.100/24\n 10.9.0.101/24"), instance("")]),
			/another list of addresses/,
		);
	});

	it("on whose VRID it is", () => {
		assertOne(
			traps([instance("priority 9"), instance("", "10.7.0.1/24").replace("VI_1", "OTHER")]),
			/VRID 51 stands in a\.conf for other addresses/,
		);
	});

	it("on who their peers are", () => {
		const found = traps([
			instance("priority 9\n unicast_src_ip 10.9.0.1\n unicast_peer {\n 10.9.0.2\n }"),
			instance("unicast_src_ip 10.9.0.2\n unicast_peer {\n 10.9.0.3\n }"),
		]);
		assertOne(found, /b\.conf:\d+ unicast_peer: the peers of VRID 51 do not name 10\.9\.0\.1/);
	});

	it("never shows a password", () => {
		const file = (key: string) => instance(`authentication {\n auth_type PASS\n auth_pass ${key}\n }`);
		assert.doesNotMatch(
			JSON.stringify(checkConf([parsed(file("secret-a"), "a.conf"), parsed(file("secret-b"), "b.conf")])),
			/secret-/,
		);
	});

	it("no trap is left in a pair that agrees", () => {
		const file = (priority: number, own: string, other: string) =>
			instance(
				`priority ${priority}\n version 3\n advert_int 0.1\n unicast_src_ip ${own}\n unicast_peer {\n ${other}\n }`,
			);
		assert.deepEqual(traps([file(150, "10.9.0.1", "10.9.0.2"), file(100, "10.9.0.2", "10.9.0.1")]), []);
	});
});

describe("scripts", () => {
	const file = `${script(0, "interval 1")}${tracking("priority 150\n version 3\n advert_int 0.1")}`;
	it("that decide how fast addresses move are named, with the time", () => {
		assertOne(traps([file]), /chk|a failure moves the addresses after 41\.4 to 2041 ms: 1 run 1000 ms apart/);
	});
	it("that are not there, cannot run or can be changed by others are named", () => {
		assertOne(
			traps([file], () => undefined),
			/\/bin\/chk is not on this machine/,
		);
		assertOne(
			traps([file], () => ({ executable: false })),
			/cannot be run/,
		);
		assertOne(
			traps([file], () => ({ executable: true, writableBy: "user 1000" })),
			/user 1000 may write \/bin\/chk, and it runs as root/,
		);
		assert.deepEqual(
			traps([file], () => ({ executable: true })).filter((line) => /\/bin\/chk/.test(line)),
			[],
		);
	});
});

describe("times of failover", () => {
	/** Owner 150, next 100: the figures that keepalived 2.2.7 was measured against. */
	const times = (lines: string) => {
		const [owner] = parsed(instance(`priority 150\n ${lines}`)).parsed.config.instances;
		const [next] = parsed(instance(`priority 100\n ${lines}`)).parsed.config.instances;
		assert.ok(owner && next);
		return failoverTimes(owner, next, []);
	};
	it("follow from down interval and skew", () => {
		const rows = ["version 3\n advert_int 1", "version 3\n advert_int 0.1", "version 3\n advert_int 0.01", "version 2"];
		assert.deepEqual(
			rows.map((lines) => [renderSpan(times(lines).crash), renderSpan(times(lines).stop)]),
			[
				["2609 to 3609 ms", "609 ms"],
				["261 to 361 ms", "60.9 ms"],
				["26.1 to 36.1 ms", "6.1 ms"],
				["2609 to 3609 ms", "609 ms"],
			],
		);
	});
	it("of a weighted check add the down interval, of weight 0 the skew alone", () => {
		const config = parsed(`${script(-60)}${tracking("priority 150\n version 3\n advert_int 0.1")}`).parsed.config;
		const [owner] = config.instances;
		assert.ok(owner);
		const next = { ...owner, priority: 100 };
		const spans = (weight: number) =>
			failoverTimes(
				owner,
				next,
				config.trackers.map((tracker) => ({ ...tracker, weight })),
			).checks.map(({ how, span }) => [how, renderSpan(span)]);
		assert.deepEqual(spans(-60), [["priority", "261 to 2361 ms"]]);
		assert.deepEqual(spans(0), [["fault", "60.9 to 2061 ms"]]);
	});
});

describe("the plan", () => {
	it("says who speaks to whom, what is tracked and what it does to the priority", () => {
		const { config } = parsed(
			`${script(-20, "interval 2\n fall 3")}${tracking("priority 150\n version 3\n advert_int 0.1\n preempt_delay 5")}`,
		).parsed;
		assert.equal(
			renderPlan(config),
			`VI_1: VRRP version 3, VRID 51 on eth9
  addresses  10.9.0.100/24
  speaks     multicast to 224.0.0.18, every 100 ms, no authentication
  priority   150, starts as BACKUP: claims 341 ms after the start when nobody else speaks
  takes over from a lower priority, after 5000 ms
  a node is gone after 3 x 100 ms + skew 41.4 ms
  tracks     chk (script /bin/chk every 2000 ms): failed makes the priority 130, after 4000 to 8000 ms
  tracks     eth9: down is a fault, the addresses go
  without an owner, until another node of priority 100 takes over: crash 261 to 361 ms, stop 60.9 ms, chk fails 4261 to 8361 ms
`,
		);
	});
});
