import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import type { Flow } from "../../kernel/conntrack-table.ts";
import type { Balancer } from "../../l4/balancer.ts";
import type { Layer4Endpoint, Layer4Service } from "../../l4/layer4-service.ts";
import type { NodeFacts } from "../../l4/node-facts.ts";
import { silentLog } from "../../runtime/log.ts";
import { VirtualClock } from "../../runtime/virtual-clock.ts";
import type { BackendRules } from "./backend-rules.ts";
import { MemoryTables } from "./memory-tables.testing.ts";
import { ServiceBalancer } from "./service-balancer.ts";

const node: NodeFacts = {
	name: "n1",
	families: ["ipv4"],
	nodePortAddresses: ["192.0.2.1"],
	masqueradeBit: 14,
	masqueradeAll: false,
	scheduler: "random",
};

const endpoint = (address: string, overrides: Partial<Layer4Endpoint> = {}): Layer4Endpoint => ({
	address,
	port: 8080,
	ready: true,
	serving: true,
	terminating: false,
	...overrides,
});

function service(
	name: string,
	address: string,
	endpoints: readonly (string | Layer4Endpoint)[],
	protocol: "tcp" | "udp" = "tcp",
): Layer4Service {
	return {
		namespace: "default",
		name,
		clusterAddresses: [address],
		externalAddresses: [],
		loadBalancerAddresses: [],
		ports: [
			{
				name: "",
				protocol,
				port: 80,
				endpoints: endpoints.map((one) => (typeof one === "string" ? endpoint(one) : one)),
			},
		],
		externalPolicy: "Cluster",
		internalPolicy: "Cluster",
		sourceRanges: [],
	};
}

/** Of a client to port 80, answered from 8080. */
const flow = (destination: string, answeredBy: string): Flow => ({
	family: "ipv4",
	protocol: "udp",
	original: { source: "10.0.0.77", sourcePort: 5000, destination, destinationPort: 80 },
	reply: { source: answeredBy, sourcePort: 8080, destination: "10.0.0.77", destinationPort: 5000 },
	status: { seenReply: true, assured: false, sourceTranslated: false, destinationTranslated: true },
	mark: 0,
	zone: 0,
	id: 1,
	timeoutSec: 30,
});

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));
const ip4 = { family: "ip", name: "keepmesh-l4" } as const;

