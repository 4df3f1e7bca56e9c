// The guest's network: a node that balances (`node`), two backends on its LAN (`s1`, `s2`), a neighbour on the LAN (`near`), a client and a
// pod beyond the node (`far`, with an address of each), and what it takes to let a plan act on the node.

import { execFileSync } from "node:child_process";
import type { Opened } from "../../src/kernel/host-network.ts";
import { applyHostSettings, ipvsHostSettings } from "../../src/kernel/linux/ipvs/ipvs-host-settings.ts";
import { openIpvsTable } from "../../src/kernel/linux/ipvs/linux-ipvs-table.ts";
import { openLocalRoutes } from "../../src/kernel/linux/ipvs/linux-local-routes.ts";
import { openNftablesTables } from "../../src/kernel/linux/nftables/linux-nftables-tables.ts";
import type { Balancer } from "../../src/l4/balancer.ts";
import type { NodeFacts } from "../../src/l4/node-facts.ts";
import { IpvsRules, type IpvsRulesOptions } from "../../src/node/layer4/ipvs-rules.ts";
import { realClock } from "../../src/runtime/clock.ts";
import type { Log } from "../../src/runtime/log.ts";
import { Host } from "./host.testing.ts";
import { run } from "./ipvsadm.testing.ts";
import { FakeRecord } from "./record.testing.ts";

const nothing = () => {};
const log: Log = {
	debug: nothing,
	info: nothing,
	warn: nothing,
	error: (facts, message) => console.log(message, facts),
};

export const addresses = {
	node: "10.0.0.1",
	s1: "10.0.0.11",
	s2: "10.0.0.12",
	near: "10.0.0.9",
	client: "10.9.0.9",
	pod: "10.8.0.9",
} as const;

export const nodeFacts: NodeFacts = {
	name: "node",
	families: ["ipv4", "ipv6"],
	nodePortAddresses: [addresses.node, "fd00::1"],
	localTraffic: { type: "ranges", ranges: ["10.8.0.0/16", "fd08::/64"] },
	masqueradeBit: 14,
	masqueradeAll: false,
	scheduler: "rr",
};

const namespaces = ["switch", "node", "s1", "s2", "near", "far"] as const;

export interface Network {
	readonly node: BalancingNode;
	readonly far: Host;
	readonly near: Host;
	/** The node itself. */
	readonly own: Host;
	readonly s1: Host;
	readonly s2: Host;
}

let made: Promise<Network> | undefined;

/** The same for all tests of the guest; it ends with the guest. `s1` and `s2` answer at TCP and UDP port 8080 with their names. */
export function network(): Promise<Network> {
	made ??= makeNetwork();
	return made;
}

async function makeNetwork(): Promise<Network> {
	for (const name of namespaces) run("ip", "netns", "add", name);
	batch("switch", "link add br0 type bridge", "link set br0 up");
	for (const [name, last] of [
		["node", 1],
		["s1", 11],
		["s2", 12],
		["near", 9],
	] as const) {
		batch("switch", `link add p-${name} type veth peer name eth0 netns ${name}`, `link set p-${name} master br0 up`);
		batch(
			name,
			"link set lo up",
			"link set eth0 up",
			`address add 10.0.0.${last}/24 dev eth0`,
			`address add fd00::${last}/64 dev eth0 nodad`,
		);
		if (name !== "node") batch(name, "route add default via 10.0.0.1", "-6 route add default via fd00::1");
	}
	batch(
		"node",
		"link add far0 type veth peer name eth0 netns far",
		"link set far0 up",
		"address add 10.9.0.1/24 dev far0",
		"address add 10.8.0.1/24 dev far0",
		"address add fd09::1/64 dev far0 nodad",
	);
	batch(
		"far",
		"link set lo up",
		"link set eth0 up",
		"address add 10.9.0.9/24 dev eth0",
		"address add 10.8.0.9/24 dev eth0",
		"address add fd09::9/64 dev eth0 nodad",
		"route add default via 10.9.0.1",
		"-6 route add default via fd09::1",
	);
	const [far, near, own, s1, s2] = [host("far"), host("near"), host("node"), host("s1"), host("s2")];
	for (const [name, server] of [
		["s1", s1],
		["s2", s2],
	] as const) {
		await server.call("serveTcp", { port: 8080, name });
		await server.call("serveUdp", { port: 8080, name });
	}
	return { node: new BalancingNode(), far, near, own, s1, s2 };
}

