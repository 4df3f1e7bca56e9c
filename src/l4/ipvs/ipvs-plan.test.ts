import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { FakeIpvsTable } from "../../kernel/fake/fake-ipvs-table.ts";
import type { Backend, Balancer } from "../balancer.ts";
import { renderTables } from "../nftables/render-text.ts";
import { IpvsPlan } from "./ipvs-plan.ts";
import { Chance, randomBalancers, walkNode } from "./random-balancers.testing.ts";
import { renderChange, renderDestination, renderLocalRoute, renderPlan, renderServer } from "./render-text.ts";

const to = (address: string, overrides: Partial<Backend> = {}): Backend => ({
	address,
	port: 8080,
	weight: 1,
	local: false,
	forwarding: { method: "NAT" },
	...overrides,
});
const [a, b] = [to("10.244.1.2"), to("10.244.2.3")];
const balancer = (overrides: Partial<Balancer> = {}, backends: readonly Backend[] = [a, b]): Balancer => ({
	owner: "default/web",
	front: { family: "ipv4", type: "clusterIP", address: "10.96.0.1" },
	protocol: "tcp",
	port: 80,
	scheduler: "rr",
	outside: { type: "balance", backends, masquerade: "never" },
	...overrides,
});
const planOf = (...balancers: readonly Balancer[]): IpvsPlan => {
	const plan = new IpvsPlan(walkNode);
	plan.set("default/web", balancers);
	return plan;
};
const texts = (plan: IpvsPlan): readonly string[] => plan.takeChanges().ipvs.map(renderChange);
const lines = (plan: IpvsPlan): readonly string[] => renderPlan(plan).trimEnd().split("\n");

