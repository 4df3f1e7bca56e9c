// Brings a set of clusters up. Fails as a whole: what was started of a set that does not come up is ended again.

import { existsSync, readFileSync } from "node:fs";
import { identifyProcess, isRunning } from "../src/node/process-table.ts";
import { ClusterError } from "./cluster-error.ts";
import {
	checkout,
	envoyProgram,
	imagesDirectory,
	namespacePath,
	nodeProgram,
	programsDirectory,
} from "./cluster-paths.ts";
import { listImages, readLayers } from "./images/image-recipes.ts";
import { ensureImageStore } from "./images/image-store.ts";
import { keepLogs } from "./keep-logs.ts";
import { readHierarchies } from "./plan/cgroup-directories.ts";
import type { SetOptions } from "./plan/cluster-shape.ts";
import { planSetNetwork } from "./plan/network-plan.ts";
import type { ClusterOptions } from "./plan/node-options.ts";
import { type PlannedCluster, planSetHere } from "./plan-set.ts";
import { runCommands } from "./run-plan.ts";
import { setDown } from "./set-down.ts";
import { readSetRecord, type SetRecord, writeSetRecord } from "./set-record.ts";
import { type StartDeps, startCluster } from "./start-cluster.ts";
import { writeClusterFiles } from "./write-cluster-files.ts";

/** A set of the same shape that is up already is left as it is. */
export async function setUp(size: SetOptions, options: ClusterOptions, deps: StartDeps): Promise<"started" | "was up"> {
	const kept = readSetRecord(size.name);
	if (kept?.isUp) {
		if (sameShape(kept, size, options)) return "was up";
		throw new ClusterError(`${size.name} is up with another shape`, `npm run cluster -- down --name ${size.name}`);
	}
	if (kept && isRunning(kept.starter))
		throw new ClusterError(`${size.name} is being started by process ${kept.starter.pid}`, "wait, or use --name");
	if (kept) {
		deps.say("what an aborted start left is removed");
		await setDown(kept);
	}
	const store = await ensureImageStore(imagesDirectory, listImages(imageSources, readLayers(imageSources)), deps.say);
	const record = newRecord(size, options, store);
	const { shape, clusters } = planSetHere(record);
	const taken = shape.clusters
		.flatMap(({ controlPlane, nodes }) => [controlPlane, ...nodes])
		.find((machine) => existsSync(namespacePath(machine)));
	if (taken)
		throw new ClusterError(
			`the network namespace ${taken.id} belongs to someone else`,
			"npm run cluster -- up --name other",
		);
	writeSetRecord(record);
	try {
		for (const { cluster, controlPlane, nodes } of clusters) {
			writeClusterFiles(size.name, cluster, controlPlane, nodes, Date.now());
			runCommands(controlPlane.commands);
		}
		runCommands(planSetNetwork(shape));
		deps.say("files and networks");
		await startAll(size.name, clusters, store, deps);
		deps.signal.throwIfAborted();
		writeSetRecord({ ...record, isUp: true });
		return "started";
	} catch (error) {
		if (!deps.signal.aborted) deps.say(`logs are kept in ${keepLogs(size.name, shape)}`);
		await setDown(record);
		throw error;
	}
}

/** All of them at once. When one fails, the others stop before this rejects. */
async function startAll(
	set: string,
	clusters: readonly PlannedCluster[],
	store: string,
	{ say, signal }: StartDeps,
): Promise<void> {
	const failed = new AbortController();
	const deps = { say, signal: AbortSignal.any([signal, failed.signal]) };
	const errors: unknown[] = [];
	const starts = clusters.map(({ cluster, controlPlane, nodes }) =>
		startCluster(set, cluster, controlPlane, nodes, store, deps).catch((error: unknown) => {
			errors.push(error);
			failed.abort();
		}),
	);
	await Promise.all(starts);
	if (errors.length > 0) throw errors[0];
}

export const imageSources = { checkout, envoy: envoyProgram, node: nodeProgram, programs: programsDirectory };

export function newRecord(size: SetOptions, options: ClusterOptions, imageStore: string): SetRecord {
	const starter = identifyProcess(process.pid);
	if (!starter) throw new Error("this process is not in /proc");
	const hierarchies = readHierarchies(readFileSync("/proc/self/cgroup", "utf8"));
	return { size, options, hierarchies, imageStore, starter, isUp: false };
}

const sameShape = (record: SetRecord, size: SetOptions, options: ClusterOptions): boolean =>
	JSON.stringify([record.size, record.options]) === JSON.stringify([size, options]);
