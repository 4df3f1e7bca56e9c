// The workload of the drills of the hot-switch, made of a lab: senders into it and out of it, each request on a new connection, and
// ways to break its Envoy, its agent or both. Every load meets an Envoy that has not failed yet: one that failed before has to
// prove itself for longer.

import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { monotonicUs } from "../../kernel/linux/monotonic-us.ts";
import type { DrillReport, RunningLoad } from "../../lab/drill/drill-mesh.ts";
import type { DrillSidecar, HeldConnections } from "../../lab/drill/drill-sidecar.ts";
import { loggedReport } from "../../lab/drill/logged-report.ts";
import { type SentRequest, type SideReport, sideReport } from "../../lab/drill/sent-requests.ts";
import type { Lab, RunningPod } from "../../lab/lab.ts";
import { isGood } from "../../lab/load/load-report.ts";
import { applyEverywhere, until } from "../demo/applied-everywhere.ts";
import { addressIn, answers, podOf } from "./drill-pods.ts";
import { type Sender, startLoggedSender } from "./drill-senders.ts";
import { freshPodOf, SwitchedPod } from "./switched-pod.ts";

export interface LabSidecar extends DrillSidecar {
	startLoad(): Promise<RunningLoad>;
}

const file = "sidecar.yaml";
const holderProgram = fileURLToPath(new URL("../../lab/drill/connection-holder.ts", import.meta.url));
const port = 8080;
const heldEachWay = 5;
const limitMs = 30_000;
const goodInARow = 10;

export interface LabSidecarOptions {
	/** Each way; default 125. */
	readonly ratePerSecond?: number;
}

export async function labSidecar(lab: Lab, options: LabSidecarOptions = {}): Promise<LabSidecar> {
	const yaml = readFileSync(fileURLToPath(new URL(`../../../samples/drill/${file}`, import.meta.url)), "utf8");
	await applyEverywhere(lab, yaml, file);
	const pending = await lab.untilRolledOut(limitMs);
	if (pending.length > 0) throw new Error(`not ready: ${pending.join(", ")}`);
	return new DrillWorkload(lab, await podOf(lab, "beyond"), options.ratePerSecond ?? 125);
}

class DrillWorkload implements LabSidecar {
	readonly #lab: Lab;
	readonly #beyond: RunningPod;
	readonly #ratePerSecond: number;
	#switched: SwitchedPod | undefined;
	/** Of the service of the pod without a proxy. */
	#outside = "";
	#fromUs: number | undefined;

	constructor(lab: Lab, beyond: RunningPod, ratePerSecond: number) {
		this.#lab = lab;
		this.#beyond = beyond;
		this.#ratePerSecond = ratePerSecond;
	}

	async startLoad(): Promise<RunningLoad> {
		const pod = await this.#freshPod();
		this.#switched = new SwitchedPod(this.#lab, pod, limitMs);
		this.#fromUs = undefined;
		const load = { port, newConnections: true, ratePerSecond: this.#ratePerSecond };
		const inbound = await startLoggedSender(this.#lab, this.#beyond.name, { ...load, host: pod.address });
		const outbound = await startLoggedSender(this.#lab, pod.name, { ...load, host: this.#outside });
		return { stop: () => this.#report({ inbound, outbound }) };
	}

	async break(signal: "SIGKILL" | "SIGSTOP", agentToo = false): Promise<number> {
		const pid = await this.#workload.envoyPid();
		if (agentToo) await this.#lab.holdProcess(this.#workload.pod.node, true);
		return nowMsOf(this.#workload.break(pid, signal));
	}

	reviveAgent(): Promise<void> {
		return this.#lab.holdProcess(this.#workload.pod.node, false);
	}

	untilSwitched(): Promise<void> {
		return this.#workload.untilAgentSays("connections go another way", ({ servingStep }) => servingStep !== "sidecar");
	}

	untilRestored(): Promise<void> {
		return this.#workload.untilOnSidecar();
	}

	async hold(): Promise<HeldConnections> {
		const { address, name } = this.#workload.pod;
		const inbound = await this.#holdFrom(this.#beyond.name, address);
		const outbound = await this.#holdFrom(name, this.#outside);
		return {
			untilClosed: async () => {
				const closedUs = (await Promise.all([inbound(), outbound()])).flat();
				const open = closedUs.filter((one) => one === null).length;
				if (open > 0) throw new Error(`${open} of ${closedUs.length} connections of the broken Envoy stayed open`);
				return nowMsOf(Math.max(...closedUs.map(Number)));
			},
		};
	}

	bypassByHand(): Promise<void> {
		return this.#workload.bypass();
	}

	restoreByHand(): Promise<void> {
		return this.#workload.restore();
	}

	countFromNow(): void {
		this.#fromUs = monotonicUs();
	}

	get #workload(): SwitchedPod {
		if (!this.#switched) throw new Error("no load runs");
		return this.#switched;
	}

	/** One whose Envoy never failed, and that answers and calls. */
	async #freshPod(): Promise<RunningPod> {
		const usedUid = this.#switched?.pod.uid;
		const pod = await freshPodOf(this.#lab, "switched", limitMs, ({ uid }) => uid === usedUid);
		this.#outside = await addressIn(this.#lab, pod, "beyond");
		let good = 0;
		await until("the workload answers and calls", async () => {
			const both = (await answers(this.#beyond, pod.address, port)) && (await answers(pod, this.#outside, port));
			good = both ? good + 1 : 0;
			return good >= goodInARow;
		});
		return pod;
	}

	async #holdFrom(place: string, host: string): Promise<() => Promise<readonly (number | null)[]>> {
		const argv = [process.execPath, "--no-warnings", holderProgram, host, String(port), String(heldEachWay)];
		const child = await this.#lab.spawnIn(place, argv, { stdio: ["pipe", "pipe", "inherit"] });
		if (!child.stdout) throw new Error("no output");
		const lines = createInterface({ input: child.stdout });
		const signal = AbortSignal.timeout(limitMs);
		await once(lines, "line", { signal });
		const closed = once(lines, "line");
		return async () => {
			// One that stays open is told as such.
			const timer = setTimeout(() => child.stdin?.end(), limitMs / 3);
			const [line] = await closed;
			clearTimeout(timer);
			child.stdin?.end();
			return JSON.parse(String(line)) as readonly (number | null)[];
		};
	}

	async #report(senders: Readonly<Record<string, Sender<readonly SentRequest[]>>>): Promise<DrillReport> {
		const [faultUs, fromUs] = [this.#switched?.faultUs, this.#fromUs];
		const logs = await Promise.all(Object.values(senders).map((sender) => sender.stop()));
		const sides: Record<string, SideReport> = {};
		let strays = 0;
		for (const [index, name] of Object.keys(senders).entries()) {
			const requests = logs[index] ?? [];
			if (faultUs !== undefined && !requests.some((one) => isGood(one) && one.endUs < faultUs))
				throw new Error(`nothing came through ${name} before the fault`);
			sides[name] = sideReport(requests, fromUs, fromUs ?? faultUs);
			if (faultUs === undefined || fromUs !== undefined) continue;
			strays += requests.filter((one) => !isGood(one) && one.endUs < faultUs).length;
		}
		const counted = logs.flat().filter(({ dueUs }) => fromUs === undefined || dueUs >= fromUs);
		return {
			...loggedReport(counted, sides),
			plaintext: 0,
			strays,
		};
	}
}

/** The clock of the drills' mesh. */
function nowMsOf(us: number): number {
	return performance.now() - (monotonicUs() - us) / 1000;
}
