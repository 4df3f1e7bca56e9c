// Takes a lab away whole, whatever state it is in: a running one, one whose daemon was killed, one of which only half came
// up. Nothing is found by a program's name: only by namespace, by recorded process, and by the lab's id in the environment.

import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { identifyProcess, type ProcessIdentity, signalProcess } from "../node/process-table.ts";
import { daemonRuns, readLabRecord, removeLabFiles } from "./lab-record.ts";
import { endProcess } from "./namespace-processes.ts";
import { namespacesOf, removeNamespaces } from "./network.ts";

/** False when there was nothing to take away. */
export async function labDown(name: string): Promise<boolean> {
	const record = readLabRecord(name);
	const before = namespacesOf(name);
	if (record?.daemon && daemonRuns(record)) await endProcess(record.daemon, 2000);
	// A process that was just being started is in no namespace yet, so look again until both views are empty.
	for (let round = 0; round < 100; round++) {
		const namespaces = namespacesOf(name);
		await removeNamespaces(namespaces);
		const left = record ? processesOfLab(record.id) : [];
		for (const process of left) signalProcess(process, "SIGKILL");
		if (left.length === 0 && namespacesOf(name).length === 0) break;
		await sleep(10);
	}
	removeLabFiles(name, record);
	return record !== undefined || before.length > 0;
}

/** Processes that carry the lab's id in their environment, this one left out. */
export function processesOfLab(id: string): readonly ProcessIdentity[] {
	const mark = `KEEPMESH_LAB_ID=${id}`;
	return readdirSync("/proc").flatMap((entry) => {
		if (!/^\d+$/.test(entry) || Number(entry) === process.pid) return [];
		try {
			if (!readFileSync(`/proc/${entry}/environ`, "latin1").split("\0").includes(mark)) return [];
		} catch {
			return [];
		}
		return identifyProcess(Number(entry)) ?? [];
	});
}
