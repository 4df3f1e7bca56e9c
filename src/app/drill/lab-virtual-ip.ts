// The virtual IP of the drills, made of a lab: two nodes with a server each that tells who answered, a client that probes once a
// millisecond, a watcher of both kernels, and faults.

import { readFileSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { HostNetwork } from "../../kernel/host-network.ts";
import { openLinuxHostNetwork } from "../../kernel/linux/linux-host-network.ts";
import { monotonicUs } from "../../kernel/linux/monotonic-us.ts";
import { crashVirtualIpNode, setPort } from "../../lab/crash-node.ts";
import { addressReport } from "../../lab/drill/address-report.ts";
import type { RunningLoad } from "../../lab/drill/drill-mesh.ts";
import type { DrillVirtualIp } from "../../lab/drill/drill-virtual-ip.ts";
import { type Apart, twoOwnersSeen } from "../../lab/drill/owners-seen.ts";
import type { Lab } from "../../lab/lab.ts";
import { runDirectory } from "../../lab/lab-record.ts";
import { netnsPath } from "../../lab/network.ts";
import type { OwnerSpan } from "../../lab/vip-watch/owner-spans.ts";
import type { ProbeRecord } from "../../lab/vip-watch/probe-record.ts";
import { startWatching, type WatchingProcess } from "../../lab/vip-watch/watching-process.ts";
import { dropReasons } from "../../vip/vrrp/drop-reason.ts";
import type { VipStatus } from "../vip/vip-status.ts";

const yamlFile = fileURLToPath(new URL("../../../samples/drill/virtual-ip.yaml", import.meta.url));
const forgeProgram = fileURLToPath(new URL("../../lab/vip-watch/forge-adverts.ts", import.meta.url));
const address = "10.77.0.240";
const virtualRouterId = 240;
const probePort = 7777;
const servicePort = 8099;
const forgedOfEachForm = 200;
const limitMs = 15_000;

export interface LabVirtualIp extends DrillVirtualIp {
	startLoad(): Promise<RunningLoad>;
	close(): void;
}

export async function labVirtualIp(lab: Lab): Promise<LabVirtualIp> {
	const made = new LabDrillAddress(lab);
	await made.start();
	return made;
}

interface Node {
	readonly name: string;
	readonly netns: string;
	readonly network: HostNetwork;
	readonly echo: WatchingProcess;
	service: WatchingProcess | undefined;
}

class LabDrillAddress implements LabVirtualIp {
	readonly #lab: Lab;
	#nodes: readonly Node[] = [];
	#prober: WatchingProcess | undefined;
	#watcher: WatchingProcess | undefined;
	#apart: Apart[] = [];

	constructor(lab: Lab) {
		this.#lab = lab;
	}

	get nodes(): readonly string[] {
		return this.#nodes.map(({ name }) => name);
	}

	async start(): Promise<void> {
		const { nodes, client } = await this.#lab.status();
		this.#nodes = nodes.slice(0, 2).map(({ name, netns: namespace }) => {
			const netns = netnsPath(namespace);
			const letter = name.at(-1) ?? "?";
			const echo = startWatching("udp-echo", netns, [letter, address, String(probePort)]);
			return { name, netns, network: openLinuxHostNetwork({ netns }), echo, service: undefined };
		});
		for (const node of this.#nodes) this.#startService(node);
		const places = this.#nodes.map(({ name, netns }) => `${name.at(-1)}=${netns}`);
		this.#watcher = startWatching("owner-watcher", undefined, [address, "eth0", ...places]);
		this.#prober = startWatching("udp-prober", netnsPath(client.netns), [address, String(probePort), "1000"]);
		const keyFile = join(runDirectory(this.#lab.name), "vip.key");
		writeFileSync(keyFile, "a key for the drills of a lab, 32 bytes or more\n", { mode: 0o600 });
		const outcome = await this.#lab.apply(
			readFileSync(yamlFile, "utf8").replace("KEYFILE", keyFile),
			"virtual-ip.yaml",
		);
		if (!outcome.ok) throw new Error(outcome.problems.map(({ message }) => message).join("; "));
		await this.#until("somebody owns the address", async () => (await this.owner()) !== undefined);
		// Both have heard of each other.
		await sleep(2_000);
	}

	close(): void {
		for (const { echo, service, network } of this.#nodes) {
			echo.end();
			service?.end();
			network.close();
		}
		this.#prober?.end();
		this.#watcher?.end();
	}

	async startLoad(): Promise<RunningLoad> {
		const [prober, watcher] = [this.#prober, this.#watcher];
		if (!prober || !watcher) throw new Error("the address does not run");
		await this.#until("one node owns the address", async () => (await this.owner()) !== undefined);
		this.#apart = [];
		prober.tell("begin");
		watcher.tell("begin");
		return {
			stop: async () => {
				prober.tell("end");
				watcher.tell("end");
				const probes = JSON.parse(await prober.nextLine()) as ProbeRecord;
				const { spans, endUs } = JSON.parse(await watcher.nextLine()) as { spans: OwnerSpan[]; endUs: number };
				return addressReport(probes, twoOwnersSeen(probes, spans, endUs, this.#apart));
			},
		};
	}

	async owner(): Promise<string | undefined> {
		const owners = this.#owners();
		return owners.length === 1 ? owners[0] : undefined;
	}

	async untilOwner(node: string): Promise<void> {
		await this.#until(`${node} owns the address alone`, async () => (await this.owner()) === node);
	}

	crash(node: string): Promise<void> {
		return crashVirtualIpNode(this.#lab, node);
	}

	async repair(node: string): Promise<void> {
		const { network } = this.#node(node);
		await this.#until(`${node} no longer holds the address`, async () => !holds(network));
		await setPort(this.#lab, node, "up");
		await this.untilRuns(node);
	}

	async stop(node: string): Promise<void> {
		if (!(await this.#lab.signalProcess(`vip-${node}`, "SIGTERM"))) throw new Error(`vip-${node} does not run`);
	}

	async untilRuns(node: string): Promise<void> {
		await this.#until(`vip-${node} is a backup or the owner`, async () => {
			const role = (await this.#status(node).catch(() => undefined))?.instances[0]?.state;
			return role === "BACKUP" || role === "MASTER";
		});
	}

	async killService(node: string): Promise<void> {
		const { echo, service } = this.#node(node);
		echo.tell("mute");
		service?.end();
	}

	async reviveService(name: string): Promise<void> {
		const node = this.#node(name);
		this.#startService(node);
		node.echo.tell("speak");
		await this.#until(`the check of ${name} is good again`, async () => {
			const { trackers } = await this.#status(name);
			return trackers.every(({ status }) => status === "up");
		});
	}

	async part(): Promise<void> {
		this.#apart = [{ fromUs: monotonicUs(), toUs: Number.POSITIVE_INFINITY }];
		for (const { name } of this.#nodes) await setPort(this.#lab, name, "type bridge_slave isolated on");
	}

	async heal(): Promise<number> {
		for (const { name } of this.#nodes) await setPort(this.#lab, name, "type bridge_slave isolated off");
		const healedUs = monotonicUs();
		await this.#until("one node owns the address", async () => (await this.owner()) !== undefined);
		const nowUs = monotonicUs();
		this.#apart = this.#apart.map(({ fromUs }) => ({ fromUs, toUs: nowUs }));
		return (nowUs - healedUs) / 1000;
	}

	async forge(): Promise<{ readonly sent: number; readonly dropped: number }> {
		const before = await this.#dropped();
		const argv = [
			process.execPath,
			"--no-warnings",
			forgeProgram,
			String(virtualRouterId),
			address,
			String(forgedOfEachForm),
		];
		const { code, stdout, stderr } = await this.#lab.execIn("client", argv);
		if (code !== 0) throw new Error(stderr.trim());
		const { sent } = JSON.parse(stdout) as { sent: number };
		await sleep(100);
		const after = await this.#dropped();
		return { sent, dropped: Math.min(...after.map((count, index) => count - (before[index] ?? 0))) };
	}

	#owners(): readonly string[] {
		return this.#nodes.flatMap(({ name, network }) => {
			return holds(network) && network.link("eth0")?.running === true ? [name] : [];
		});
	}

	/** On each node. */
	async #dropped(): Promise<readonly number[]> {
		const sum = (counters: Readonly<Record<string, number>>): number =>
			Object.keys(dropReasons).reduce((all, reason) => all + (counters[reason] ?? 0), 0);
		return await Promise.all(
			this.#nodes.map(async ({ name }) => {
				const { instances, strangers } = await this.#status(name);
				return [...instances, ...strangers].reduce((all, { counters }) => all + sum(counters), 0);
			}),
		);
	}

	#status(node: string): Promise<VipStatus> {
		const socketPath = join(runDirectory(this.#lab.name), `vip-${node}`, "vip.sock");
		return new Promise((resolve, reject) => {
			const outgoing = request({ socketPath, path: "/status", timeout: 5_000 }, (response) => {
				let text = "";
				response.setEncoding("utf8").on("data", (part: string) => {
					text += part;
				});
				response.on("end", () => resolve(JSON.parse(text) as VipStatus));
			});
			outgoing.on("error", reject);
			outgoing.end();
		});
	}

	#node(name: string): Node {
		const found = this.#nodes.find((one) => one.name === name);
		if (!found) throw new Error(`there is no node ${name}`);
		return found;
	}

	#startService(node: Node): void {
		node.service = startWatching("http-service", node.netns, [String(servicePort)]);
	}

	async #until(what: string, holds: () => Promise<boolean>): Promise<void> {
		const endUs = monotonicUs() + limitMs * 1000;
		while (!(await holds())) {
			if (monotonicUs() > endUs) throw new Error(`not within ${limitMs / 1000} s: ${what}`);
			await sleep(2);
		}
	}
}

function holds(network: HostNetwork): boolean {
	return network.addresses("eth0").some((one) => one.address === address);
}
