// What keepalived.conf means, directive by directive, and that nothing in it can break the reader.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { InstanceConfig, VipConfig } from "../vip-config.ts";
import { corpus, instance } from "./conf-corpus.testing.ts";
import { type ParsedConf, parseKeepalivedConf } from "./parse-keepalived-conf.ts";

function parse(text: string, files: Readonly<Record<string, string>> = {}, configId = "alpha"): ParsedConf {
	return parseKeepalivedConf("/etc/keepalived/keepalived.conf", text, {
		configId,
		files: {
			read: (path) => files[path],
			glob: (pattern, directory) => {
				const whole = pattern.startsWith("/") ? pattern : `${directory}/${pattern}`;
				const expression = new RegExp(`^${whole.replace(/[.+^$()|[\]\\]/g, "\\$&").replaceAll("*", "[^/]*")}$`);
				return Object.keys(files)
					.filter((path) => expression.test(path))
					.sort();
			},
		},
	});
}

function only(lines: string, addresses?: string): InstanceConfig {
	const { config, problems } = parse(instance(lines, addresses));
	const [found] = config.instances;
	assert.ok(found, JSON.stringify(problems));
	return found;
}

describe("an instance", () => {
	it("has keepalived's defaults", () => {
		assert.deepEqual(only(""), {
			name: "VI_1",
			interface: "eth9",
			family: "ipv4",
			version: 2,
			virtualRouterId: 51,
			priority: 100,
			initialState: "BACKUP",
			preempt: true,
			preemptDelayMs: 0,
			accept: true,
			announce: {
				repeat: 5,
				delayMs: 5000,
				refreshMs: 0,
				refreshRepeat: 1,
				spacingMs: 0,
				lowerPriorityRepeat: 5,
				lowerPriorityDelayMs: 5000,
			},
			advertIntervalMs: 1000,
			addresses: [{ address: "10.9.0.100", prefixLength: 24 }],
			excludedAddresses: [],
			routes: [],
			transport: { type: "multicast", group: "224.0.0.18" },
			authentication: { type: "none" },
			checksum3: "pseudoHeader",
			downAfterAdverts: 3,
			advertOnLowerPriority: true,
			advertOnHigherPriority: false,
			checkAddresses: true,
			strict: false,
			tracked: [],
			ignoresOwnInterface: false,
			trackSourceAddress: false,
			health: { whenAllFail: "release", holdDownMs: 0, maxHoldDownMs: 0 },
			notify: {},
		} satisfies InstanceConfig);
	});

	const cases: readonly (readonly [lines: string, expected: Partial<InstanceConfig>])[] = [
		["state MASTER", { priority: 255, initialState: "MASTER" }],
		["state MASTER\n priority 100", { priority: 100, initialState: "MASTER" }],
		["state Master\n priority 100", { priority: 100, initialState: "BACKUP" }],
		["priority 255", { priority: 255, initialState: "MASTER" }],
		["state BACKUP\n priority 255", { priority: 255, initialState: "BACKUP" }],
		["priority 300", { priority: 100 }],
		["advert_int 0.4", { advertIntervalMs: 1000 }],
		["advert_int 1.4", { advertIntervalMs: 1000 }],
		["advert_int 1.5", { advertIntervalMs: 2000 }],
		["advert_int 300", { advertIntervalMs: 1000 }],
		["version 3\n advert_int 0.4", { version: 3, advertIntervalMs: 400 }],
		["version 3\n advert_int 0.014", { advertIntervalMs: 10 }],
		["version 3\n advert_int 0.015", { advertIntervalMs: 20 }],
		["version 3\n advert_int 0.001", { advertIntervalMs: 1000 }],
		["version 3\n advert_int 50", { advertIntervalMs: 40_950 }],
		["nopreempt", { preempt: false }],
		["nopreempt\n state MASTER\n priority 100", { preempt: true }],
		["nopreempt\n priority 255", { preempt: true }],
		["preempt_delay 2.5", { preemptDelayMs: 2500 }],
		["preempt_delay 30\n state MASTER\n priority 100", { preemptDelayMs: 0 }],
		["preempt_delay 30\n nopreempt", { preempt: false, preemptDelayMs: 0 }],
		[
			"preempt_delay 30\n strict_mode",
			{ preemptDelayMs: 0, strict: true, accept: false, advertOnLowerPriority: false },
		],
		["strict_mode\n state MASTER\n priority 100", { initialState: "BACKUP" }],
		["strict_mode\n priority 255", { accept: true }],
		["no_accept", { accept: false }],
		[
			"authentication {\n auth_type PASS\n auth_pass YourStrongPass123!\n }",
			{ authentication: { type: "pass", key: "YourStro" } },
		],
		["version 3\n authentication {\n auth_type PASS\n auth_pass a\n }", { authentication: { type: "none" } }],
		[
			"authentication {\n auth_type AH\n auth_pass a\n }\n state MASTER\n priority 9",
			{ authentication: { type: "ah", key: "a" }, initialState: "BACKUP" },
		],
		["unicast_src_ip 10.9.0.1", { transport: { type: "multicast", group: "224.0.0.18", source: "10.9.0.1" } }],
		[
			"unicast_peer {\n 10.9.0.2\n }",
			{ transport: { type: "unicast", peers: [{ address: "10.9.0.2" }], ttl: 255, checkSource: false } },
		],
		[
			"unicast_peer {\n 10.9.0.2 min_ttl 250\n }",
			{ transport: { type: "unicast", peers: [{ address: "10.9.0.2", minTtl: 250 }], ttl: 255, checkSource: true } },
		],
		["use_vmac", { virtualMac: { interface: "vrrp.51", sendFromBase: false } }],
		[
			"use_vmac ha0 00:11:22:33:44\n vmac_xmit_base",
			{ virtualMac: { interface: "ha0", mac: "00:11:22:33:44:33", sendFromBase: true } },
		],
		[
			"lower_prio_no_advert\n higher_prio_send_advert\n skip_check_adv_addr\n dont_track_primary",
			{ advertOnLowerPriority: false, advertOnHigherPriority: true, checkAddresses: false, ignoresOwnInterface: true },
		],
		[
			"notify_master \"/bin/a b 'c d'\" u g",
			{ notify: { master: ["/bin/a", "b", "c d"], users: { master: { user: "u", group: "g" } } } },
		],
		[
			"virtual_ipaddress_excluded {\n 2001:db8::1/64 dev eth1\n }",
			{ excludedAddresses: [{ address: "2001:db8::1", prefixLength: 64, interface: "eth1" }] },
		],
		[
			"virtual_routes {\n src 10.9.0.100 default via 10.9.0.1 dev eth9 table 7 metric 3\n }",
			{
				routes: [
					{ destination: "default", source: "10.9.0.100", gateway: "10.9.0.1", interface: "eth9", table: 7, metric: 3 },
				],
			},
		],
	];
	for (const [lines, expected] of cases)
		it(lines.replace(/\n\s*/g, "; "), () => {
			const read = only(lines);
			for (const [field, value] of Object.entries(expected))
				assert.deepEqual(read[field as keyof InstanceConfig], value, field);
		});

	it("speaks version 3 with IPv6 addresses", () => {
		const read = only("", "fe80::100/64\n 2001:db8::100");
		assert.deepEqual(
			[read.family, read.version, read.transport],
			["ipv6", 3, { type: "multicast", group: "ff02::12" }],
		);
		assert.equal(read.addresses[1]?.prefixLength, 128);
	});

	it("reads auth_hmac of keepalived 2.4, with keys in files of their own, and shows none", () => {
		const key = "k".repeat(32);
		const lines = `auth_hmac {\n key 1 hex:${"0f".repeat(32)}\n key 2 file:/keys/two\n active_key 2\n anti_replay monotonic\n mode permissive\n }\n version 3`;
		const { config, problems } = parse(instance(lines), { "/keys/two": `${key}\n` });
		assert.deepEqual(config.instances[0]?.authentication, {
			type: "hmac",
			key,
			keyId: 2,
			otherKeys: [{ id: 1, key: `hex:${"0f".repeat(32)}` }],
			windowSeconds: 0,
			mode: "permissive",
		});
		assert.doesNotMatch(JSON.stringify(problems), /kkk|0f0f/);
		const short = parse(instance("auth_hmac {\n key 1 short\n }"));
		assert.deepEqual(short.config.instances[0]?.authentication, { type: "none" });
		assert.match(JSON.stringify(short.problems), /32 to 64 bytes/);
	});

	it("names use_vmac of a single address as not supported, and adds the address", () => {
		const { config, problems } = parse(instance("virtual_ipaddress_excluded {\n 10.9.0.200/24 use_vmac\n }"));
		assert.deepEqual(config.instances[0]?.excludedAddresses, [{ address: "10.9.0.200", prefixLength: 24 }]);
		assert.deepEqual(
			problems.map(({ severity, code, origin }) => [severity, code, origin.line]),
			[["warning", "KM-unsupported", 8]],
		);
	});

	it("sends the checksum of the message alone where asked to", () => {
		assert.equal(only("version 3\n v3_checksum_as_v2").checksum3, "messageOnly");
	});

	it("takes garp values of its own, and the global ones for lower priorities", () => {
		const { config } = parse(
			`global_defs {\n vrrp_garp_master_delay 2\n vrrp_garp_master_repeat 3\n}\n${instance("garp_master_delay 9\n garp_master_repeat 1\n garp_master_refresh 60")}`,
		);
		assert.deepEqual(config.instances[0]?.announce, {
			repeat: 1,
			delayMs: 9000,
			refreshMs: 60_000,
			refreshRepeat: 1,
			spacingMs: 0,
			lowerPriorityRepeat: 3,
			lowerPriorityDelayMs: 2000,
		});
	});
});

