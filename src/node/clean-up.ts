// Takes away all that an agent left on a machine: after a kill, or as the stop hook of a supervisor. In: the state directory.
// Out: what was done. Only what carries its mark goes: processes with a file of this directory on their command line, tables
// in the namespaces of recorded pods, and its own files. The node's own certificate stays: another costs a new join token.

import { existsSync } from "node:fs";
import { readdir, readFile, rm, rmdir } from "node:fs/promises";
import { removeRedirect } from "../kernel/namespace-redirect.ts";
import { removeLayer4Rules } from "./layer4/remove-rules.ts";
import { nodePaths } from "./plan/pod-paths.ts";
import { podStore } from "./pod-store.ts";
import { findProcesses, isRunning, type ProcessIdentity, signalProcess } from "./process-table.ts";
import { answersOnSocket } from "./unix-server.ts";

export type CleanUpOutcome =
	| { readonly ok: true; readonly processes: number; readonly redirects: number }
	| { readonly ok: false; readonly because: string };

/** Idempotent. Refuses while an agent runs on the directory. */
export async function cleanUpNode(state: string): Promise<CleanUpOutcome> {
	const paths = nodePaths(state);
	if (await answersOnSocket(paths.apiSocket))
		return { ok: false, because: `an agent runs on ${state}; stop it first, with --stop-proxies it cleans up itself` };
	const ours = (
		await Promise.all(findProcesses([]).map(async (one) => ((await isOurs(one, state)) ? [one] : [])))
	).flat();
	const { records } = await podStore(state).load();
	let redirects = 0;
	for (const { pod } of records) if ((await removeRedirect(pod.netns)).ok) redirects++;
	await endAll(ours);
	if (existsSync(paths.layer4Mark)) await removeLayer4Rules(state);
	for (const name of await readdir(state).catch(() => []))
		if (ownFiles.some((own) => own.test(name))) await rm(`${state}/${name}`, { recursive: true, force: true });
	await rm(`${paths.identity}/workloads`, { recursive: true, force: true });
	await rmdir(paths.identity).catch(() => {});
	return { ok: true, processes: ours.length, redirects };
}

const ownFiles = [
	/^(?:node|xds|sds|metrics|accepted)\.sock$/,
	/^(?:pods|accepted|hot-switch|spare|spare\.json)$/,
	/^(?:dns|vip)\.(?:json|log|log\.1)$/,
	/^(?:vip|layer4)$/,
	/^ipvs-(?:services|settings\.json)$/,
	/^(?:name-table|contacts|format|control-planes|control-planes-of|revisions)\.json(?:\..*)?$/,
	/^switches\.jsonl(?:\..*)?$/,
];

async function isOurs(candidate: ProcessIdentity, state: string): Promise<boolean> {
	const words = (await readFile(`/proc/${candidate.pid}/cmdline`, "utf8").catch(() => "")).split("\0");
	const after = (option: string): string => words[words.indexOf(option) + 1] ?? "";
	return (
		["pods", "spare"].some((folder) => after("--config-path").startsWith(`${state}/${folder}/`)) ||
		(words.includes("node-dns") && after("--table") === nodePaths(state).nameTable) ||
		(words.includes("vip") && words.includes("run") && after("--state") === nodePaths(state).vip)
	);
}

async function endAll(processes: readonly ProcessIdentity[]): Promise<void> {
	for (const target of processes) signalProcess(target, "SIGTERM");
	for (let waitedMs = 0; processes.some(isRunning); waitedMs += 20) {
		if (waitedMs === 2000) for (const target of processes) signalProcess(target, "SIGKILL");
		if (waitedMs > 5000) return;
		await new Promise((resolve) => setTimeout(resolve, 20));
	}
}