/** Commands of `ip` in one namespace, by as few processes as can be. */
export function batch(namespace: string, ...commands: readonly string[]): void {
	for (const family of ["-4", "-6"]) {
		const own = commands.filter((command) => command.startsWith("-6 ") === (family === "-6"));
		const input = own.map((command) => `${command.replace("-6 ", "")}\n`).join("");
		if (own.length > 0)
			execFileSync("ip", [...(family === "-6" ? [family] : []), "-n", namespace, "-batch", "-"], { input });
	}
}

/** A plan that acts on a namespace, as `keepmesh node` would. */
export class BalancingNode {
	readonly netns: string;
	readonly record = new FakeRecord();
	readonly #node: NodeFacts;
	#rules: IpvsRules | undefined;
	readonly ipvs;
	readonly tables;
	readonly routes;

	constructor(namespace = "node", node: NodeFacts = nodeFacts) {
		this.netns = `/run/netns/${namespace}`;
		this.#node = node;
		this.ipvs = must(openIpvsTable({ netns: this.netns }));
		this.tables = must(openNftablesTables({ netns: this.netns }));
		this.routes = must(openLocalRoutes({ netns: this.netns, families: ["ipv4", "ipv6"] }));
		const { problems } = applyHostSettings(
			[...ipvsHostSettings({ strictArp: false }), { name: "net/ipv6/conf/all/forwarding", value: "1" }],
			{ netns: this.netns },
		);
		if (problems.length > 0) throw new Error(problems.join("\n"));
	}

	start(options: IpvsRulesOptions = {}): IpvsRules {
		const { ipvs, record, routes, tables } = this;
		const deps = { ipvs, tables, routes, record, clock: realClock, log };
		this.#rules = new IpvsRules(this.#node, deps, options);
		return this.#rules;
	}

	get rules(): IpvsRules {
		return this.#rules ?? this.start();
	}

	/** Only these, from now on, each an owner of its own. Throws what could not be done. */
	serve(...balancers: readonly Balancer[]): void {
		for (const owner of this.#owners) this.rules.set(owner, undefined);
		this.#owners = balancers.map((balancer, index) => `${balancer.owner} ${index}`);
		for (const [index, balancer] of balancers.entries()) this.rules.set(this.#owners[index] ?? "", [balancer]);
		if (!this.rules.apply()) throw new Error(JSON.stringify(this.rules.problems()));
	}
	#owners: readonly string[] = [];

	/** Everything of ours goes; the next `serve` starts anew. */
	clear(): void {
		this.#rules?.close({ keepRules: false });
		this.#rules = undefined;
		this.#owners = [];
		const read = this.ipvs.read();
		if (read.ok)
			this.ipvs.apply(read.servers.map(({ server }) => ({ type: "deleteServer", key: server.key }) as const));
		this.routes.close();
		Object.assign(this, { routes: must(openLocalRoutes({ netns: this.netns, families: ["ipv4", "ipv6"] })) });
	}

	/** As if the process ended: nothing is taken back. */
	stop(): void {
		this.#rules?.close({ keepRules: true });
		this.#rules = undefined;
		this.#owners = [];
	}

	close(): void {
		this.stop();
		this.ipvs.close();
		this.tables.close();
		this.routes.close();
	}
}

const host = (namespace: (typeof namespaces)[number]): Host => new Host(namespace);

function must<Thing>(opened: Opened<Thing>): Thing {
	if (!opened.ok) throw new Error(opened.message);
	return opened.value;
}