describe("a plan of IPVS", () => {
	it("makes a virtual server of each front, and its address local with the node's as source", () => {
		assert.deepEqual(lines(planOf(balancer())), [
			"-A -t 10.96.0.1:80 -s rr",
			"-a -t 10.96.0.1:80 -r 10.244.1.2:8080 -m -w 1",
			"-a -t 10.96.0.1:80 -r 10.244.2.3:8080 -m -w 1",
			"local 10.96.0.1 dev lo src 10.0.0.1",
		]);
	});

	it("makes no address local that the node has or that a virtual IP gives it", () => {
		const own = balancer({ front: { family: "ipv4", type: "externalIP", address: "10.0.0.1" } });
		const virtual = balancer({ front: { family: "ipv4", type: "virtualServer", address: "192.0.2.9" } });
		assert.deepEqual(planOf(own, virtual).wantedRoutes(), []);
	});

	it("answers node ports at each of the node's addresses of that family", () => {
		const plan = planOf(balancer({ front: { family: "ipv4", type: "nodePort" }, port: 30_080 }, [a]));
		assert.deepEqual(lines(plan), ["-A -t 10.0.0.1:30080 -s rr", "-a -t 10.0.0.1:30080 -r 10.244.1.2:8080 -m -w 1"]);
	});

	for (const [scheduler, expected] of [
		["random", "-s rr"],
		["maglev", "-s mh -b mh-fallback,mh-port"],
		["mh", "-s mh -b mh-fallback,mh-port"],
		["sh", "-s sh -b sh-fallback"],
		["wlc", "-s wlc"],
	] as const)
		it(`takes ${scheduler} as ${expected}`, () => {
			assert.equal(lines(planOf(balancer({ scheduler })))[0], `-A -t 10.96.0.1:80 ${expected}`);
		});

	it("makes affinity a persistence", () => {
		assert.equal(lines(planOf(balancer({ affinity: { timeoutSec: 10_800 } })))[0], "-A -t 10.96.0.1:80 -s rr -p 10800");
	});

	it("hands out only what changed, what comes before what goes", () => {
		const plan = planOf(balancer());
		assert.equal(texts(plan).length, 3);
		assert.deepEqual(texts(plan), []);
		plan.set("default/web", [balancer({ protocol: "udp" }, [a])]);
		assert.deepEqual(texts(plan), [
			"-A -u 10.96.0.1:80 -s rr",
			"-a -u 10.96.0.1:80 -r 10.244.1.2:8080 -m -w 1",
			"-e -t 10.96.0.1:80 -r 10.244.1.2:8080 -m -w 0",
			"-e -t 10.96.0.1:80 -r 10.244.2.3:8080 -m -w 0",
		]);
	});

	it("gives a leaving backend weight 0 until its connections have ended, and takes it back at any time", () => {
		const plan = planOf(balancer());
		plan.takeChanges();
		plan.set("default/web", [balancer({}, [b])]);
		const { ipvs, left } = plan.takeChanges();
		assert.deepEqual(ipvs.map(renderChange), ["-e -t 10.96.0.1:80 -r 10.244.1.2:8080 -m -w 0"]);
		assert.deepEqual(left, [{ server: "tcp 10.96.0.1:80", destination: "10.244.1.2:8080" }]);
		plan.set("default/web", [balancer()]);
		const back = plan.takeChanges();
		assert.deepEqual(back.ipvs.map(renderChange), ["-e -t 10.96.0.1:80 -r 10.244.1.2:8080 -m -w 1"]);
		assert.deepEqual(back.returned, left);
		plan.drained(left);
		assert.deepEqual(texts(plan), []);
		plan.set("default/web", [balancer({}, [b])]);
		plan.takeChanges();
		plan.drained(left);
		assert.deepEqual(texts(plan), ["-d -t 10.96.0.1:80 -r 10.244.1.2:8080"]);
	});

	it("keeps the virtual server and the route of a Service that is gone until its last connection has ended", () => {
		const plan = planOf(balancer({}, [a]));
		plan.takeChanges();
		plan.remove("default/web");
		const { ipvs, left, routes } = plan.takeChanges();
		assert.deepEqual(ipvs.map(renderChange), ["-e -t 10.96.0.1:80 -r 10.244.1.2:8080 -m -w 0"]);
		assert.deepEqual(routes, { remove: [], add: [] });
		plan.drained(left);
		const last = plan.takeChanges();
		assert.deepEqual(last.ipvs.map(renderChange), ["-D -t 10.96.0.1:80"]);
		assert.deepEqual(last.routes.remove.map(renderLocalRoute), ["local 10.96.0.1 dev lo src 10.0.0.1"]);
	});

	for (const [what, overrides] of [
		["UDP", { protocol: "udp" }],
		["dh, which would refuse a share of the clients", { scheduler: "dh" }],
	] as const)
		it(`lets a backend go at once with ${what}`, () => {
			const plan = planOf(balancer(overrides));
			plan.takeChanges();
			plan.set("default/web", [balancer(overrides, [b])]);
			assert.deepEqual(texts(plan).length, 1);
			assert.match(renderPlan(plan), /^-A -[tu] 10\.96\.0\.1:80 -s \w+\n-a -[tu] 10\.96\.0\.1:80 -r 10\.244\.2\.3/);
		});

	it("serves what differs inside by a mark of its own, which is the same after a restart", () => {
		const inside = { type: "balance", backends: [b], masquerade: "always" } as const;
		const one = planOf(balancer({ inside }, [a]));
		assert.match(lines(one).join("\n"), /-A -f \d+ -s rr\n-a -f \d+ -r 10\.244\.2\.3:8080 -m -w 1/);
		assert.match(renderTables(one.ruleset()), /10\.96\.0\.1 \. tcp \. 80 : goto inside-\d+/);
		assert.equal(renderPlan(planOf(balancer({ inside }, [a]))), renderPlan(one));
	});

	it("prints the rules beside it as nft text", () => {
		const plan = planOf(
			balancer({ sourceRanges: ["203.0.113.0/24"], outside: { type: "balance", backends: [a], masquerade: "always" } }),
			balancer({ port: 81, outside: { type: "reject" } }),
			balancer({ port: 82, outside: { type: "drop" } }),
		);
		const text = renderTables(plan.ruleset());
		for (const line of [
			"10.96.0.1 . tcp . 80 : goto hide-source",
			"10.96.0.1 . tcp . 81 : goto refuse",
			"10.96.0.1 . tcp . 82 : drop",
			"10.96.0.1 . tcp . 80 . 203.0.113.0/24",
			"ip daddr @addresses goto refuse",
		])
			assert.ok(text.includes(line), `${line} is not in\n${text}`);
	});

	it("removes after a restart what its record names, takes over what is the same, and leaves the rest", () => {
		const kernel = new FakeIpvsTable();
		kernel.apply(planOf(balancer(), balancer({ port: 81 }, [a]), balancer({ port: 82 }, [a])).takeChanges().ipvs);
		const plan = planOf(balancer(), balancer({ port: 82, scheduler: "wlc" }, [a]));
		plan.adopt({ servers: kernel.read().servers, owned: new Set(["tcp 10.96.0.1:81"]), routes: [] });
		const { ipvs, left } = plan.takeChanges();
		assert.deepEqual(ipvs.map(renderChange), ["-e -t 10.96.0.1:81 -r 10.244.1.2:8080 -m -w 0"]);
		assert.equal(left.length, 1);
		assert.deepEqual(plan.owned(), ["tcp 10.96.0.1:80", "tcp 10.96.0.1:81"]);
		assert.deepEqual(
			plan.problems().map(({ message }) => message),
			["tcp 10.96.0.1:82 is another program's virtual server; it is left as it is"],
		);
	});

	it("never removes virtual servers of excluded ranges, whatever its record says", () => {
		const kernel = new FakeIpvsTable();
		kernel.apply(planOf(balancer()).takeChanges().ipvs);
		const plan = new IpvsPlan(walkNode, { excludeRanges: ["10.96.0.0/24"] });
		plan.adopt({ servers: kernel.read().servers, owned: new Set(["tcp 10.96.0.1:80"]), routes: [] });
		assert.deepEqual(texts(plan), []);
	});

	it("gives a front that two want to the owner whose name comes first, and to the other when that is gone", () => {
		const plan = planOf(balancer({}, [a]));
		plan.set("default/other", [balancer({ owner: "default/other" }, [b])]);
		assert.match(renderPlan(plan), /10\.244\.2\.3/);
		assert.match(plan.problems()[0]?.message ?? "", /default\/other has the same address/);
		plan.remove("default/other");
		assert.match(renderPlan(plan), /10\.244\.1\.2/);
		assert.deepEqual(plan.problems(), []);
	});

	it("changes routes and node ports with the node's addresses", () => {
		const plan = planOf(
			balancer({}, [a]),
			balancer({ front: { family: "ipv4", type: "nodePort" }, port: 30_080 }, [a]),
		);
		plan.takeChanges();
		plan.setNode({ ...walkNode, nodePortAddresses: ["10.0.0.7"] });
		const { ipvs, routes } = plan.takeChanges();
		assert.deepEqual(routes.add.map(renderLocalRoute), ["local 10.96.0.1 dev lo src 10.0.0.7"]);
		assert.deepEqual(ipvs.map(renderChange), [
			"-A -t 10.0.0.7:30080 -s rr",
			"-a -t 10.0.0.7:30080 -r 10.244.1.2:8080 -m -w 1",
			"-e -t 10.0.0.1:30080 -r 10.244.1.2:8080 -m -w 0",
		]);
	});

	it("is after 3000 changes by chance what a plan from nothing is", () => {
		const chance = new Chance(7);
		const kernel = new FakeIpvsTable();
		const plan = new IpvsPlan(walkNode);
		const wanted = new Map<string, readonly Balancer[]>();
		const routes = new Set<string>();
		for (let at = 0; at < 3000; at++) {
			const owner = `default/${chance.below(8)}`;
			const balancers = randomBalancers(chance, owner);
			wanted.set(owner, balancers);
			plan.set(owner, balancers);
			for (let round = 0; round < 2; round++) {
				const changes = plan.takeChanges();
				assert.deepEqual(kernel.apply(changes.ipvs).failed, [], `step ${at}`);
				for (const route of changes.routes.remove) assert.ok(routes.delete(renderLocalRoute(route)), `step ${at}`);
				for (const route of changes.routes.add) routes.add(renderLocalRoute(route));
				plan.drained(changes.left);
			}
			if (at % 10 !== 0) continue;
			const fresh = new IpvsPlan(walkNode);
			for (const [name, own] of wanted) fresh.set(name, own);
			const expected = fresh
				.wantedServers()
				.flatMap(({ destinations, server }) => [
					renderServer(server),
					...[...destinations.values()].map((destination) => renderDestination(server.key, destination)),
				]);
			assert.equal(kernel.text(), expected.sort().join("\n"), `step ${at}`);
			assert.deepEqual([...routes].sort(), fresh.wantedRoutes().map(renderLocalRoute).sort(), `step ${at}`);
			assert.equal(sortedLines(plan), sortedLines(fresh), `step ${at}`);
		}
	});
});

const sortedLines = (plan: IpvsPlan): string =>
	renderTables(plan.ruleset())
		.split("\n")
		.flatMap((line) => line.replace(/[{},]|elements = /g, "\n").split("\n"))
		.map((line) => line.trim())
		.sort()
		.join("\n");
