// Brings a lab up: a record, a detached daemon, and then waiting until it says that it is ready. A stale lab of the same name
// (its daemon is dead) is cleaned away first.

import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { existsSync, mkdirSync, openSync, readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { identifyProcess } from "../node/process-table.ts";
import { Lab } from "./lab.ts";
import { labDown } from "./lab-down.ts";
import { daemonRuns, type LabRecord, readLabRecord, runDirectory, writeLabRecord } from "./lab-record.ts";
import { namespacesOf } from "./network.ts";
import { isLabName, maxControls, maxNodes } from "./plan/lab-network.ts";

export interface LabUpOptions {
	/** Lower-case letters and digits, at most 12. */
	readonly name: string;
	/** 1 to 40; default 3. */
	readonly nodes?: number;
	/** Replicas of the control plane, 1 to 9; default 2. */
	readonly controls?: number;
	/** Files of the lab; removed with it. */
	readonly state: string;
	/** Default: `resources` in the state directory. One that is named here stays when the lab goes. */
	readonly resources?: string;
	/** False: pods without proxies and no control plane. Default true. */
	readonly mesh?: boolean;
	/** Command line of the daemon; `--name NAME` is added. */
	readonly daemonCommand: readonly string[];
	readonly env: Readonly<Record<string, string>>;
	/** Default 60,000 ms. */
	readonly timeoutMs?: number;
	/** What is being done, for a person. */
	readonly onProgress?: (what: string) => void;
}

export class LabError extends Error {
	/** The next thing to type. */
	readonly next: string;

	constructor(message: string, next: string) {
		super(message);
		this.next = next;
	}
}

export async function labUp(options: LabUpOptions): Promise<Lab> {
	const { name, nodes = 3, controls = 2, mesh = true, onProgress = () => {} } = options;
	checkOptions(name, nodes, controls);
	const existing = readLabRecord(name);
	if (existing && daemonRuns(existing))
		throw new LabError(`lab ${name} is already up`, `keepmesh lab down --name ${name}`);
	if (existing || namespacesOf(name).length > 0) {
		onProgress("cleaning away what a killed lab left");
		await labDown(name);
	}
	const state = resolve(options.state);
	claimDirectory(state);
	const resources = options.resources === undefined ? join(state, "resources") : resolve(options.resources);
	const record: LabRecord = {
		name,
		id: randomUUID(),
		state,
		resources,
		ownsResources: options.resources === undefined,
		mesh,
		nodes,
		controls,
	};
	mkdirSync(runDirectory(name), { recursive: true, mode: 0o711 });
	mkdirSync(join(state, "logs"), { recursive: true });
	mkdirSync(resources, { recursive: true });
	writeLabRecord(record);
	try {
		startDaemon(record, options);
		return await untilReady(name, record, options.timeoutMs ?? 60_000, onProgress);
	} catch (error) {
		const log = lastLines(join(state, "logs", "lab.log"));
		await labDown(name);
		if (error instanceof LabError || log === "") throw error;
		throw new LabError(`${error instanceof Error ? error.message : String(error)}\n${log}`, "keepmesh lab up");
	}
}

function checkOptions(name: string, nodes: number, controls: number): void {
	if (!isLabName(name))
		throw new LabError(`"${name}" is no name for a lab: lower-case letters and digits, at most 12`, "--name lab");
	if (!Number.isInteger(nodes) || nodes < 1 || nodes > maxNodes)
		throw new LabError(`a lab has 1 to ${maxNodes} nodes, not ${nodes}`, "--nodes 3");
	if (!Number.isInteger(controls) || controls < 1 || controls > maxControls)
		throw new LabError(`a lab has 1 to ${maxControls} control planes, not ${controls}`, "--controls 2");
}

/** A directory that the lab may remove later: new, empty, or an earlier lab's. */
function claimDirectory(state: string): void {
	if (existsSync(state) && readdirSync(state).length > 0 && !existsSync(join(state, "lab.json")))
		throw new LabError(`${state} holds files that are no lab's`, "name a new directory: --state DIR");
	mkdirSync(state, { recursive: true });
}

function startDaemon(record: LabRecord, options: LabUpOptions): void {
	const log = openSync(join(record.state, "logs", "lab.log"), "a", 0o644);
	const [file = "", ...args] = options.daemonCommand;
	const child = spawn(file, [...args, "--name", record.name], {
		detached: true,
		stdio: ["ignore", log, log],
		cwd: "/",
		env: { ...options.env, KEEPMESH_LAB_ID: record.id },
	});
	child.on("error", () => {});
	const daemon = child.pid === undefined ? undefined : identifyProcess(child.pid);
	child.unref();
	if (!daemon) throw new LabError("the lab's daemon could not be started", `${file} --version`);
	writeLabRecord({ ...record, daemon });
}

async function untilReady(
	name: string,
	record: LabRecord,
	timeoutMs: number,
	onProgress: (what: string) => void,
): Promise<Lab> {
	const lab = new Lab(name);
	const untilMs = performance.now() + timeoutMs;
	let step = "";
	for (;;) {
		const status = await lab.status().catch(() => undefined);
		if (status && status.step !== step) {
			step = status.step;
			onProgress(step);
		}
		if (status?.phase === "ready") return lab;
		const daemon = readLabRecord(name);
		if (status?.phase === "failed") throw new LabError(status.because, `keepmesh lab up --name ${name}`);
		if (!daemon || !daemonRuns(daemon)) throw new Error("the lab's daemon has ended");
		if (performance.now() > untilMs)
			throw new Error(`the lab is not ready after ${timeoutMs / 1000} s; see ${join(record.state, "logs")}`);
		await sleep(10);
	}
}

function lastLines(file: string): string {
	try {
		return readFileSync(file, "utf8").trimEnd().split("\n").slice(-8).join("\n");
	} catch {
		return "";
	}
}
