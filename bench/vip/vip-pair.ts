// Two nodes, a client and what measures them: an answering server on each node, a prober at the client, a watcher of the owners,
// and a web service on each node that health checks ask. Made once, used by all scenarios.

import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { monotonicUs } from "../../src/kernel/linux/monotonic-us.ts";
import type { OwnerSpan } from "../../src/lab/vip-watch/owner-spans.ts";
import type { ProbeRecord } from "../../src/lab/vip-watch/probe-record.ts";
import { startWatching, type WatchingProcess } from "../../src/lab/vip-watch/watching-process.ts";
import type { Rig } from "../../src/node/namespace-rig.testing.ts";
import { probePort, virtualAddress } from "./vip-confs.ts";
import { VipSide } from "./vip-side.ts";

export const servicePort = 8099;

export interface Watched {
	readonly probes: ProbeRecord;
	readonly spans: readonly OwnerSpan[];
	readonly endUs: number;
}

export class VipPair {
	readonly a: VipSide;
	readonly b: VipSide;
	/** Waits for lines. The hub's ports are v0 for a, v1 for b. */
	readonly #hubIp: ChildProcess;
	readonly #echoes: Readonly<Record<"a" | "b", WatchingProcess>>;
	readonly #prober: WatchingProcess;
	readonly #watcher: WatchingProcess;
	readonly #services = new Map<"a" | "b", WatchingProcess>();

	constructor(rig: Rig) {
		this.#hubIp = spawn("ip", ["-force", "-n", rig.hub, "-batch", "-"], { stdio: ["pipe", "ignore", "ignore"] });
		const directory = join(rig.directory, "vip");
		mkdirSync(directory, { recursive: true });
		const [a, b, client] = [
			rig.addHost("a", "10.77.0.11"),
			rig.addHost("b", "10.77.0.12"),
			rig.addHost("c", "10.77.0.10"),
		];
		this.a = new VipSide("a", a, directory);
		this.b = new VipSide("b", b, directory);
		const echo = (node: "a" | "b", netns: string): WatchingProcess =>
			startWatching("udp-echo", netns, [node, virtualAddress, String(probePort)]);
		this.#echoes = { a: echo("a", a.netns), b: echo("b", b.netns) };
		this.#prober = startWatching("udp-prober", client.netns, [virtualAddress, String(probePort), "1000"]);
		this.#watcher = startWatching("owner-watcher", undefined, [virtualAddress, "eth0", `a=${a.netns}`, `b=${b.netns}`]);
	}

	side(node: "a" | "b"): VipSide {
		return node === "a" ? this.a : this.b;
	}

	beginWatching(): void {
		this.#prober.tell("begin");
		this.#watcher.tell("begin");
	}

	async endWatching(): Promise<Watched> {
		this.#prober.tell("end");
		this.#watcher.tell("end");
		const probes = JSON.parse(await this.#prober.nextLine()) as ProbeRecord;
		const { spans, endUs } = JSON.parse(await this.#watcher.nextLine()) as Omit<Watched, "probes">;
		return { probes, spans, endUs };
	}

	/** A service that dies: its node answers probes no more, and its health check finds nobody. */
	killService(node: "a" | "b"): void {
		this.#echoes[node].tell("mute");
		this.#services.get(node)?.end();
		this.#services.delete(node);
	}

	reviveService(node: "a" | "b", withHttp: boolean): void {
		this.#echoes[node].tell("speak");
		if (!withHttp || this.#services.has(node)) return;
		this.#services.set(node, startWatching("http-service", this.side(node).host.netns, [String(servicePort)]));
	}

	endServices(): void {
		for (const service of this.#services.values()) service.end();
		this.#services.clear();
	}

	/** The two nodes no longer hear each other; the client hears and reaches both. */
	part(words: "on" | "off"): void {
		for (const port of ["v0", "v1"]) this.#hubIp.stdin?.write(`link set ${port} type bridge_slave isolated ${words}\n`);
	}

	/** Waits until exactly that node holds the address, and the client's probes reach it. */
	async untilOwner(node: "a" | "b", limitMs: number): Promise<void> {
		const other = this.side(node === "a" ? "b" : "a");
		const endUs = monotonicUs() + limitMs * 1000;
		while (!this.side(node).holds() || other.holds()) {
			if (monotonicUs() > endUs) throw new Error(`${node} does not own the address; see ${this.side(node).log}`);
			await sleep(10);
		}
	}

	close(): void {
		for (const one of [this.#echoes.a, this.#echoes.b, this.#prober, this.#watcher]) one.end();
		this.endServices();
		this.a.close();
		this.b.close();
		this.#hubIp.stdin?.end();
	}
}
