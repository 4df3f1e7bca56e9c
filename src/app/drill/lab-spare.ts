// The workload of the drills of the spare, made of a lab: senders into it and out of it that its policies admit, others that they
// deny, a stranger in plaintext, and a watcher of its wire. Every load meets an Envoy that has not failed yet.

import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createInterface, type Interface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { DrillReport, RunningLoad } from "../../lab/drill/drill-mesh.ts";
import type { DrillSpare } from "../../lab/drill/drill-spare.ts";
import { loggedReport } from "../../lab/drill/logged-report.ts";
import { type SentRequest, type SideReport, sideReport } from "../../lab/drill/sent-requests.ts";
import type { WireReport } from "../../lab/drill/wire-flows.ts";
import type { Lab, RunningPod } from "../../lab/lab.ts";
import { goodAnswers, isGood } from "../../lab/load/load-report.ts";
import { applyEverywhere, until } from "../demo/applied-everywhere.ts";
import { addressIn, agentPodOf, answers, nameOf, podOf } from "./drill-pods.ts";
import { type Sender, startLoggedSender, startSender } from "./drill-senders.ts";
import { freshPodOf, SwitchedPod } from "./switched-pod.ts";

export interface LabSpare extends DrillSpare {
	startLoad(): Promise<RunningLoad>;
}

const file = "spare.yaml";
const watcherProgram = fileURLToPath(new URL("../../lab/drill/wire-watcher.ts", import.meta.url));
const port = 8080;
/** Each way: every request is a handshake between two Envoys. */
const ratePerSecond = 60;
const deniedRate = 20;
const strangerRate = 20;
const settleMs = 2_000;
/** Where a fault's gap may have begun. */
const beforeFaultUs = 250_000;
const limitMs = 60_000;
const goodInARow = 10;

export async function labSpare(lab: Lab): Promise<LabSpare> {
	const yaml = readFileSync(fileURLToPath(new URL(`../../../samples/drill/${file}`, import.meta.url)), "utf8");
	await applyEverywhere(lab, yaml, file);
	const pending = await lab.untilRolledOut(limitMs);
	if (pending.length > 0) throw new Error(`not ready: ${pending.join(", ")}`);
	return new GuardedWorkload(lab);
}

interface Watcher {
	readonly flowing: Promise<unknown>;
	stop(): Promise<WireReport & { readonly dropped: number }>;
}

class GuardedWorkload implements LabSpare {
	readonly #lab: Lab;
	#switched: SwitchedPod | undefined;

	constructor(lab: Lab) {
		this.#lab = lab;
	}

	async startLoad(): Promise<RunningLoad> {
		const lab = this.#lab;
		const pod = await this.#freshPod();
		this.#switched = new SwitchedPod(lab, pod, limitMs);
		const caller = await podOf(lab, "client");
		const guarded = await addressIn(lab, caller, "guarded");
		const keeper = await addressIn(lab, pod, "keeper");
		const { client } = await lab.status();
		const watcher = await watchWire(lab, pod, [client.address]);
		const load = { newConnections: true, ratePerSecond };
		const outbound = await startLoggedSender(lab, pod.name, { ...load, ...asHost("keeper", keeper) });
		// A busy machine takes its time to start a sender.
		await watcher.flowing;
		const inbound = await startLoggedSender(lab, caller.name, { ...load, ...asHost("guarded", guarded) });
		const senders = { inbound, outbound };
		const denied = await startSender(lab, caller.name, {
			...asHost("guarded", guarded),
			path: "/headers",
			ratePerSecond: deniedRate,
			newConnections: true,
		});
		const stranger = await startSender(lab, "client", { host: pod.address, ratePerSecond: strangerRate });
		await sleep(settleMs);
		return {
			stop: async () => {
				const report = await this.#report(senders);
				const [refused, strange, wire] = [await denied.stop(), await stranger.stop(), await watcher.stop()];
				const isEnforced = (refused.byOutcome["403"] ?? 0) > 0;
				if (!isEnforced) throw new Error(`no request was denied: ${JSON.stringify(refused.byOutcome)}`);
				if (wire.encrypted === 0 || wire.dropped > 0)
					throw new Error(`the wire was not seen: ${wire.encrypted} encrypted, ${wire.dropped} packets dropped`);
				if (wire.plaintext > 0) console.error(wire.examples.join("\n"));
				return { ...report, plaintext: wire.plaintext + goodAnswers(refused) + goodAnswers(strange) };
			},
		};
	}

