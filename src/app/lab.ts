// The lab put together: where programs and files are, the daemon's process, and what the commands call. Reads the environment.

import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import type { Lab } from "../lab/lab.ts";
import { LabDaemon } from "../lab/lab-daemon.ts";
import type { LabPrograms } from "../lab/lab-programs.ts";
import { labSocket, readLabRecord } from "../lab/lab-record.ts";
import { createLabServer } from "../lab/lab-server.ts";
import { type LabUpOptions, labUp } from "../lab/lab-up.ts";
import { identifyProcess } from "../node/process-table.ts";
import { listenOnSocket } from "../node/unix-server.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));

/** With the launcher's flags. `--no-warnings`: type stripping says so at each start. */
export function ownCommand(): readonly string[] {
	return [process.execPath, "--no-warnings", "--max-semi-space-size=8", join(root, "bin/keepmesh.ts")];
}

export function labPrograms(): LabPrograms {
	return {
		keepmesh: ownCommand(),
		sample: [process.execPath, "--no-warnings", join(root, "samples/bookinfo/bookinfo.ts")],
		envoy: resolve(process.env.KEEPMESH_ENVOY ?? join(root, ".keepmesh/envoy")),
		labFile: resolve(process.env.KEEPMESH_LAB_FILE ?? "lab.yaml"),
		env: childEnvironment(),
	};
}

/** `.keepmesh/lab/NAME` of the checkout; below XDG_STATE_HOME when the checkout is not writable or not one. */
export function labStateDirectory(name: string): string {
	const xdg = process.env.XDG_STATE_HOME;
	if (xdg) return join(xdg, "keepmesh/lab", name);
	return join(root, ".keepmesh/lab", name);
}

export type StartLabOptions = Omit<LabUpOptions, "daemonCommand" | "env" | "state"> & { readonly state?: string };

/** Brings a lab up with this checkout's programs. */
export function startLab(options: StartLabOptions): Promise<Lab> {
	return labUp({
		...options,
		state: options.state ?? labStateDirectory(options.name),
		daemonCommand: [...ownCommand(), "lab", "daemon"],
		env: childEnvironment(),
	});
}

/** The daemon's whole life; resolves when it has been told to end. */
export async function runLabDaemon(name: string): Promise<void> {
	const record = readLabRecord(name);
	if (!record) throw new Error(`there is no lab ${name}`);
	const identity = identifyProcess(process.pid);
	const daemon = new LabDaemon({ ...record, ...(identity ? { daemon: identity } : {}) }, labPrograms());
	let end = (): void => {};
	const ended = new Promise<void>((resolve) => {
		end = resolve;
	});
	const server = createLabServer(daemon, end);
	await listenOnSocket(server, labSocket(name), { mode: 0o600 });
	process.once("SIGTERM", end).once("SIGINT", end);
	await daemon.start();
	await ended;
	daemon.close();
	server.close();
	server.closeAllConnections();
}

function childEnvironment(): Readonly<Record<string, string>> {
	const kept = ["PATH", "LANG", "TZ", "KEEPMESH_ENVOY", "KEEPMESH_LAB_FILE", "NODE_COMPILE_CACHE"];
	const env: Record<string, string> = { HOME: "/", NODE_COMPILE_CACHE: join(root, ".keepmesh/compile-cache") };
	for (const name of kept) {
		const value = process.env[name];
		if (value !== undefined) env[name] = value;
	}
	env.PATH = `${env.PATH ?? ""}:${dirname(process.execPath)}:/usr/sbin:/sbin`;
	// The daemon works in another directory.
	env.KEEPMESH_LAB_FILE = resolve(env.KEEPMESH_LAB_FILE ?? "lab.yaml");
	return env;
}
