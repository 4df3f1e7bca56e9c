import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import { FakeIpvsTable } from "../../kernel/fake/fake-ipvs-table.ts";
import type { Failure, Outcome } from "../../kernel/host-network.ts";
import type { LocalRoutes } from "../../kernel/local-routes.ts";
import type { Balancer } from "../../l4/balancer.ts";
import type { LocalRoute } from "../../l4/ipvs/local-route-plan.ts";
import { trafficSets } from "../../l4/ipvs/traffic-sets.ts";
import type { NodeFacts } from "../../l4/node-facts.ts";
import { silentLog } from "../../runtime/log.ts";
import { VirtualClock } from "../../runtime/virtual-clock.ts";
import { IpvsRules } from "./ipvs-rules.ts";
import { MemoryTables } from "./memory-tables.testing.ts";

const node: NodeFacts = {
	name: "n1",
	families: ["ipv4"],
	nodePortAddresses: ["192.0.2.1"],
	masqueradeBit: 14,
	masqueradeAll: false,
	scheduler: "rr",
};
const balancer = (addresses: readonly string[], overrides: Partial<Balancer> = {}): Balancer => ({
	owner: "default/web",
	front: { family: "ipv4", type: "clusterIP", address: "10.96.0.1" },
	protocol: "tcp",
	port: 80,
	scheduler: "rr",
	outside: {
		type: "balance",
		backends: addresses.map((address) => ({
			address,
			port: 8080,
			weight: 1,
			local: false,
			forwarding: { method: "NAT" },
		})),
		masquerade: "never",
	},
	...overrides,
});

class MemoryRoutes implements LocalRoutes {
	readonly addresses = new Map<string, LocalRoute>();
	refuse = false;
	read = () => [...this.addresses.values()];
	add = (route: LocalRoute): Outcome => {
		if (this.refuse) return { ok: false, because: "invalid", message: `no route to ${route.address}` };
		this.addresses.set(route.address, route);
		return { ok: true, changed: true };
	};
	remove = (route: LocalRoute): Outcome => ({ ok: true, changed: this.addresses.delete(route.address) });
	cleanUp(): readonly Failure[] {
		this.addresses.clear();
		return [];
	}
	close(): void {}
}

describe("IPVS of a node", () => {
	let ipvs: FakeIpvsTable;
	let tables: MemoryTables;
	let routes: MemoryRoutes;
	let clock: VirtualClock;
	let written: readonly string[][];
	let names: ReadonlySet<string>;

	beforeEach(() => {
		[ipvs, tables, routes, clock] = [new FakeIpvsTable(), new MemoryTables(), new MemoryRoutes(), new VirtualClock()];
		written = [];
		names = new Set();
	});
	const start = () => {
		const record = {
			read: () => names,
			write: (all: readonly string[]) => {
				names = new Set(all);
				written = [...written, [...all]];
			},
		};
		return new IpvsRules(node, { ipvs, tables, routes, record, clock, log: silentLog });
	};
	const serve = (rules: IpvsRules, ...balancers: readonly Balancer[]) => {
		rules.set("default/web", balancers);
		return rules.apply();
	};
	const before = "-A -t 10.96.0.1:80 -s rr\n-a -t 10.96.0.1:80 -r 10.244.1.2:8080 -m -w 1";

	it("has what is wanted in force, and its record on disk before that", () => {
		ipvs.apply = (changes) => {
			assert.deepEqual(written, [["tcp 10.96.0.1:80"]]);
			return FakeIpvsTable.prototype.apply.call(ipvs, changes);
		};
		assert.equal(serve(start(), balancer(["10.244.1.2"])), true);
		assert.equal(ipvs.text(), before);
		assert.deepEqual([...routes.addresses.keys()], ["10.96.0.1"]);
	});

	it("removes a leaving backend once its last connection is counted no more", () => {
		const rules = start();
		serve(rules, balancer(["10.244.1.2", "10.244.1.3"]));
		ipvs.setConnections("tcp 10.96.0.1:80", "10.244.1.3:8080", 2, 1);
		serve(rules, balancer(["10.244.1.2"]));
		clock.advance(10_000);
		assert.match(ipvs.text(), /10\.244\.1\.3:8080 -m -w 0/);
		ipvs.setConnections("tcp 10.96.0.1:80", "10.244.1.3:8080", 0, 1);
		clock.advance(10_000);
		assert.match(ipvs.text(), /10\.244\.1\.3:8080 -m -w 0/);
		ipvs.setConnections("tcp 10.96.0.1:80", "10.244.1.3:8080", 0, 0);
		clock.advance(2_000);
		assert.equal(ipvs.text(), before);
	});

	it("puts back within the sync period what a stranger removed, and touches no other virtual server", () => {
		const rules = start();
		serve(rules, balancer(["10.244.1.2"]));
		const theirs = { family: "ipv4", type: "address", protocol: "tcp", address: "198.51.100.1", port: 80 } as const;
		ipvs.apply([
			{ type: "deleteServer", key: { ...theirs, address: "10.96.0.1" } },
			{ type: "addServer", server: { key: theirs, scheduler: "wlc" } },
		]);
		clock.advance(30_000);
		assert.equal(ipvs.text(), `${before.split("\n")[0]}\n-A -t 198.51.100.1:80 -s wlc\n${before.split("\n")[1]}`);
		rules.close({ keepRules: false });
		assert.equal(ipvs.text(), "-A -t 198.51.100.1:80 -s wlc");
		assert.deepEqual([...names], []);
		assert.equal(tables.tables.size, 0);
		assert.equal(routes.addresses.size, 0);
	});

	it("says why it is not in force, tries again, and recovers by itself", () => {
		const rules = start();
		routes.refuse = true;
		assert.equal(serve(rules, balancer(["10.244.1.2"])), false);
		assert.deepEqual(rules.problems(), [{ about: "ipvs", because: "no route to 10.96.0.1" }]);
		routes.refuse = false;
		clock.advance(200);
		assert.equal(rules.isInForce, true);
		assert.deepEqual([...routes.addresses.keys()], ["10.96.0.1"]);
	});

	it("serves the others where the kernel lacks the scheduler of one", () => {
		const rules = start();
		assert.equal(
			serve(rules, balancer(["10.244.1.2"]), balancer(["10.244.1.2"], { port: 81, scheduler: "twos" })),
			false,
		);
		assert.equal(ipvs.text(), before);
		assert.match(rules.problems()[0]?.because ?? "", /no scheduler twos/);
	});

	it("builds its table anew when another program deletes it", () => {
		serve(start(), balancer(["10.244.1.2"]));
		const { table } = trafficSets("ipv4");
		tables.foreignDelete(table);
		clock.advance(200);
		assert.notEqual(tables.read(table), undefined);
	});

	it("takes over after a restart, and removes what is not wanted any more", () => {
		const first = start();
		serve(first, balancer(["10.244.1.2"]), balancer(["10.244.1.2"], { port: 53, protocol: "udp" }));
		first.close({ keepRules: true });
		const made = ipvs.applied.length;
		serve(start(), balancer(["10.244.1.2"]));
		assert.equal(ipvs.text(), before);
		assert.deepEqual(
			ipvs.applied.slice(made).map(({ type }) => type),
			["deleteServer"],
		);
	});
});
