// What is known of a lab when its daemon is dead: where its files are, which process it was. Kept in two places: a fixed one
// below /run, found by name, and the lab's state directory.

import { mkdirSync, readFileSync, renameSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { isRunning, type ProcessIdentity } from "../node/process-table.ts";

export interface LabRecord {
	readonly name: string;
	/** Every process of the lab has it in its environment, as KEEPMESH_LAB_ID. */
	readonly id: string;
	readonly state: string;
	readonly resources: string;
	/** False: `resources` was named by the user and stays when the lab goes. */
	readonly ownsResources: boolean;
	readonly mesh: boolean;
	readonly nodes: number;
	readonly controls: number;
	readonly daemon?: ProcessIdentity;
	/** URL on this machine of the control plane's API, once forwarded. */
	readonly api?: string;
	/** Forwarded ports on 127.0.0.1 by name: `gateway`, `api`. */
	readonly forwards?: Readonly<Record<string, number>>;
}

/** Short, on a disk in memory, and open to Envoy's user: sockets and the node agents' state. */
export function runDirectory(name: string): string {
	return `/run/keepmesh/${name}`;
}

export function labSocket(name: string): string {
	return `${runDirectory(name)}/lab.sock`;
}

export function readLabRecord(name: string): LabRecord | undefined {
	try {
		return JSON.parse(readFileSync(join(runDirectory(name), "lab.json"), "utf8")) as LabRecord;
	} catch {
		return undefined;
	}
}

export function writeLabRecord(record: LabRecord): void {
	for (const directory of [runDirectory(record.name), record.state]) {
		mkdirSync(directory, { recursive: true });
		const file = join(directory, "lab.json");
		writeFileSync(`${file}.tmp`, `${JSON.stringify(record, null, "\t")}\n`);
		renameSync(`${file}.tmp`, file);
	}
}

export function daemonRuns(record: LabRecord): boolean {
	return record.daemon !== undefined && isRunning(record.daemon);
}

/** Removes every file of the lab; the user's own resource directory only loses the status that the lab wrote into it. */
export function removeLabFiles(name: string, record: LabRecord | undefined): void {
	if (record) {
		rmSync(record.ownsResources ? record.resources : join(record.resources, "status"), {
			recursive: true,
			force: true,
		});
		rmSync(record.state, { recursive: true, force: true });
	}
	rmSync(runDirectory(name), { recursive: true, force: true });
	try {
		rmdirSync(dirname(runDirectory(name)));
	} catch {
		// Another lab lives there.
	}
}
