// Keepmesh and FRR's vrrpd on one LAN, each in both roles: version 3 over IPv4 and IPv6, with and without a virtual MAC. FRR's
// router owns while its macvlan is not held down.

import assert from "node:assert/strict";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, describe, it, type TestContext } from "node:test";
import { cannotRun } from "../../src/node/namespace-rig.testing.ts";
import { type ConfOptions, conf, vip4, vip6 } from "./vip-conf.ts";
import { startMs, VipLan, warmUp } from "./vip-lan.ts";
import { slackMs, type VipNode } from "./vip-node.ts";

const daemons = "/usr/lib/frr";
const missingFrr = existsSync(join(daemons, "vrrpd")) ? undefined : "FRR's vrrpd is not installed";
const downMs = 361;

interface Family {
	readonly conf: ConfOptions;
	readonly address: string;
	/** Of FRR's interface eth0. */
	readonly lines: readonly string[];
	readonly mac: string;
	/** On the macvlan; FRR takes the link-local one as its source. */
	readonly held: readonly string[];
}

const ipv4: Family = {
	conf: {},
	address: vip4,
	lines: [`ip ${vip4}`],
	mac: "00:00:5e:00:01:33",
	held: [`${vip4}/24`],
};

const families: Readonly<Record<string, Family>> = {
	IPv4: ipv4,
	"IPv4, both with the virtual MAC": { ...ipv4, conf: { more: ["use_vmac"] } },
	IPv6: {
		conf: { family: "ipv6" },
		address: vip6,
		lines: ["ipv6 fe80::100", `ipv6 ${vip6}`],
		mac: "00:00:5e:00:02:33",
		held: ["fe80::100/64", `${vip6}/64`],
	},
};

class FrrRouter {
	readonly node: VipNode;
	readonly #lan: VipLan;
	#vrrpd: ReturnType<VipLan["spawn"]> | undefined;

	constructor(lan: VipLan, node: VipNode, family: Family, priority: number) {
		this.node = node;
		this.#lan = lan;
		const { host, directory } = node;
		host.exec("chown", "frr:frr", directory);
		// Or the machine would answer for addresses of an interface that is held down.
		host.exec("sh", "-c", "echo 1 > /proc/sys/net/ipv4/conf/all/arp_ignore");
		host.exec("ip", "link", "add", "vrrp", "link", "eth0", "type", "macvlan", "mode", "bridge");
		host.exec("ip", "link", "set", "vrrp", "addrgenmode", "none");
		host.exec("ip", "link", "set", "vrrp", "address", family.mac);
		for (const address of family.held) {
			const isIpv6 = address.includes(":");
			host.exec("ip", "address", "add", address, "dev", "vrrp", ...(isIpv6 ? ["nodad"] : []));
		}
		host.exec(
			"sh",
			"-c",
			"echo 0 | tee /proc/sys/net/ipv4/conf/all/rp_filter > /proc/sys/net/ipv4/conf/vrrp/rp_filter",
		);
		host.exec("ip", "link", "set", "vrrp", "up");
		const lines = ["version 3", `priority ${priority}`, "advertisement-interval 100", ...family.lines];
		writeFileSync(join(directory, "zebra.conf"), `log file ${directory}/zebra.log\n`);
		writeFileSync(
			join(directory, "vrrpd.conf"),
			[`log file ${directory}/vrrpd.log`, "interface eth0", ...lines.map((line) => ` vrrp 51 ${line}`), ""].join("\n"),
		);
	}

	get isOwner(): boolean {
		const link = this.node.host.exec("ip", "-o", "-details", "link", "show", "vrrp");
		return !this.node.isOff && this.#vrrpd !== undefined && !link.includes("protodown on");
	}

	async start(): Promise<void> {
		this.#daemon("zebra");
		await this.#lan.until("zebra answers", () => existsSync(join(this.node.directory, "zserv")), startMs);
		this.#vrrpd = this.#daemon("vrrpd");
		await this.#lan.until("vrrpd holds its interface down", () => !this.isOwner, startMs);
	}

