import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { checkHost, countLevels } from "./check-host.ts";
import { goodFacts } from "./facts.testing.ts";
import { type HostFacts, uses } from "./host-facts.ts";
import { isMet } from "./judge-sysctl.ts";
import { type Finding, type Level, type Role, roles } from "./setting.ts";
import { allSettings } from "./settings/all-settings.ts";
import { wantedEntries } from "./settings/conntrack-settings.ts";

const everyRole = new Set<Role>(roles);

function find(id: string, facts: HostFacts, wanted: ReadonlySet<Role> = everyRole): Finding | undefined {
	return checkHost(facts, wanted).find((finding) => finding.id === id);
}

function levelOf(id: string, facts: HostFacts, wanted?: ReadonlySet<Role>): Level | undefined {
	return find(id, facts, wanted)?.level;
}

const sysctl = (key: string, value: string): HostFacts => goodFacts({}, { [key]: value });

describe("the table of settings", () => {
	it("fits a line, says why, and has every name once", () => {
		const ids = new Set<string>();
		for (const setting of allSettings) {
			const id = "key" in setting ? setting.key : setting.id;
			assert.ok(!ids.has(id), `${id} is there twice`);
			ids.add(id);
			assert.ok(setting.label.length <= 28, `${setting.label} is too long`);
			assert.ok(setting.fault.length <= 60, `${setting.fault} is ${setting.fault.length} characters`);
			assert.ok(setting.detail.length > setting.fault.length || setting.detail.startsWith("As "), id);
			assert.ok(setting.roles.length > 0, id);
		}
	});

	it("finds nothing to change on a machine where all is well", () => {
		const wrong = checkHost(goodFacts(), everyRole).filter(({ level }) => level !== "ok" && level !== "note");
		assert.deepEqual(wrong, []);
	});

	it("is content with every value that it recommends", () => {
		// A machine with all uses, bridges and IPv6, where every kernel setting is 0: whatever can be wrong is.
		const keys = allSettings.flatMap((setting) => ("key" in setting ? [setting.key] : []));
		const zeros = Object.fromEntries(keys.map((key) => [key, key.endsWith("route_localnet") ? "1" : "0"]));
		const facts = goodFacts(
			{ uses: new Set(uses), bridges: ["br0"], hasIpv6: true },
			{ ...zeros, "net/ipv4/conf/eth0/rp_filter": "1" },
		);
		const before = checkHost(facts, everyRole).filter(({ fix }) => fix);
		assert.ok(before.length > 25, `${before.length} settings had a fix`);
		const fixed = Object.fromEntries(before.flatMap(({ fix }) => (fix ? [[fix.key, fix.value]] : [])));
		const after = checkHost({ ...facts, sysctls: new Map([...facts.sysctls, ...Object.entries(fixed)]) }, everyRole);
		assert.deepEqual(
			after.filter(({ fix }) => fix).map(({ id }) => id),
			[],
		);
	});

	it("shows the worst first and counts", () => {
		const findings = checkHost(goodFacts({ clock: "free" }, { "net/ipv4/ip_forward": "0" }), everyRole);
		assert.deepEqual(
			findings.slice(0, 2).map(({ level, id }) => `${level} ${id}`),
			["must net.ipv4.ip_forward", "should clock.synchronised"],
		);
		const { must, should } = countLevels(findings);
		assert.deepEqual([must, should], [1, 1]);
	});

	it("asks of a machine only what its roles need", () => {
		const facts = sysctl("net/ipv4/ip_forward", "0");
		assert.equal(levelOf("net.ipv4.ip_forward", facts, new Set(["vip"])), undefined);
		assert.equal(levelOf("net.ipv4.ip_forward", facts, new Set(["control"])), undefined);
		assert.equal(levelOf("net.ipv4.ip_forward", facts, new Set(["l4"])), "must");
	});

	it("says that it does not know where a kernel has no such setting", () => {
		const facts = goodFacts();
		const without = { ...facts, sysctls: new Map([...facts.sysctls].filter(([key]) => !key.includes("nf_conntrack"))) };
		const finding = find("net.netfilter.nf_conntrack_max", without);
		assert.deepEqual([finding?.level, finding?.is, finding?.fix], ["unknown", "not there", undefined]);
	});
});

