// keepmesh certs rotate-root, rotate-issuer, rotate-leaf: begins a rotation, follows it, shows who is missing, or takes it back.

import { setTimeout as sleep } from "node:timers/promises";
import { Command, Option } from "commander";
import { renderBlockers } from "../../identity/rotation/render-rotation.ts";
import type { RotationKind, RotationState } from "../../identity/rotation/rotation-state.ts";
import type { RotationAnswer, RotationPlanAnswer } from "../api/certificate-routes.ts";
import { CliError, exitCodes } from "./cli-error.ts";
import { callApi } from "./control-plane-client.ts";
import { type ApiOption, withApiOption } from "./find-control-planes.ts";
import { podsOfLab } from "./lab-pods.ts";
import { print, printJson, say } from "./terminal.ts";

interface RotateOptions extends ApiOption {
	readonly dryRun?: boolean;
	readonly status?: boolean;
	readonly abort?: boolean;
	readonly wait?: boolean;
	readonly timeout: string;
	readonly forgetReplica?: string;
	readonly output: "text" | "json";
}

const lookEveryMs = 250;
const patienceMs = 3_000;

export function rotateCommand(kind: RotationKind): Command {
	const what =
		kind === "root"
			? "Replaces the root in stages: trust both, sign with the new one, drop the old one."
			: "Replaces the issuer under the same root: sign with the new one, then drop the old one.";
	return withApiOption(new Command(`rotate-${kind}`))
		.description(`${what} Each stage waits until every proxy has confirmed it.`)
		.option("--dry-run", "only say what would be done, and who would block it")
		.option("--status", "where the rotation stands, and who is missing")
		.option("--abort", "go back; not possible any more once the old one is being dropped")
		.option("--wait", "wait until it is done")
		.option("--timeout <seconds>", "how long to wait", "600")
		.option("--forget-replica <name>", "go on without a control plane that is gone for good")
		.addOption(new Option("-o, --output <format>", "how to print").choices(["text", "json"]).default("text"))
		.action((options: RotateOptions) => rotate(kind, options));
}

async function rotate(kind: RotationKind, options: RotateOptions): Promise<void> {
	const command = `keepmesh certs rotate-${kind}`;
	const show = ({ lines, state }: RotationAnswer): void => {
		if (options.output === "json") printJson(state);
		else print(lines.join("\n"));
	};
	if (options.forgetReplica !== undefined) {
		await callApi(options, `/api/v1/rotation/forget?replica=${encodeURIComponent(options.forgetReplica)}`, {
			method: "POST",
		});
		say(`${options.forgetReplica} is not waited for any more`);
		return;
	}
	if (options.status) return show(await callApi<RotationAnswer>(options, "/api/v1/rotation"));
	if (options.dryRun) {
		const plan = await callApi<RotationPlanAnswer>(options, `/api/v1/rotation?kind=${kind}&dryRun=true`, {
			method: "POST",
		});
		if (options.output === "json") printJson(plan);
		else print(plan.lines.join("\n"));
		return;
	}
	const path = options.abort ? "/api/v1/rotation/abort" : `/api/v1/rotation?kind=${kind}`;
	const begun = await callApi<RotationAnswer>(options, path, { method: "POST" });
	if (options.wait) return await follow(kind, begun.state, options);
	show(begun);
	say(`next: ${command} --status`);
}

/** One line for each stage, and one whenever those who are missing change. */
async function follow(kind: RotationKind, begun: RotationState, options: RotateOptions): Promise<void> {
	const timeoutMs = Number(options.timeout) * 1000;
	if (!(timeoutMs > 0))
		throw new CliError(exitCodes.usage, `--timeout ${options.timeout} is no number of seconds`, "--timeout 600");
	const endMs = performance.now() + timeoutMs;
	const startedMs = performance.now();
	let lastLine = "";
	let stage = { epoch: -1, sinceMs: startedMs };
	for (let state = begun; ; ) {
		if (state.epoch !== stage.epoch) stage = { epoch: state.epoch, sinceMs: performance.now() };
		// At the beginning of a stage everybody is missing for a moment.
		const line = lineOf(state, performance.now() - stage.sinceMs >= patienceMs);
		if (line !== lastLine && options.output === "text")
			print(`${((performance.now() - startedMs) / 1000).toFixed(1).padStart(6)} s  ${line}`);
		lastLine = line;
		if (state.phase === "idle") return finish(kind, state, options);
		if (performance.now() > endMs)
			throw new CliError(
				exitCodes.failure,
				`the rotation still stands at ${state.stage} after ${options.timeout} s; it goes on by itself`,
				`keepmesh certs rotate-${kind} --status`,
			);
		await sleep(lookEveryMs);
		({ state } = await callApi<RotationAnswer>(options, "/api/v1/rotation"));
	}
}

function lineOf(state: RotationState, isLong: boolean): string {
	if (state.phase === "idle") return state.last ? `${state.last.kind}: ${state.last.outcome}` : "idle";
	const waits = [
		...renderBlockers(state.blockers, state.blockerCount),
		...(state.failure === undefined ? [] : [state.failure]),
	];
	return waits.length === 0 || !isLong ? state.stage : `${state.stage}: waits for ${waits.join("; ")}`;
}

function finish(kind: RotationKind, state: RotationState, options: RotateOptions): void {
	if (options.output === "json") printJson(state);
	const last = state.phase === "idle" ? state.last : undefined;
	const wanted = options.abort ? "aborted" : "done";
	if (last?.outcome === wanted) return;
	throw new CliError(
		exitCodes.failure,
		`the rotation ended: ${last?.outcome ?? "unknown"}${last?.because === undefined ? "" : `: ${last.because}`}`,
		`keepmesh certs rotate-${kind} --status`,
	);
}

interface RotateLeafOptions extends ApiOption {
	readonly allPods?: boolean;
}

export function rotateLeafCommand(): Command {
	return withApiOption(new Command("rotate-leaf"))
		.description("Has the certificate of a pod renewed now, in a running lab. Needs root.")
		.argument("[pod...]", "names of pods")
		.option("--all-pods", "of every pod")
		.action(rotateLeaf);
}

async function rotateLeaf(names: readonly string[], options: RotateLeafOptions): Promise<void> {
	if ((names.length === 0) === (options.allPods !== true))
		throw new CliError(exitCodes.usage, "say which pods: names, or --all-pods", "keepmesh certs rotate-leaf POD");
	const lab = await podsOfLab(options);
	if (!lab)
		throw new CliError(
			exitCodes.unavailable,
			"only a running lab's node agents can be asked from here, as root",
			"on the pod's machine: curl --unix-socket STATE/api.sock -X POST http://node/v1/pods/UID/renew",
		);
	const known = lab.pods.filter((pod) => pod.proxy === "ready" && pod.deletedMs === undefined);
	const wanted = options.allPods ? known : names.map((name) => known.find((pod) => pod.name === name) ?? name);
	const unknown = wanted.find((one) => typeof one === "string");
	if (unknown !== undefined)
		throw new CliError(exitCodes.failure, `no pod ${unknown} has a proxy`, "keepmesh lab pods");
	const { renewInLab } = await import("../../lab/renew-certificate.ts");
	for (const pod of wanted) {
		if (typeof pod === "string") continue;
		const renewed = await renewInLab(lab.record.name, pod);
		if (!renewed.ok) throw new CliError(exitCodes.failure, `${pod.name}: ${renewed.because}`, "keepmesh certs -A");
		print(`${pod.name}: renewed`);
	}
}
