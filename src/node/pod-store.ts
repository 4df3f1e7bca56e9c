// What the agent must still know after it was killed: each pod, and the process that serves it. One file for each pod,
// replaced as a whole; a file that cannot be read is reported and left where it is.

import { readdir, readFile, rm } from "node:fs/promises";
import { writeFileAtomic } from "./atomic-file.ts";
import { nodePaths, podPaths } from "./plan/pod-paths.ts";
import { type PodSpec, parsePodSpec } from "./plan/pod-spec.ts";
import type { RunningProxies } from "./pod-processes.ts";
import type { ProcessIdentity } from "./process-table.ts";

export interface PodRecord extends RunningProxies {
	readonly pod: PodSpec;
	/** Its removal was asked for, so it goes on after a restart. */
	readonly stopping: boolean;
}

export interface PodStore {
	load(): Promise<{ readonly records: readonly PodRecord[]; readonly problems: readonly string[] }>;
	/** Writes of one pod happen in the order of the calls. */
	save(record: PodRecord): Promise<void>;
	remove(uid: string): Promise<void>;
}

export function podStore(state: string): PodStore {
	const last = new Map<string, Promise<void>>();
	const inOrder = (uid: string, work: () => Promise<void>): Promise<void> => {
		const next = (last.get(uid) ?? Promise.resolve()).then(work, work);
		last.set(uid, next);
		return next;
	};
	return {
		load: async () => {
			const directory = nodePaths(state).pods;
			const files = (await readdir(directory).catch(() => [])).filter((name) => name.endsWith(".json")).sort();
			const records: PodRecord[] = [];
			const problems: string[] = [];
			for (const file of files) {
				const record = parseRecord(await readFile(`${directory}/${file}`, "utf8").catch(() => ""));
				if (record) records.push(record);
				else problems.push(`${directory}/${file} holds no pod; remove it, then add the pod again`);
			}
			return { records, problems };
		},
		save: (record) =>
			inOrder(record.pod.uid, () =>
				writeFileAtomic(podPaths(state, record.pod.uid).record, `${JSON.stringify(record, undefined, 1)}\n`),
			),
		remove: (uid) =>
			inOrder(uid, async () => {
				await rm(podPaths(state, uid).record, { force: true });
				last.delete(uid);
			}),
	};
}

function parseRecord(text: string): PodRecord | undefined {
	try {
		const value = JSON.parse(text) as { pod?: unknown; process?: ProcessIdentity; stopping?: unknown } & RunningProxies;
		const parsed = parsePodSpec(value.pod);
		if (!parsed.ok) return undefined;
		return {
			pod: parsed.pod,
			...(typeof value.process?.pid === "number" ? { process: value.process } : {}),
			...(value.slot === 1 ? { slot: value.slot } : {}),
			...(typeof value.beside?.process?.pid === "number" ? { beside: value.beside } : {}),
			stopping: value.stopping === true,
		};
	} catch {
		return undefined;
	}
}