describe("forwarding", () => {
	it("IPv6 matters where the machine has an address", () => {
		const off = { "net/ipv6/conf/all/forwarding": "0" };
		assert.equal(levelOf("net.ipv6.conf.all.forwarding", goodFacts({}, off)), undefined);
		assert.equal(levelOf("net.ipv6.conf.all.forwarding", goodFacts({ hasIpv6: true }, off)), "should");
	});

	it("warns of a default route that forwarding would take away", () => {
		const facts = (acceptRa: string) =>
			goodFacts({ hasIpv6: true, advertisedRoutes: ["eth0"] }, { "net/ipv6/conf/eth0/accept_ra": acceptRa });
		assert.equal(levelOf("ipv6.accept-ra", facts("1")), "should");
		assert.equal(levelOf("ipv6.accept-ra", facts("2")), "ok");
		assert.equal(levelOf("ipv6.accept-ra", goodFacts()), undefined);
	});

	it("takes strict reverse paths for wrong only where packets come another way", () => {
		const strict = { "net/ipv4/conf/all/rp_filter": "1" };
		assert.equal(levelOf("net.ipv4.conf.all.rp_filter", goodFacts({}, strict)), "note");
		const facts = goodFacts({ uses: new Set(["direct-routing"]) }, strict);
		assert.equal(levelOf("net.ipv4.conf.all.rp_filter", facts), "must");
		assert.ok(find("net.ipv4.conf.all.rp_filter", facts)?.fix?.loosens);
	});

	it("knows that the larger of the interface's and the common value is in force", () => {
		const both = (all: string, eth0: string) =>
			find(
				"net.ipv4.conf.all.rp_filter",
				goodFacts({}, { "net/ipv4/conf/all/rp_filter": all, "net/ipv4/conf/eth0/rp_filter": eth0 }),
			);
		assert.equal(both("0", "1")?.is, "1 on eth0");
		assert.equal(both("2", "1")?.level, "ok");
		assert.equal(both("1", "2")?.level, "ok");
	});

	it("wants bridged packets to meet the rules where there are bridges", () => {
		const off = { "net/bridge/bridge-nf-call-iptables": "0" };
		assert.equal(levelOf("net.bridge.bridge-nf-call-iptables", goodFacts({}, off)), undefined);
		assert.equal(levelOf("net.bridge.bridge-nf-call-iptables", goodFacts({ bridges: ["cni0"] }, off)), "must");
		assert.equal(levelOf("module.br_netfilter", goodFacts({ bridges: ["cni0"] })), "should");
	});

	it("wants localhost to stay unreachable from outside", () => {
		assert.equal(levelOf("net.ipv4.conf.all.route_localnet", sysctl("net/ipv4/conf/all/route_localnet", "1")), "must");
	});
});

describe("tracked connections", () => {
	it("get the room that kube-proxy would give them", () => {
		const wanted = (cpus: number, gibibytes: number, entries = 0) =>
			wantedEntries(goodFacts({ cpus, memoryBytes: gibibytes * 1024 ** 3, conntrack: { entries, dropped: 0 } }));
		assert.equal(wanted(2, 8), 131_072);
		assert.equal(wanted(16, 64), 524_288);
		assert.equal(wanted(2, 8, 200_000), 262_144, "a full table needs more, and a power of two");
		assert.equal(wanted(64, 0.25), 65_536, "no more than an eighth of the memory");
	});

	it("are in danger when the table is nearly full, or was", () => {
		assert.equal(levelOf("conntrack.full", goodFacts({ conntrack: { entries: 240_000, dropped: 0 } })), "must");
		const dropped = find("conntrack.full", goodFacts({ conntrack: { entries: 5, dropped: 12 } }));
		assert.deepEqual([dropped?.level, dropped?.fault], ["should", "12 were dropped for a full table since the start"]);
	});

	it("must be picked up in the middle for Maglev to save them", () => {
		assert.equal(
			levelOf("net.netfilter.nf_conntrack_tcp_loose", sysctl("net/netfilter/nf_conntrack_tcp_loose", "0")),
			"must",
		);
	});

	it("neither stay for five days nor leave before a keep-alive", () => {
		const key = "net/netfilter/nf_conntrack_tcp_timeout_established";
		for (const [value, level] of [
			["432000", "should"],
			["86400", "ok"],
			["7440", "ok"],
			["3600", "should"],
		] as const)
			assert.equal(levelOf("net.netfilter.nf_conntrack_tcp_timeout_established", sysctl(key, value)), level, value);
	});
});