describe("the text", () => {
	const config = (text: string, files?: Readonly<Record<string, string>>, id?: string): VipConfig =>
		parse(text, files, id).config;

	it("names line and file of what is wrong", () => {
		const { problems } = parse("include conf.d/*.conf\n", { "/etc/keepalived/conf.d/a.conf": instance("prioritty 9") });
		const [problem] = problems;
		assert.deepEqual(problem?.origin, { file: "/etc/keepalived/conf.d/a.conf", line: 7, column: 1 });
		assert.match(problem?.hint ?? "", /did you mean priority/);
	});

	it("reads conditions by the node's id", () => {
		const text = instance("@alpha priority 150\n @beta priority 90\n @^alpha nopreempt");
		assert.equal(config(text, {}, "alpha").instances[0]?.priority, 150);
		assert.equal(config(text, {}, "beta").instances[0]?.priority, 90);
		assert.equal(config(text, {}, "beta").instances[0]?.preempt, false);
		assert.equal(config(text, {}, "alpha").instances[0]?.preempt, true);
	});

	it("replaces parameters when they are used", () => {
		const base = "$BASE=10.2.$" + "{SUB}\n$SUB=0\n";
		const read = config(`${base}${instance("", "$" + "{BASE}.100/32\n $SUB=10\n $" + "{BASE}.100/32")}`);
		assert.deepEqual(
			read.instances[0]?.addresses.map(({ address }) => address),
			["10.2.0.100", "10.2.10.100"],
		);
	});

	it("reads parameters of several lines, within each other", () => {
		const read = config(
			"$ADDR= \\\n 10.0.$" +
				"{NUM}.1/24 \\\n 10.0.$" +
				"{NUM}.2/24\n$INST= \\\nvrrp_instance VI_$" +
				"{NUM} { \\\n interface eth$" +
				"{NUM} \\\n virtual_router_id 1 \\\n virtual_ipaddress { \\\n $ADDR \\\n } \\\n}\n$NUM=4\n$INST\n$NUM=5\n$INST\n",
		);
		assert.deepEqual(
			read.instances.map(({ name, interface: link, addresses }) => [
				name,
				link,
				addresses.length,
				addresses[1]?.address,
			]),
			[
				["VI_4", "eth4", 2, "10.0.4.2"],
				["VI_5", "eth5", 2, "10.0.5.2"],
			],
		);
	});

	it("writes sequences and lists out", () => {
		const read = config(
			instance(
				"",
				"~SEQ(N, 2) 10.0.0.$" +
					"{N}\n ~SEQx(H, 0x10, 2, 0x12) 10.0.1.1$" +
					"{H}\n ~LST({A, B}, {1,2},{3,4}) 10.0.$" +
					"{A}.$" +
					"{B}",
			),
		);
		assert.deepEqual(
			read.instances[0]?.addresses.map(({ address }) => address),
			["10.0.0.1", "10.0.0.2", "10.0.1.110", "10.0.1.112", "10.0.1.2", "10.0.3.4"],
		);
	});

	it("says where a comment cuts a password, without showing it", () => {
		const { config: read, problems } = parse(instance("authentication {\n auth_type PASS\n auth_pass abc#def\n }"));
		assert.deepEqual(read.instances[0]?.authentication, { type: "pass", key: "abc" });
		const said = JSON.stringify(problems);
		assert.match(said, /in the middle of a word/);
		assert.doesNotMatch(said, /abc|def"/);
	});

	it("names RARE directives as not supported", () => {
		const { problems } = parse(
			`static_ipaddress {\n 10.0.0.1/24 dev eth0\n}\nglobal_defs {\n enable_snmp_vrrp\n}\n${instance("use_ipvlan")}`,
		);
		assert.deepEqual(
			problems.filter(({ code }) => code === "KM-unsupported").map(({ path }) => path),
			["static_ipaddress", "enable_snmp_vrrp", "use_ipvlan"],
		);
	});

	it("stops at files that include themselves and at parameters that name themselves", () => {
		assert.match(
			JSON.stringify(parse("include self.conf\n", { "/etc/keepalived/self.conf": "include self.conf\n" }).problems),
			/for ever/,
		);
		assert.match(JSON.stringify(parse("$A=$" + "{A}$" + "{A}\n$" + "{A}\n").problems), /for ever/);
	});
});

describe("trackers", () => {
	it("of every kind are made once, with the names that explain them", () => {
		const { config } = parse(
			`vrrp_script web {\n script "/bin/curl -f 'http://x/a b'"\n interval 2\n timeout 1\n weight -20\n rise 3\n fall 2\n init_fail\n user nobody\n}\ntrack_file web {\n file /tmp/w\n}\nvrrp_track_process p {\n process nginx -g x\n}\n${instance("track_script {\n web weight 5 reverse\n }\n track_file {\n web\n }\n track_process {\n p\n }\n track_interface {\n eth1 weight -9\n }")}`,
		);
		assert.deepEqual(config.instances[0]?.tracked, [
			{ tracker: "web", weight: 5, reverse: true },
			{ tracker: "file/web" },
			{ tracker: "p" },
			{ tracker: "eth1", weight: -9 },
		]);
		assert.deepEqual(config.trackers[0], {
			name: "web",
			weight: -20,
			reverse: false,
			rise: 3,
			fall: 2,
			startsFailed: true,
			firstResultDecides: true,
			check: {
				type: "script",
				argv: ["/bin/curl", "-f", "http://x/a b"],
				user: "nobody",
				intervalMs: 2000,
				timeoutMs: 1000,
			},
		});
		assert.deepEqual(
			config.trackers.map(({ weight }) => weight),
			[-20, 1, 1, 0],
		);
		assert.deepEqual(config.trackers[2]?.check, {
			type: "process",
			name: "nginx",
			arguments: ["-g", "x"],
			quorum: 1,
			delayMs: 0,
		});
	});

	it("that begin with a sign of the shell go to the shell", () => {
		const { config } = parse(
			`vrrp_script web {\n script "</dev/tcp/127.0.0.1/80"\n}\n${instance("track_script {\n web\n }")}`,
		);
		const [tracker] = config.trackers;
		assert.deepEqual(tracker?.check.type === "script" && tracker.check.argv, [
			"/bin/sh",
			"-c",
			"</dev/tcp/127.0.0.1/80",
		]);
	});
});

describe("virtual servers", () => {
	it("carry every default, and checks inherit from what stands below them", () => {
		const { servers } = parse(
			"virtual_server 10.0.0.1 80 {\n lvs_sched sh\n sh-port\n lvs_method TUN type gue port 6080 csum\n protocol TCP\n persistence_timeout\n real_server 10.0.0.2 {\n SSL_GET {\n url {\n path /a\n status_code 200 301-302\n }\n retry 2\n }\n }\n delay_loop 2.5\n}\n",
		);
		const [server] = servers.servers;
		assert.deepEqual(
			[server?.scheduler, server?.schedulerFlags, server?.persistence, server?.quorum],
			["sh", ["sh-port"], { timeoutSec: 360 }, 1],
		);
		assert.deepEqual(server?.forwarding, { method: "TUN", tunnel: "gue", port: 6080, checksum: "csum" });
		assert.deepEqual(server?.realServers[0]?.checks, [
			{
				type: "http",
				tls: true,
				sni: false,
				protocol: "1.0",
				fastRecovery: false,
				urls: [
					{
						path: "/a",
						statusCodes: [
							[200, 200],
							[301, 302],
						],
					},
				],
				connection: {},
				delayLoopMs: 2500,
				connectTimeoutMs: 5000,
				retry: 2,
				delayBeforeRetryMs: 3000,
				warmupMs: 2500,
				alpha: false,
			},
		]);
	});

	it("name ranges by first and last address", () => {
		const { servers } = parse(
			"virtual_server_group G {\n 10.0.0.1-9 80\n 10.0.0.250-10.0.1.5 81\n 10.0.2.8/29\n ae00::2-9 80\n fwmark 7 inet6\n}\n",
		);
		assert.deepEqual(servers.groups[0]?.entries, [
			{ type: "addresses", first: "10.0.0.1", last: "10.0.0.9", port: 80 },
			{ type: "addresses", first: "10.0.0.250", last: "10.0.1.5", port: 81 },
			{ type: "addresses", first: "10.0.2.8", last: "10.0.2.15" },
			{ type: "addresses", first: "ae00::2", last: "ae00::9", port: 80 },
			{ type: "mark", mark: 7, family: "ipv6" },
		]);
	});
});

describe("random changes", () => {
	it("of the corpus never break the reader", () => {
		let seed = 1;
		const random = (limit: number): number => {
			seed = (seed * 1103515245 + 12345) % 2147483648;
			return Math.floor((seed / 2147483648) * limit);
		};
		const pieces = [
			"{",
			"}",
			'"',
			"'",
			"\\",
			"#",
			"$",
			"$" + "{",
			"~SEQ(",
			"@x ",
			"\n",
			" ",
			"-1",
			"99999999999999999999",
			"\0",
			"weight",
			"include x\n",
			"é",
			"",
		];
		for (let round = 0; round < 6000; round++) {
			const { text } = corpus[random(corpus.length)] ?? { text: "" };
			const at = random(text.length);
			const changed = text.slice(0, at) + (pieces[random(pieces.length)] ?? "") + text.slice(at + random(6));
			assert.doesNotThrow(() => parse(changed), JSON.stringify(changed));
		}
	});
});
