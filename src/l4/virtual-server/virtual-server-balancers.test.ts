import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseKeepalivedConf } from "../../vip/keepalived-conf/parse-keepalived-conf.ts";
import type { VirtualServers } from "../../vip/keepalived-conf/virtual-servers.ts";
import type { Balancer } from "../balancer.ts";
import type { BalancingBackend } from "./balancing-backend.ts";
import { poolOf } from "./pool.ts";
import { runnableServers } from "./runnable.ts";
import { balancersOf } from "./virtual-server-balancers.ts";
import { step } from "./virtual-server-machine.ts";
import { virtualServerProblems } from "./virtual-server-problems.ts";
import { nothingKnown } from "./virtual-server-state.ts";

const parse = (text: string): VirtualServers =>
	parseKeepalivedConf("keepalived.conf", text, { configId: "test" }).servers;

function balancers(text: string, backend: BalancingBackend = "ipvs"): readonly Balancer[] {
	const servers = parse(text);
	return [...runnableServers(servers).values()].flatMap((server) => {
		const { state } = step(server, nothingKnown, { type: "start", addressIsHere: true });
		return balancersOf(server, poolOf(server, state), { groups: servers.groups, backend });
	});
}
const said = (text: string, backend: BalancingBackend): readonly string[] =>
	virtualServerProblems(parse(text), backend, "keepalived.conf").map(
		({ severity, message, hint }) => `${severity}: ${message}; ${hint}`,
	);
const fronts = (list: readonly Balancer[]): readonly string[] =>
	list.map(({ front, protocol, port }) =>
		front.type === "mark"
			? `mark ${front.mark} ${protocol}`
			: `${"address" in front ? front.address : ""} ${protocol} ${port}`,
	);
const server = (head: string, body = "", real = ""): string => `
virtual_server ${head} {
	lvs_sched rr
	protocol TCP
	${body}
	real_server 10.0.0.2 8080 { weight 2 \n ${real} }
	real_server 10.0.0.1 8080 { ${real} }
}`;

describe("a virtual server becomes balancers", () => {
	it("with its servers in order of their addresses, nothing masqueraded", () => {
		assert.deepEqual(balancers(server("192.0.2.1 80"), "nftables"), [
			{
				owner: "virtual_server 192.0.2.1 80 TCP",
				front: { type: "virtualServer", family: "ipv4", address: "192.0.2.1" },
				protocol: "tcp",
				port: 80,
				scheduler: "rr",
				outside: {
					type: "balance",
					backends: [
						{ address: "10.0.0.1", port: 8080, weight: 1, local: false, forwarding: { method: "NAT" } },
						{ address: "10.0.0.2", port: 8080, weight: 2, local: false, forwarding: { method: "NAT" } },
					],
					masquerade: "never",
				},
			},
		]);
	});
	it("with persistence, thresholds, flags and forwarding as IPVS has them", () => {
		const text = server(
			"192.0.2.1 80",
			"lvs_method DR\n persistence_timeout 60\n persistence_granularity 255.255.255.0\n sh-port\n ops",
			"uthreshold 9\n lthreshold 3",
		).replace("lvs_sched rr", "lvs_sched sh");
		const [made] = balancers(text);
		assert.deepEqual(made?.affinity, { timeoutSec: 60, granularity: "255.255.255.0" });
		assert.deepEqual(made?.schedulerFlags, ["sh-port"]);
		assert.equal(made?.onePacket, true);
		const backend = made?.outside.type === "balance" ? made.outside.backends[0] : undefined;
		// DR cannot change the port: that of the virtual server is taken.
		assert.deepEqual(backend, {
			address: "10.0.0.1",
			port: 80,
			weight: 1,
			local: false,
			forwarding: { method: "DR" },
			upperThreshold: 9,
			lowerThreshold: 3,
		});
	});
	it("for all ports of an address, and each port stays what it is", () => {
		const [made] = balancers(server("192.0.2.1").replaceAll(" 8080 {", " {"));
		assert.equal(made?.port, 0);
		assert.deepEqual(made?.affinity, { timeoutSec: 360 });
		assert.equal(made?.outside.type === "balance" && made.outside.backends[0]?.port, 0);
	});
	it("for every address and mark of a group", () => {
		const group = "virtual_server_group web {\n 192.0.2.1-3 80\n 192.0.2.9 443\n fwmark 5\n}";
		assert.deepEqual(fronts(balancers(`${group}\n${server("group web")}`)), [
			"192.0.2.1 tcp 80",
			"192.0.2.2 tcp 80",
			"192.0.2.3 tcp 80",
			"192.0.2.9 tcp 443",
			"mark 5 tcp",
		]);
	});
	it("for a mark whatever the protocol: nftables needs one for each", () => {
		assert.deepEqual(fronts(balancers(server("fwmark 7"))), ["mark 7 tcp"]);
		assert.deepEqual(fronts(balancers(server("fwmark 7"), "nftables")), ["mark 7 tcp", "mark 7 udp", "mark 7 sctp"]);
	});
	it("refuses connections when nobody is there", () => {
		const [made] = balancers(server("192.0.2.1 80", "alpha", "TCP_CHECK { }"));
		assert.deepEqual(made?.outside, { type: "reject" });
	});
	it("with fo only the heaviest server takes connections, also by nftables", () => {
		const [made] = balancers(server("192.0.2.1 80").replace("lvs_sched rr", "lvs_sched fo"), "nftables");
		const backends = made?.outside.type === "balance" ? made.outside.backends : [];
		assert.deepEqual(
			backends.map(({ address, weight }) => `${address}=${weight}`),
			["10.0.0.1=0", "10.0.0.2=2"],
		);
		assert.deepEqual(said(server("192.0.2.1 80").replace("lvs_sched rr", "lvs_sched fo"), "nftables"), []);
	});
});