describe("ports", () => {
	const range = (value: string, reserved = "") =>
		find(
			"net.ipv4.ip_local_port_range",
			goodFacts({}, { "net/ipv4/ip_local_port_range": value, "net/ipv4/ip_local_reserved_ports": reserved }),
		);

	it("of outgoing connections begin above those that are listened on", () => {
		assert.equal(range("32768 60999")?.level, "ok");
		assert.equal(range("1024 65535")?.level, "should");
		assert.equal(range("1024 65535")?.fix?.value, "32768 65535");
	});

	it("may be reserved instead", () => {
		assert.equal(range("1024 65535", "15000-15443,30000-32767")?.level, "ok");
		assert.equal(range("1024 65535", "30000-32767")?.fix?.value, "15444 65535");
	});

	it("of others in our place are named with who has them", () => {
		const facts = goodFacts({ listening: [{ protocol: "tcp", port: 15_012, holder: { pid: 7, name: "istiod" } }] });
		const finding = find("conflict.ports", facts, new Set(["control"]));
		assert.deepEqual([finding?.level, finding?.is], ["should", "15012 taken"]);
		assert.match(finding?.remedy ?? "", /istiod, process 7/);
		assert.equal(levelOf("conflict.ports", facts, new Set(["l4"])), "ok");
	});

	it("of a keepmesh that runs already are no conflict", () => {
		const facts = goodFacts({ listening: [{ protocol: "tcp", port: 15_012, holder: { pid: 7, name: "keepmesh" } }] });
		assert.equal(levelOf("conflict.ports", facts), "ok");
	});
});

describe("conflicts", () => {
	it("kube-proxy beside us, or its rules after it, must go", () => {
		const running = goodFacts({ processes: [{ pid: 9, name: "kube-proxy", command: "kube-proxy" }] });
		assert.equal(levelOf("conflict.kube-proxy", running), "must");
		const left = goodFacts({ chains: [{ family: "ip", table: "nat", name: "KUBE-SERVICES" }] });
		assert.equal(find("conflict.kube-proxy", left)?.is, "left rules");
		const own = goodFacts({ chains: [{ family: "ip", table: "keepmesh-l4", name: "services" }] });
		assert.equal(levelOf("conflict.kube-proxy", own), "ok");
	});

	it("a firewall that drops what is forwarded is named, with Docker's own way out", () => {
		const forward = { family: "ip", table: "filter", name: "FORWARD", hook: "forward", policy: "drop" } as const;
		assert.equal(levelOf("conflict.forward-policy", goodFacts({ chains: [forward] })), "should");
		const docker = goodFacts({ chains: [forward, { family: "ip", table: "filter", name: "DOCKER-USER" }] });
		assert.match(find("conflict.forward-policy", docker)?.remedy ?? "", /DOCKER-USER/);
		assert.equal(levelOf("conflict.forward-policy", goodFacts({ chains: [{ ...forward, policy: "accept" }] })), "ok");
	});

	it("rules that cannot be seen are said to be unknown", () => {
		assert.equal(levelOf("conflict.legacy-iptables", goodFacts({ legacyTables: ["filter"] })), "unknown");
	});

	it("another VRRP router is named; our own is none", () => {
		assert.equal(levelOf("conflict.vrrp-sockets", goodFacts({ vrrpSockets: [{ pid: 3, name: "bird" }] })), "should");
		assert.equal(levelOf("conflict.vrrp-sockets", goodFacts({ vrrpSockets: [{ pid: 3, name: "keepmesh" }] })), "ok");
	});
});