describe("a service balancer", () => {
	let tables: MemoryTables;
	let clock: VirtualClock;
	let flows: Flow[];
	let looks: number;
	let balancer: ServiceBalancer;
	const start = () =>
		new ServiceBalancer(node, {
			tables,
			clock,
			log: silentLog,
			conntrack: {
				deleteWhereLater: async ({ protocol }, isGone) => {
					looks++;
					await Promise.resolve();
					const looked = flows.length;
					flows = flows.filter((flow) => flow.protocol !== protocol || !isGone(flow));
					return { ok: true, looked, deleted: looked - flows.length };
				},
			},
		});
	const update = async (...services: readonly Layer4Service[]) => {
		balancer.update(new Map(services.map((one) => [`default/${one.name}`, one])));
		await turn();
	};

	beforeEach(() => {
		tables = new MemoryTables();
		clock = new VirtualClock();
		flows = [];
		looks = 0;
		balancer = start();
	});

	it("writes all that came in one turn as one transaction", async () => {
		balancer.update(new Map([["default/a", service("a", "10.96.0.1", ["10.0.0.1"])]]));
		balancer.update(new Map([["default/b", service("b", "10.96.0.2", ["10.0.0.2"])]]));
		assert.equal(tables.transactions.length, 0);
		await turn();
		assert.equal(tables.transactions.length, 1);
		assert.deepEqual(tables.keysOf("services"), ["10.96.0.1 . tcp . 80", "10.96.0.2 . tcp . 80"]);
		assert.equal(balancer.status().state, "inForce");
	});

	it("sends only what changed", async () => {
		await update(service("a", "10.96.0.1", ["10.0.0.1"]), service("b", "10.96.0.2", ["10.0.0.2"]));
		await update(service("a", "10.96.0.1", ["10.0.0.1", "10.0.0.3"]));
		const touched = JSON.stringify(tables.transactions.at(-1));
		assert.ok(touched.includes("10.0.0.3"), touched);
		assert.ok(!touched.includes("10.96.0.2"), touched);
		assert.deepEqual(tables.destinations(), ["10.0.0.1:8080", "10.0.0.2:8080", "10.0.0.3:8080"]);
	});

	it("leaves what an earlier run made alone until Services are known, then takes its place in one transaction", async () => {
		await update(service("old", "10.96.0.9", ["10.0.0.9"]));
		balancer.close();
		assert.deepEqual(tables.keysOf("services"), ["10.96.0.9 . tcp . 80"]);
		tables.transactions.length = 0;
		balancer = start();
		await turn();
		assert.equal(tables.transactions.length, 0);
		await update(service("a", "10.96.0.1", ["10.0.0.1"]));
		assert.equal(tables.transactions.length, 1);
		assert.deepEqual(tables.keysOf("services"), ["10.96.0.1 . tcp . 80"]);
	});

	it("has no table while no Service has an address, and removes one that was left behind", async () => {
		balancer.update(new Map());
		await turn();
		assert.equal(tables.transactions.length, 0);
		tables.apply([{ table: { family: "ip6", name: "keepmesh-l4" }, change: { type: "addTable" } }]);
		balancer.update(new Map());
		await turn();
		assert.equal(tables.tables.size, 0);
	});

	it("knows when it last wrote rules, which a refusal does not change", async () => {
		assert.equal(balancer.lastAppliedMs, undefined);
		await update(service("a", "10.96.0.1", ["10.0.0.1"]));
		const writtenMs = clock.wallMs();
		assert.equal(balancer.lastAppliedMs, writtenMs);
		clock.advance(1000);
		tables.refuse = () => "no memory";
		await update(service("b", "10.96.0.2", ["10.0.0.2"]));
		assert.equal(balancer.lastAppliedMs, writtenMs);
	});

	it("keeps what was when the kernel refuses, and tries again until it succeeds", async () => {
		await update(service("a", "10.96.0.1", ["10.0.0.1"]));
		tables.refuse = () => "no memory";
		await update(service("a", "10.96.0.1", ["10.0.0.2"]));
		assert.deepEqual(tables.destinations(), ["10.0.0.1:8080"]);
		assert.equal(balancer.status().state, "failed");
		assert.match(balancer.status().problems[0]?.because ?? "", /no memory/);
		clock.advance(150);
		assert.deepEqual(tables.destinations(), ["10.0.0.1:8080"]);
		tables.refuse = () => undefined;
		clock.advance(1_000);
		assert.deepEqual(tables.destinations(), ["10.0.0.2:8080"]);
		assert.equal(balancer.status().state, "inForce");
		assert.deepEqual(balancer.status().problems, []);
	});

	it("lives on when rules cannot even be written down, and says so", async () => {
		await update(service("a", "10.96.0.1", ["10.0.0.1"]));
		tables.refuse = () => {
			throw new RangeError("offset is out of bounds");
		};
		await update(service("a", "10.96.0.1", ["10.0.0.2"]));
		assert.equal(balancer.status().state, "failed");
		assert.match(balancer.problems()[0]?.because ?? "", /cannot be written down: offset is out of bounds/);
		tables.refuse = () => undefined;
		clock.advance(1_000);
		assert.equal(balancer.status().state, "inForce");
	});

	it("gives all other Services their rules when the kernel refuses one", async () => {
		await update(service("a", "10.96.0.1", ["10.0.0.1"]));
		tables.refuse = (changes) => (JSON.stringify(changes).includes("10.96.0.66") ? "bad address" : undefined);
		await update(service("bad", "10.96.0.66", ["10.0.0.6"]));
		await update(service("a", "10.96.0.1", ["10.0.0.2"]));
		assert.deepEqual(tables.destinations(), ["10.0.0.2:8080"]);
		assert.deepEqual(balancer.status().problems, [{ about: "default/bad", because: "bad address" }]);
		await update(service("bad", "10.96.0.6", ["10.0.0.6"]));
		assert.deepEqual(balancer.status().problems, []);
		assert.deepEqual(tables.destinations(), ["10.0.0.2:8080", "10.0.0.6:8080"]);
	});

	it("builds its table again when somebody deletes it, at once the first time and not in a tight loop", async () => {
		await update(service("a", "10.96.0.1", ["10.0.0.1"]));
		tables.foreignDelete(ip4);
		clock.advance(0);
		assert.deepEqual(tables.destinations(), ["10.0.0.1:8080"]);
		tables.foreignDelete(ip4);
		clock.advance(500);
		assert.deepEqual(tables.destinations(), []);
		clock.advance(600);
		assert.deepEqual(tables.destinations(), ["10.0.0.1:8080"]);
	});

	it("finds out by itself when a table is gone that no event told of", async () => {
		await update(service("a", "10.96.0.1", ["10.0.0.1"]));
		clock.advance(30_000);
		tables.tables.delete("ip keepmesh-l4");
		clock.advance(32_000);
		assert.deepEqual(tables.destinations(), ["10.0.0.1:8080"]);
		assert.equal(tables.transactions.length, 2);
	});

	it("plans anew for other addresses of the node", async () => {
		const base = service("a", "10.96.0.1", ["10.0.0.1"]);
		await update({ ...base, ports: base.ports.map((port) => ({ ...port, nodePort: 30_080 })) });
		assert.deepEqual(tables.keysOf("node-addresses"), ["192.0.2.1"]);
		balancer.setNode({ ...node, nodePortAddresses: ["192.0.2.7"] });
		await turn();
		assert.deepEqual(tables.keysOf("node-addresses"), ["192.0.2.7"]);
	});

	describe("and UDP flows", () => {
		const dns = (endpoints: Parameters<typeof service>[2], name = "dns", address = "10.96.0.10") =>
			service(name, address, endpoints, "udp");
		/** Another turn, and that of the kernel's answer. */
		const later = async (ms = 0) => {
			clock.advance(ms);
			await turn();
		};

		it("forgets those to endpoints that no longer serve, and those of nobody else", async () => {
			await update(dns(["10.0.0.1", "10.0.0.2"]));
			await later();
			flows = [flow("10.96.0.10", "10.0.0.1"), flow("10.96.0.10", "10.0.0.2"), flow("10.96.0.99", "10.0.0.1")];
			const leaving = endpoint("10.0.0.2", { ready: false, terminating: true });
			await update(dns([leaving, "10.0.0.3"]));
			assert.equal(flows.length, 3, "rules first");
			assert.deepEqual(tables.destinations(), ["10.0.0.3:8080"]);
			await later(100);
			assert.deepEqual(
				flows.map(({ original, reply }) => `${original.destination} ${reply.source}`),
				["10.96.0.10 10.0.0.2", "10.96.0.99 10.0.0.1"],
			);
		});

		it("looks when the first endpoint comes or one goes, and not when one more comes", async () => {
			const seen: number[] = [];
			for (const endpoints of [["10.0.0.1"], ["10.0.0.1", "10.0.0.2"], ["10.0.0.2"], [], ["10.0.0.2"]]) {
				await update(dns(endpoints));
				await later(200);
				seen.push(looks);
			}
			assert.deepEqual(seen, [1, 1, 2, 2, 3]);
		});

		it("looks once for all that change within 100 ms", async () => {
			await update(dns(["10.0.0.1"]));
			await later();
			for (let at = 2; at < 12; at++) {
				await update(dns([`10.0.0.${at}`]), dns([`10.0.0.${at}`], "other", "10.96.0.11"));
				await later(8);
			}
			assert.equal(looks, 1);
			flows = [flow("10.96.0.10", "10.0.0.1"), flow("10.96.0.11", "10.0.0.4"), flow("10.96.0.11", "10.0.0.11")];
			await later(20);
			assert.deepEqual([looks, flows.map(({ reply }) => reply.source)], [2, ["10.0.0.11"]]);
		});

		it("keeps them until the rules that lead elsewhere are in force", async () => {
			await update(dns(["10.0.0.1"]));
			await later(100);
			flows = [flow("10.96.0.10", "10.0.0.1")];
			tables.refuse = () => "no memory";
			await update(dns(["10.0.0.2"]));
			await later(500);
			assert.equal(flows.length, 1);
			tables.refuse = () => undefined;
			for (let at = 0; at < 4; at++) await later(1_000);
			assert.equal(flows.length, 0);
		});

		it("leaves those alone of a Service that nobody serves", async () => {
			await update(dns(["10.0.0.1"]));
			flows = [flow("10.96.0.10", "10.0.0.1")];
			await update(dns([]));
			await later(200);
			assert.equal(flows.length, 1);
		});
	});

	describe("and TCP connections", () => {
		const tcp = (answeredBy: string, status: Partial<Flow["status"]> = {}): Flow => {
			const base = flow("10.96.0.10", answeredBy);
			return { ...base, protocol: "tcp", status: { ...base.status, seenReply: false, ...status } };
		};
		const later = async () => {
			clock.advance(200);
			await turn();
		};

		it("forgets those that nobody has answered, to endpoints that no longer serve", async () => {
			await update(service("web", "10.96.0.10", ["10.0.0.1", "10.0.0.2"]));
			await later();
			assert.equal(looks, 0, "there was nobody before");
			const kept = [
				tcp("10.0.0.2"),
				tcp("10.0.0.1", { seenReply: true }),
				tcp("10.0.0.1", { destinationTranslated: false }),
			];
			flows = [tcp("10.0.0.1"), ...kept];
			await update(service("web", "10.96.0.10", [endpoint("10.0.0.1", { ready: false, serving: false }), "10.0.0.2"]));
			await later();
			assert.deepEqual([looks, flows], [1, kept]);
		});
	});

	describe("with IPVS", () => {
		const order: string[] = [];
		const ipvs = new Map<string, readonly Balancer[]>();
		let isThere = true;
		let opened = 0;
		const withIpvs = (backend: "nftables" | "ipvs") =>
			new ServiceBalancer(node, {
				tables,
				clock,
				log: silentLog,
				backend,
				openIpvs: () => {
					opened++;
					if (!isThere) return { ok: false, because: "this kernel has no ip_vs" };
					const rules: BackendRules = {
						set: (owner, balancers) => {
							if (balancers) ipvs.set(owner, balancers);
							else ipvs.delete(owner);
						},
						setNode: () => {},
						apply: () => {
							order.push(`ipvs ${[...ipvs.keys()]} beside ${tables.keysOf("services").length}`);
							return true;
						},
						problems: () => [],
						isInForce: true,
						close: () => {},
					};
					return { ok: true, rules };
				},
			});
		beforeEach(() => {
			order.length = 0;
			ipvs.clear();
			isThere = true;
			opened = 0;
		});

		it("gives each Service the backend that its annotation asks for, and rr where chance is the node's way", async () => {
			balancer = withIpvs("nftables");
			await update(service("a", "10.96.0.1", ["10.0.0.1"]));
			assert.equal(opened, 0);
			await update({ ...service("b", "10.96.0.2", ["10.0.0.2"]), backend: "ipvs" });
			assert.deepEqual(tables.keysOf("services"), ["10.96.0.1 . tcp . 80"]);
			assert.deepEqual([...ipvs.keys()], ["default/b"]);
			assert.equal(ipvs.get("default/b")?.[0]?.scheduler, "rr");
			assert.deepEqual(
				balancer.status().services.map(({ backend }) => backend),
				["nftables", "ipvs"],
			);
		});

		it("has a Service that moves to IPVS there before its other rules go", async () => {
			balancer = withIpvs("nftables");
			await update(service("a", "10.96.0.1", ["10.0.0.1"]));
			await update({ ...service("a", "10.96.0.1", ["10.0.0.1"]), backend: "ipvs" });
			assert.equal(order[0], "ipvs default/a beside 1");
			assert.deepEqual(tables.keysOf("services"), []);
			await update(service("a", "10.96.0.1", ["10.0.0.1"]));
			assert.equal(ipvs.size, 0);
			assert.deepEqual(tables.keysOf("services"), ["10.96.0.1 . tcp . 80"]);
		});

		it("uses nftables where the kernel has none, and says so once for all or for each that asked", async () => {
			isThere = false;
			balancer = withIpvs("ipvs");
			await update(service("a", "10.96.0.1", ["10.0.0.1"]), service("b", "10.96.0.2", ["10.0.0.2"]));
			assert.equal(opened, 1);
			assert.equal(tables.keysOf("services").length, 2);
			const because = "this kernel has no ip_vs; nftables is used";
			assert.deepEqual(balancer.status().problems, [{ about: "ipvs", because }]);
			balancer = withIpvs("nftables");
			await update(service("a", "10.96.0.1", ["10.0.0.1"]), {
				...service("b", "10.96.0.2", ["10.0.0.2"]),
				backend: "ipvs",
			});
			assert.deepEqual(balancer.status().problems, [{ about: "default/b", because }]);
		});
	});

	it("says what nobody here allocates for a Service", async () => {
		await update({ ...service("a", "10.96.0.1", ["10.0.0.1"]), unallocated: ["nodePort"] });
		assert.deepEqual(balancer.status().problems, [
			{
				about: "default/a",
				because: "no node port: nothing here allocates one; write nodePort: 30000..32767 at each port",
			},
		]);
		await update(service("a", "10.96.0.1", ["10.0.0.1"]));
		assert.deepEqual(balancer.status().problems, []);
	});

	it("leaves its rules when it closes, unless told to take them away", async () => {
		await update(service("a", "10.96.0.1", ["10.0.0.1"]));
		balancer.close();
		assert.deepEqual(tables.destinations(), ["10.0.0.1:8080"]);
		balancer = start();
		balancer.close({ keepRules: false });
		assert.equal(tables.tables.size, 0);
	});
});
