// Backends leave and come back, other programs have virtual servers too, and the process itself restarts: what happens to connections.

import assert from "node:assert/strict";
import { afterEach, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Backend, Balancer } from "../../src/l4/balancer.ts";
import type { Host } from "./host.testing.ts";
import { run, saved } from "./ipvsadm.testing.ts";
import { addresses, type BalancingNode, network } from "./network.testing.ts";

const vip = "10.96.0.3";
const to = (address: string): Backend => ({
	address,
	port: 8080,
	weight: 1,
	local: false,
	forwarding: { method: "NAT" },
});
const [s1Backend, s2Backend] = [to(addresses.s1), to(addresses.s2)];
const serving = (port: number, backends: readonly Backend[], overrides: Partial<Balancer> = {}): Balancer => ({
	owner: "default/web",
	front: { family: "ipv4", type: "clusterIP", address: vip },
	protocol: "tcp",
	port,
	scheduler: "rr",
	outside: backends.length > 0 ? { type: "balance", backends, masquerade: "never" } : { type: "reject" },
	...overrides,
});

const other = { family: "ipv4", type: "clusterIP", address: "10.96.0.5" } as const;

describe("the life of virtual servers", () => {
	let node: BalancingNode;
	let far: Host;
	before(async () => {
		({ node, far } = await network());
	});
	afterEach(() => node.clear());
	const until = async (what: string, holds: () => boolean, longestMs = 25_000) => {
		const end = performance.now() + longestMs;
		while (!holds()) {
			assert.ok(performance.now() < end, `${what}\n${saved("node").join("\n")}`);
			await sleep(200);
		}
	};
	const ipvsadm = (...options: readonly string[]) => run("ip", "netns", "exec", "node", "ipvsadm", ...options);

	it("lets connections to leaving backends end, and sends nobody new there", async () => {
		node.start({ drain: { pollMs: 500 } });
		node.serve(
			serving(80, [s1Backend, s2Backend]),
			serving(81, [s1Backend], { front: other }),
			serving(82, [s1Backend], { scheduler: "dh" }),
		);
		const at = (port: number) => ({ address: port === 81 ? other.address : vip, port });
		const first = await far.call("open", { id: "first", ...at(80) });
		const second = await far.call("open", { id: "second", ...at(80) });
		const held = first.startsWith("s1") ? "first" : "second";
		assert.ok([first, second].includes("s1 from 10.9.0.9"));
		await far.call("open", { id: "last", ...at(81) });
		// s1 leaves; it was the only one at port 81.
		node.serve(
			serving(80, [s2Backend]),
			serving(81, [], { front: other }),
			serving(82, [s2Backend], { scheduler: "dh" }),
		);
		assert.deepEqual(await far.tally(4, at(80)), { s2: 4 });
		assert.equal(await far.ask(at(81)), "refused");
		assert.equal(await far.call("say", { id: held }), "s1 from 10.9.0.9");
		assert.equal(await far.call("say", { id: "last" }), "s1 from 10.9.0.9");
		assert.ok(saved("node").includes("-a -t 10.96.0.3:80 -r 10.0.0.11:8080 -m -w 0"));
		// dh would refuse a share of the clients.
		assert.ok(!saved("node").includes("-a -t 10.96.0.3:82 -r 10.0.0.11:8080 -m -w 0"));
		// It comes back to port 80: nothing breaks.
		node.serve(serving(80, [s1Backend, s2Backend]), serving(81, [], { front: other }));
		assert.equal(await far.call("say", { id: held }), "s1 from 10.9.0.9");
		assert.ok(saved("node").includes("-a -t 10.96.0.3:80 -r 10.0.0.11:8080 -m -w 1"));
		node.serve(serving(80, [s2Backend]), serving(81, [], { front: other }));
		for (const id of ["first", "second", "last"]) await far.call("abort", { id });
		// The kernel remembers a reset connection for 10 s.
		await until("s1 stays", () => !saved("node").some((line) => line.includes("10.0.0.11")));
		assert.deepEqual(saved("node"), ["-A -t 10.96.0.3:80 -s rr", "-a -t 10.96.0.3:80 -r 10.0.0.12:8080 -m -w 1"]);
		node.serve(serving(80, [s2Backend]));
		assert.deepEqual(
			node.routes.read().map(({ address }) => address),
			[vip],
		);
	});

	it("lets backends of UDP go at once", async () => {
		node.serve(serving(53, [s1Backend, s2Backend], { protocol: "udp" }));
		const answers = [1, 2].map(() => far.call("askUdp", { address: vip, port: 53 }));
		assert.deepEqual((await Promise.all(answers)).sort(), ["s1 from 10.9.0.9", "s2 from 10.9.0.9"]);
		node.serve(serving(53, [s2Backend], { protocol: "udp" }));
		assert.deepEqual(saved("node"), ["-A -u 10.96.0.3:53 -s rr", "-a -u 10.96.0.3:53 -r 10.0.0.12:8080 -m -w 1"]);
	});

	it("leaves other people's virtual servers alone, also one that it wants itself, and says so", () => {
		ipvsadm("-A", "-t", "192.0.2.9:80", "-s", "wlc");
		ipvsadm("-a", "-t", "192.0.2.9:80", "-r", "10.0.0.50:80", "-g");
		ipvsadm("-A", "-t", `${vip}:80`, "-s", "lc");
		const theirs = saved("node");
		node.serve(serving(80, [s1Backend]), serving(81, [s1Backend]));
		assert.deepEqual(
			saved("node").filter((line) => !line.includes(":81")),
			theirs,
		);
		assert.deepEqual(
			node.rules.problems().map(({ because }) => because),
			["tcp 10.96.0.3:80 is another program's virtual server; it is left as it is"],
		);
		node.serve();
		node.clear();
	});

	it("takes over after a restart what was its own, and removes what is not wanted any more", async () => {
		node.serve(serving(80, [s1Backend, s2Backend]), serving(81, [s1Backend]));
		ipvsadm("-A", "-t", "192.0.2.9:80", "-s", "wlc");
		const answer = await far.call("open", { id: "kept", address: vip, port: 80 });
		node.stop();
		assert.match(await far.ask({ address: vip, port: 80 }), /^s[12] from 10\.9\.0\.9$/);
		node.start({ drain: { pollMs: 300 } });
		node.serve(serving(80, [s1Backend, s2Backend]));
		assert.equal(await far.call("say", { id: "kept" }), answer);
		await until("port 81 stays", () => !saved("node").some((line) => line.includes(":81")));
		assert.deepEqual(node.record.names, ["tcp 10.96.0.3:80"]);
		assert.ok(saved("node").includes("-A -t 192.0.2.9:80 -s wlc"));
		await far.call("abort", { id: "kept" });
	});

	it("mends what a stranger changed: a virtual server, a destination, the table", async () => {
		node.start({ syncPeriodMs: 300 });
		node.serve(serving(80, [s1Backend, s2Backend]), serving(81, []));
		const before = saved("node");
		ipvsadm("-C");
		await until("the virtual server is missing", () => saved("node").join() === before.join());
		ipvsadm("-e", "-t", `${vip}:80`, "-r", `${addresses.s1}:8080`, "-m", "-w", "9");
		await until("the weight is wrong", () => saved("node").join() === before.join());
		run("ip", "netns", "exec", "node", "nft", "delete", "table", "ip", "keepmesh-l4-ipvs");
		await until("the table is missing", () =>
			run("ip", "netns", "exec", "node", "nft", "list", "tables").includes("table ip keepmesh-l4-ipvs"),
		);
		assert.equal(await far.ask({ address: vip, port: 81 }), "refused");
	});
});
