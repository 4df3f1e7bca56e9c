// Tracked connections of the real kernel: real UDP flows through a DNAT, of both families, in a namespace of their own.

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { after, before, beforeEach, describe, it } from "node:test";
import { createRig, type Rig } from "../../../node/namespace-rig.testing.ts";
import type { ConntrackTable, Flow, FlowFilter } from "../../conntrack-table.ts";
import { openConntrackTable } from "./conntrack-table.ts";

const has = (program: string): boolean => spawnSync(program, ["--version"]).status === 0;
const cannotRun = process.getuid?.() !== 0 ? "needs root" : !has("nft") ? "needs nft" : undefined;

/** 10.9.9.9:53 and [fd00::9]:53 are answered by a server behind; :54 is sent where nobody is. One flow has a mark, one a zone. */
const rules = `
table ip t {
	chain zones { type filter hook output priority raw; udp dport 55 ct zone set 7; }
	chain translate { type nat hook output priority -100; ip daddr 10.9.9.9 udp dport 53 dnat to 127.0.0.1:5353
		ip daddr 10.9.9.9 udp dport 54 dnat to 127.0.0.2:5353
	}
	chain marks { type filter hook output priority 0; udp dport 56 ct mark set 0x4001; }
}
table ip6 t {
	chain translate { type nat hook output priority -100; ip6 daddr fd00::9 udp dport 53 dnat to [::1]:5353; }
}`;

