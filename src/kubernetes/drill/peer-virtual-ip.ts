// Orders of a pod that sees its node's network and processes: to look at a virtual IP there, to ask the vip process, to kill it with
// its address cut off, and to send adverts that are not those of a peer. Times are microseconds of the node's CLOCK_MONOTONIC.

import { spawn } from "node:child_process";
import { request } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { HostNetwork } from "../../kernel/host-network.ts";
import { openLinuxHostNetwork } from "../../kernel/linux/linux-host-network.ts";
import { monotonicUs } from "../../kernel/linux/monotonic-us.ts";
import { type HeldRules, holdRules } from "./held-rules.ts";
import type { OrderGroup } from "./order-group.ts";
import { netnsPathOf } from "./peer-process.ts";
import { askProcess, processesOf } from "./process-socket.ts";
import { textOf } from "./text-of.ts";

export type VirtualIpOrder =
	/** The node's kernel has the address, on a link that carries: `{ holds }`. */
	| { readonly order: "holds"; readonly address: string }
	/** The same awaited, looked at each 2 ms. */
	| { readonly order: "untilHolds"; readonly address: string; readonly holds: boolean; readonly withinMs: number }
	/** GET or POST of the vip process's own API; `uid`: of its Pod. */
	| { readonly order: "askVip"; readonly uid: string; readonly path: string; readonly method?: "GET" | "POST" }
	/** How much the clock of another pod's node is ahead of this one's, by the quickest of some answers: `{ aheadUs }`. */
	| { readonly order: "clockOf"; readonly host: string; readonly port: number }
	/** nft commands of fault-rules.ts; those that were in force go. */
	| { readonly order: "hold"; readonly commands: readonly string[]; readonly withinMs: number }
	/** Those go; resolves then. */
	| { readonly order: "lift" }
	/** SIGKILL to all processes of a Pod at once; with `commands` the address is cut off before. `{ atUs }`: when it was. */
	| {
			readonly order: "crash";
			readonly uid: string;
			readonly commands: readonly string[];
			readonly withinMs: number;
	  }
	/** Each form so often to each of `to`: `{ sent }`. */
	| {
			readonly order: "forge";
			readonly virtualRouterId: number;
			readonly address: string;
			readonly count: number;
			readonly interface: string;
			/** The node's own. */
			readonly source: string;
			readonly to: readonly string[];
	  };

const lookMs = 2;
const clockQuestions = 20;
const vipState = "/run/keepmesh-vip";
const forgeProgram = fileURLToPath(new URL("../../lab/vip-watch/forge-adverts.ts", import.meta.url));
let network: HostNetwork | undefined;
let rules: HeldRules | undefined;

export const virtualIpOrders: OrderGroup<VirtualIpOrder> = {
	holds: ({ address }) => ({ holds: holds(address) }),
	untilHolds: async ({ address, holds: wanted, withinMs }) => {
		const endMs = performance.now() + withinMs;
		while (holds(address) !== wanted) {
			if (performance.now() > endMs)
				throw new Error(`not within ${withinMs / 1000} s: the node ${wanted ? "has" : "no longer has"} ${address}`);
			await sleep(lookMs);
		}
		return { atUs: monotonicUs() };
	},
	askVip: ({ method, path, uid }) =>
		askProcess({ uid, socket: "vip.sock", defaultState: vipState }, method ?? "GET", path),
	clockOf: ({ host, port }) => clockOf(host, port),
	hold: async ({ commands, withinMs }) => {
		await rules?.lift();
		rules = await holdRules(netnsPathOf("node"), commands, withinMs);
		return { atUs: monotonicUs() };
	},
	lift: async () => {
		await rules?.lift();
		rules = undefined;
		return { atUs: monotonicUs() };
	},
	crash: async ({ commands, uid, withinMs }) => {
		const pids = processesOf(uid);
		if (pids.length === 0) throw new Error("no vip process runs on this node");
		await rules?.lift();
		// The cable first: what is killed would go on answering until its address is cut off.
		rules = await holdRules(netnsPathOf("node"), commands, withinMs);
		const atUs = monotonicUs();
		for (const pid of pids) kill(pid);
		return { atUs };
	},
	forge: async (order) => {
		const { address, count, interface: link, source, to, virtualRouterId } = order;
		const what = [virtualRouterId, address, count, link, source, ...to];
		const words = [process.execPath, "--no-warnings", forgeProgram, ...what];
		const child = spawn("nsenter", [`--net=${netnsPathOf("node")}`, "--", ...words.map(String)], {
			stdio: ["ignore", "pipe", "pipe"],
		});
		const [stdout, stderr] = await Promise.all([childText(child.stdout), childText(child.stderr)]);
		if (!stdout.startsWith("{")) throw new Error(stderr.trim().split("\n").slice(-3).join("; "));
		return JSON.parse(stdout) as object;
	},
};

function holds(address: string): boolean {
	network ??= openLinuxHostNetwork({ netns: netnsPathOf("node") });
	const found = network.addresses().find((one) => one.address === address);
	return found !== undefined && network.link(found.interface)?.running === true;
}

function kill(pid: number): void {
	try {
		process.kill(pid, "SIGKILL");
	} catch {
		// It ended with its parent.
	}
}

async function clockOf(host: string, port: number): Promise<object> {
	let best = { aheadUs: 0, tookUs: Number.POSITIVE_INFINITY };
	for (let asked = 0; asked < clockQuestions; asked++) {
		const askedUs = monotonicUs();
		const { atUs } = await theirClock(host, port);
		const tookUs = monotonicUs() - askedUs;
		if (tookUs < best.tookUs) best = { aheadUs: atUs - (askedUs + tookUs / 2), tookUs };
	}
	return best;
}

function theirClock(host: string, port: number): Promise<{ readonly atUs: number }> {
	return new Promise((resolve, reject) => {
		const asked = request({ host, port, method: "POST", timeout: 5_000, agent: false }, (response) => {
			textOf(response).then((text) => resolve(JSON.parse(text) as { readonly atUs: number }), reject);
		});
		asked.on("timeout", () => asked.destroy(new Error(`${host} does not answer`)));
		asked.on("error", reject).end();
	});
}

async function childText(stream: NodeJS.ReadableStream): Promise<string> {
	let text = "";
	for await (const chunk of stream.setEncoding("utf8")) text += chunk;
	return text;
}
