// The record of a set of clusters: written before anything of it is made, removed after everything of it is gone. Whatever happens
// between, all that may exist can be found with it.

import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ProcessIdentity } from "../src/node/process-table.ts";
import { setDirectory, setsDirectory } from "./cluster-paths.ts";
import type { CgroupHierarchy } from "./plan/cgroup-directories.ts";
import type { SetOptions } from "./plan/cluster-shape.ts";
import type { ClusterOptions } from "./plan/node-options.ts";

export interface SetRecord {
	readonly size: SetOptions;
	readonly options: ClusterOptions;
	readonly hierarchies: readonly CgroupHierarchy[];
	/** The directory that its nodes started with a copy of. */
	readonly imageStore: string;
	/** The process that starts it; when that has gone before the set is up, the start was aborted. */
	readonly starter: ProcessIdentity;
	readonly isUp: boolean;
}

const file = (set: string): string => join(setDirectory(set), "set.json");

export function readSetRecord(set: string): SetRecord | undefined {
	try {
		return JSON.parse(readFileSync(file(set), "utf8")) as SetRecord;
	} catch {
		return undefined;
	}
}

export function writeSetRecord(record: SetRecord): void {
	const { name } = record.size;
	mkdirSync(setDirectory(name), { recursive: true });
	writeFileSync(`${file(name)}.new`, `${JSON.stringify(record, null, "\t")}\n`);
	renameSync(`${file(name)}.new`, file(name));
}

export function removeSetFiles(set: string): void {
	rmSync(setDirectory(set), { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
}

export function listSets(): readonly string[] {
	try {
		return readdirSync(setsDirectory).filter((name) => readSetRecord(name) !== undefined);
	} catch {
		return [];
	}
}