describe("rights, kernel and limits", () => {
	it("a user without rights is told which are missing", () => {
		const facts = goodFacts({ capabilities: 0n });
		for (const [name, role] of [
			["CAP_NET_ADMIN", "l4"],
			["CAP_NET_RAW", "vip"],
			["CAP_SYS_ADMIN", "node"],
		] as const)
			assert.equal(levelOf(`capability.${name}`, facts, new Set([role])), "must", name);
		assert.equal(levelOf("limit.real-time", facts), "should");
		assert.equal(levelOf("limit.real-time", goodFacts({ capabilities: 0n, realTimePriority: 50 })), "ok");
	});

	it("a kernel that refuses a part of the rules is a must, one that could not be asked is unknown", () => {
		const refused = goodFacts({ trials: new Map([["jhash", { ok: false, because: "No such file or directory" }]]) });
		const finding = find("nftables.jhash", refused);
		assert.deepEqual([finding?.level, finding?.remedy], ["must", "the kernel says: No such file or directory"]);
		assert.equal(levelOf("nftables.tried", goodFacts({ trials: new Map() })), "unknown");
	});

	it("IPVS is asked for only where it is used", () => {
		const absent = new Map([["ip_vs", "absent"]] as const);
		assert.equal(levelOf("module.ip_vs", goodFacts({ modules: absent })), undefined);
		assert.equal(levelOf("module.ip_vs", goodFacts({ modules: absent, uses: new Set(["ipvs"]) })), "must");
		const off = { "net/ipv4/vs/conntrack": "0" };
		assert.equal(levelOf("net.ipv4.vs.conntrack", goodFacts({ uses: new Set(["ipvs"]) }, off)), "must");
		assert.equal(levelOf("net.ipv4.vs.conntrack", goodFacts({}, off)), undefined);
	});

	it("real-time threads that may never run are a must for virtual IPs", () => {
		assert.equal(levelOf("kernel.sched_rt_runtime_us", sysctl("kernel/sched_rt_runtime_us", "0")), "must");
		assert.equal(levelOf("kernel.sched_rt_runtime_us", sysctl("kernel/sched_rt_runtime_us", "-1")), "ok");
	});

	it("tables of neighbours grow with what is in them", () => {
		const finding = find("net.ipv4.neigh.default.gc_thresh3", goodFacts({ neighbours: { ipv4: 900 } }));
		assert.deepEqual([finding?.level, finding?.fix?.value], ["should", "4096"]);
		assert.equal(levelOf("net.ipv4.neigh.default.gc_thresh3", goodFacts({ neighbours: { ipv4: 500 } })), "ok");
	});

	it("queues are judged by what they dropped, not by their length", () => {
		const finding = find("net.core.netdev_max_backlog", goodFacts({ inputQueueDropped: 7 }));
		assert.deepEqual([finding?.level, finding?.shouldBe], ["should", ">= 2000"]);
		assert.match(finding?.fault ?? "", /7 packets dropped/);
	});

	it("limits of open files and memory are named in numbers", () => {
		assert.equal(find("limit.open-files", goodFacts({ openFiles: { soft: 1024, hard: 4096 } }))?.is, "4096");
		assert.equal(find("limit.memory", goodFacts({ memoryLimitBytes: 256 * 1024 ** 2 }))?.is, "256 MiB");
		assert.equal(levelOf("limit.memory", goodFacts()), undefined);
	});
});

describe("an expectation", () => {
	it("is compared as numbers", () => {
		assert.ok(isMet({ type: "atLeast", value: 9 }, "10"));
		assert.ok(!isMet({ type: "atLeast", value: 9 }, "nonsense"));
		assert.ok(!isMet({ type: "exactly", value: 0 }, ""), "an empty value is none");
	});
});