describe("what cannot be done is named", () => {
	it("DR and TUN by nftables, with what to do, and such servers get nothing", () => {
		const text = server("192.0.2.1 80", "lvs_method DR");
		assert.match(
			said(text, "nftables")[0] ?? "",
			/cannot forward them by DR.*use --backend ipvs, or write lvs_method NAT/,
		);
		assert.deepEqual(balancers(text, "nftables")[0]?.outside, { type: "reject" });
		assert.deepEqual(said(text, "ipvs"), []);
	});
	it("schedulers that count connections, by nftables", () => {
		const text = server("192.0.2.1 80").replace("lvs_sched rr", "lvs_sched wlc");
		assert.deepEqual(said(text, "nftables"), [
			"warning: nftables does not count connections, which wlc picks by: wrr is taken; use --backend ipvs",
		]);
		assert.equal(balancers(text, "nftables")[0]?.scheduler, "wrr");
		assert.equal(balancers(text, "ipvs")[0]?.scheduler, "wlc");
	});
	it("a group that is not there, a block that is there twice, a server of the other family", () => {
		assert.match(said(server("group none"), "ipvs")[0] ?? "", /there is no virtual_server_group none/);
		const twice = `${server("192.0.2.1 80")}${server("192.0.2.1 80")}`;
		assert.match(said(twice, "ipvs")[0] ?? "", /there is such a block already/);
		assert.equal(balancers(twice).length, 1);
		assert.match(said(server("2001:db8::1 80"), "ipvs")[0] ?? "", /its family is not the virtual server's/);
	});
	it("BFD_CHECK, a FILE_CHECK without its file, and patterns that JavaScript reads otherwise", () => {
		const real = (check: string): readonly string[] => said(server("192.0.2.1 80", "", check), "ipvs");
		assert.match(real("BFD_CHECK { name b }")[0] ?? "", /BFD_CHECK b is not done: the check is left out/);
		assert.match(real("FILE_CHECK { track_file f }")[0] ?? "", /there is no track_file f/);
		for (const [pattern, what] of [
			["(?>a+)b", "an atomic group"],
			["a++b", "a possessive quantifier"],
			["[[:digit:]]", "a POSIX class"],
			["\\\\Aa", "an escape"],
			["(?(1)a)", "a condition"],
		] as const) {
			const found = real(`HTTP_GET {\n url {\n path /\n regex "${pattern}"\n}\n}`);
			assert.ok(found[0]?.includes(what), `${pattern}: ${found[0]}`);
		}
		assert.deepEqual(real('HTTP_GET {\n url {\n path /\n regex "(?i)ok [0-9]+(?P<unit>ms)?"\n}\n}'), []);
	});
});