	/** Says priority 0. */
	stop(): void {
		this.#vrrpd?.kill("SIGTERM");
		this.#vrrpd = undefined;
	}

	async startAgain(): Promise<void> {
		this.#vrrpd = this.#daemon("vrrpd");
	}

	#daemon(name: string): ReturnType<VipLan["spawn"]> {
		const { directory, host } = this.node;
		const files = ["-f", `${directory}/${name}.conf`, "-i", `${directory}/${name}.pid`, "-z", `${directory}/zserv`];
		const user = ["-u", "frr", "-g", "frr", "--vty_socket", directory, "-P", "0"];
		return this.#lan.spawn(host.netns, [join(daemons, name), ...files, ...user]);
	}
}

interface Built {
	readonly lan: VipLan;
	readonly frr: FrrRouter;
	readonly keepmesh: VipNode;
	readonly family: Family;
	/** Both, as the LAN sees them. */
	until(owner: "frr" | "keepmesh" | "nobody", withinMs: number): Promise<void>;
	start(priority: number): void;
}

function build(context: TestContext, family: Family, frrPriority: number): Built {
	const lan = new VipLan();
	context.after(() => lan.close());
	const frr = new FrrRouter(lan, lan.addNode("frr"), family, frrPriority);
	const keepmesh = lan.addNode("keepmesh");
	const { address } = family;
	const until: Built["until"] = async (owner, withinMs) => {
		await lan.until(
			`${owner} owns ${address}`,
			() => {
				const ours = !keepmesh.isOff && keepmesh.holds(address);
				return frr.isOwner === (owner === "frr") && ours === (owner === "keepmesh");
			},
			withinMs,
		);
		if (owner === "nobody") return;
		lan.client.exec("ip", "neigh", "flush", "dev", "eth0");
		lan.clientSends(address);
		const macs = (owner === "frr" ? frr.node : keepmesh).macs();
		if (family.conf.more?.includes("use_vmac")) return;
		await lan.until(
			`the client sees ${owner}`,
			() => macs.some((mac) => lan.client.exec("ip", "neigh", "show", "to", address).includes(mac)),
			slackMs,
		);
	};
	const start = (priority: number) => keepmesh.start("keepmesh", conf({ ...family.conf, priority }));
	return { lan, frr, keepmesh, family, until, start };
}

describe("beside FRR", { skip: cannotRun ?? missingFrr ?? false, concurrency: 4 }, () => {
	before(warmUp);

	for (const [name, family] of Object.entries(families)) {
		it(`keepmesh before FRR: start, stop, return and crash; ${name}`, async (context) => {
			const { lan, frr, keepmesh, until, start } = build(context, family, 100);
			start(150);
			await lan.until("keepmesh owns", () => keepmesh.holds(family.address), downMs + startMs);
			await frr.start();
			await until("keepmesh", slackMs);
			await keepmesh.stop();
			await until("frr", slackMs);
			start(150);
			await until("keepmesh", downMs + slackMs);
			const { peers, dropped } = await keepmesh.instance();
			assert.equal(peers.length, 1, "it heard FRR");
			assert.deepEqual(dropped, []);
			keepmesh.crash();
			await until("frr", downMs + slackMs);
		});

		it(`FRR before keepmesh: start, stop, return and crash; ${name}`, async (context) => {
			const { lan, frr, keepmesh, until, start } = build(context, family, 150);
			await frr.start();
			await lan.until("FRR owns", () => frr.isOwner, startMs);
			start(100);
			await keepmesh.untilLog(/virtual IPs run/, startMs);
			await new Promise((resolve) => setTimeout(resolve, downMs + 300));
			await until("frr", 0);
			assert.equal((await keepmesh.instance()).state, "BACKUP");
			frr.stop();
			await until("keepmesh", downMs + slackMs);
			await frr.startAgain();
			await until("frr", downMs + slackMs);
			assert.deepEqual((await keepmesh.instance()).dropped, []);
			lan.cable(frr.node, "down");
			await until("keepmesh", downMs + slackMs);
		});
	}
});