describe("tracked connections by netlink", { skip: cannotRun ?? false }, () => {
	let rig: Rig;
	let table: ConntrackTable;
	const inside = (...command: readonly string[]): string =>
		execFileSync("ip", ["netns", "exec", rig.hub, ...command], { encoding: "utf8", stdio: ["pipe", "pipe", "ignore"] });
	before(() => {
		rig = createRig();
		for (const address of ["10.9.9.8/24", "fd00::8/64"]) inside("ip", "address", "add", address, "dev", "lo");
		inside("ip", "route", "add", "fd00::9", "dev", "lo");
		execFileSync("ip", ["netns", "exec", rig.hub, "nft", "-f", "-"], { input: rules });
		const opened = openConntrackTable({ netns: `/run/netns/${rig.hub}` });
		assert.ok(opened.ok);
		table = opened.value;
	});
	after(() => {
		table.close();
		rig.close();
	});
	beforeEach(() => {
		const cleared = table.deleteWhere({}, () => true);
		assert.ok(cleared.ok);
		inside("bash", "-c", sends.map(([address, port]) => `echo x >/dev/udp/${address}/${port}`).join("; "));
	});
	const sends = [
		["10.9.9.9", 53],
		["10.9.9.9", 53],
		["10.9.9.9", 54],
		["fd00::9", 53],
		["127.0.0.1", 55],
		["127.0.0.1", 56],
	] as const;

	const flows = (filter?: FlowFilter): readonly Flow[] => {
		// The machine itself talks ICMPv6 and IGMP.
		const listed = table.list({ protocol: "udp", ...filter });
		assert.ok(listed.ok, JSON.stringify(listed));
		return listed.flows;
	};
	const fronts = (filter?: FlowFilter): readonly string[] =>
		flows(filter)
			.map(({ original }) => `${original.destination} ${original.destinationPort}`)
			.sort();

	it("lists both families, with the translation that the answers show", () => {
		const [ipv6] = flows({ family: "ipv6" });
		assert.ok(ipv6);
		const { original, reply } = ipv6;
		assert.deepEqual(
			[ipv6.protocol, original.destination, original.destinationPort, reply.source, reply.sourcePort],
			["udp", "fd00::9", 53, "::1", 5353],
		);
		assert.equal(reply.destinationPort, original.sourcePort);
		assert.ok(ipv6.status.destinationTranslated && !ipv6.status.seenReply && !ipv6.status.sourceTranslated);
		assert.ok(ipv6.timeoutSec > 0 && ipv6.id !== 0);
		assert.equal(flows({ family: "ipv4" }).length, 5);
	});

	it("finds by destination, port, translation, mark and zone", () => {
		assert.deepEqual(fronts({ destination: "10.9.9.9" }), ["10.9.9.9 53", "10.9.9.9 53", "10.9.9.9 54"]);
		assert.deepEqual(fronts({ destination: "fd00:0:0::9" }), ["fd00::9 53"]);
		assert.deepEqual(fronts({ destination: "10.9.9.9", protocol: "udp", destinationPort: 54 }), ["10.9.9.9 54"]);
		assert.deepEqual(fronts({ destinationTranslated: false }), ["127.0.0.1 55", "127.0.0.1 56"]);
		assert.equal(fronts({ seenReply: false }).length + fronts({ seenReply: true }).length, fronts().length);
		assert.deepEqual(fronts({ seenReply: true, destinationTranslated: true }), []);
		assert.deepEqual(fronts({ seenReply: false, destinationTranslated: false }), ["127.0.0.1 55", "127.0.0.1 56"]);
		assert.deepEqual(fronts({ mark: { value: 0x4000, mask: 0x4000 } }), ["127.0.0.1 56"]);
		assert.deepEqual(fronts({ zone: 7 }), ["127.0.0.1 55"]);
		assert.deepEqual(fronts({ protocol: "tcp" }), []);
	});

	it("forgets stale UDP flows of both families, and no others", () => {
		const answer = table.deleteStaleUdp(({ reply }) => reply.source !== "127.0.0.2");
		assert.deepEqual(answer, { ok: true, looked: 4, deleted: 3 });
		assert.deepEqual(fronts(), ["10.9.9.9 54", "127.0.0.1 55", "127.0.0.1 56"]);
	});

	it("forgets them on another thread, and answers meanwhile", async () => {
		const asked = table.deleteWhereLater({ protocol: "udp" }, ({ reply }) => reply.source !== "127.0.0.2");
		assert.equal(flows().length, 6);
		assert.deepEqual(await asked, { ok: true, looked: 6, deleted: 5 });
		assert.deepEqual(fronts(), ["10.9.9.9 54"]);
	});

	it("may be closed while another thread looks", async () => {
		const opened = openConntrackTable({ netns: `/run/netns/${rig.hub}` });
		assert.ok(opened.ok);
		const asked = opened.value.deleteWhereLater({}, () => true);
		opened.value.close();
		await asked;
		assert.equal(flows().length, 6);
	});

	it("forgets flows in zones", () => {
		assert.deepEqual(
			table.deleteWhere({ zone: 7 }, () => true),
			{ ok: true, looked: 1, deleted: 1 },
		);
		assert.deepEqual(fronts({ zone: 7 }), []);
	});

	it("counts no flow that has ended by itself meanwhile", () => {
		const answer = table.deleteWhere({ protocol: "udp", destinationTranslated: true }, ({ original, family }) => {
			// Somebody is quicker.
			if (family === "ipv6") inside("conntrack", "-D", "-f", "ipv6", "-p", "udp", "-d", original.destination);
			return true;
		});
		assert.ok(answer.ok);
		assert.deepEqual([answer.looked, answer.deleted], has("conntrack") ? [4, 3] : [4, 4]);
	});

	it("agrees with conntrack(8)", { skip: has("conntrack") ? false : "needs conntrack" }, () => {
		const text = inside("conntrack", "-L") + inside("conntrack", "-L", "-f", "ipv6");
		const theirs = new Set(
			text
				.split("\n")
				.filter((line) => line.startsWith("udp"))
				.map((line) => [...line.matchAll(/(?:src|dst|sport|dport)=(\S+)/g)].map(([, value]) => value).join(" ")),
		);
		const words = ({ source, destination, sourcePort, destinationPort }: Flow["original"]): string =>
			[source, destination, sourcePort, destinationPort].join(" ");
		const ours = new Set(flows().map(({ original, reply }) => `${words(original)} ${words(reply)}`));
		assert.deepEqual(ours, theirs);
	});

	it("keeps thousands of flows apart", () => {
		const count = 3000;
		inside("bash", "-c", `for i in $(seq ${count}); do echo x >/dev/udp/10.9.9.9/53; done`);
		const found = flows({ destination: "10.9.9.9", destinationPort: 53, protocol: "udp" });
		// Some may share a source port.
		assert.ok(found.length > count * 0.8, `${found.length}`);
		assert.equal(new Set(found.map(({ original }) => original.sourcePort)).size, found.length);
		const answer = table.deleteStaleUdp(({ original }) => original.destinationPort === 53);
		assert.ok(answer.ok && answer.deleted === found.length + 1, JSON.stringify(answer));
	});
});