	async killSidecar(): Promise<number> {
		this.#workload.break(await this.#workload.envoyPid(), "SIGKILL");
		return performance.now();
	}

	untilOnSpare(): Promise<void> {
		return this.#workload.untilAgentSays("the spare has the connections", ({ servingStep }) => servingStep === "spare");
	}

	untilOnSidecar(): Promise<void> {
		return this.#workload.untilOnSidecar();
	}

	bypassByHand(): Promise<void> {
		return this.#workload.bypass();
	}

	restoreByHand(): Promise<void> {
		return this.#workload.restore();
	}

	get #workload(): SwitchedPod {
		if (!this.#switched) throw new Error("no load runs");
		return this.#switched;
	}

	/** One whose Envoy never failed, that is called and calls, and that the spare could serve. */
	async #freshPod(): Promise<RunningPod> {
		const lab = this.#lab;
		const fresh = await freshPodOf(lab, "guarded", limitMs);
		const caller = await podOf(lab, "client");
		const guarded = await addressIn(lab, caller, "guarded");
		const keeper = await addressIn(lab, fresh, "keeper");
		let good = 0;
		await until("the workload is called and calls", async () => {
			const both = (await answers(caller, guarded, port)) && (await answers(fresh, keeper, port));
			good = both ? good + 1 : 0;
			return good >= goodInARow;
		});
		await until("the spare could serve the workload", async () => {
			const { spareReady } = await agentPodOf(lab, fresh);
			return spareReady === true;
		});
		return fresh;
	}

	async #report(senders: Readonly<Record<string, Sender<readonly SentRequest[]>>>): Promise<DrillReport> {
		const faultUs = this.#switched?.faultUs;
		const names = Object.keys(senders);
		const logs = await Promise.all(Object.values(senders).map((sender) => sender.stop()));
		const sides: Record<string, SideReport> = {};
		for (const [index, name] of names.entries()) {
			const requests = logs[index] ?? [];
			if (!requests.some((one) => isGood(one) && (faultUs === undefined || one.endUs < faultUs)))
				throw new Error(`nothing came through ${name} before the fault`);
			const { gapMs } = sideReport(requests, faultUs === undefined ? undefined : faultUs - beforeFaultUs);
			sides[name] = { ...sideReport(requests, undefined, faultUs), gapMs };
		}
		const all = logs.flat();
		return {
			...loggedReport(all, sides),
			plaintext: 0,
			strays: all.filter((one) => faultUs !== undefined && !isGood(one) && one.endUs < faultUs).length,
		};
	}
}

const asHost = (service: string, host: string) => ({ host, headers: { host: `${nameOf(service)}:${port}` } });

async function watchWire(lab: Lab, pod: RunningPod, ignored: readonly string[]): Promise<Watcher> {
	const argv = [process.execPath, "--no-warnings", watcherProgram, ...ignored];
	const child = await lab.spawnIn(pod.name, argv, { stdio: ["pipe", "pipe", "inherit"] });
	const lines = linesOf(child);
	await once(lines, "line", { signal: AbortSignal.timeout(limitMs) });
	const flowing = once(lines, "line", { signal: AbortSignal.timeout(limitMs) });
	return {
		flowing,
		stop: async () => {
			const said = once(lines, "line");
			child.stdin?.end();
			const [line] = await said;
			return JSON.parse(String(line)) as WireReport & { readonly dropped: number };
		},
	};
}

function linesOf({ stdout }: ChildProcess): Interface {
	if (!stdout) throw new Error("no output");
	return createInterface({ input: stdout });
}
