// `keepmesh l4 run --keepalived-conf`, without the command line's libraries: the process of virtual servers starts fast.

import { parseArgs } from "node:util";
import { startLineLog } from "../runtime/line-log.ts";
import { failedProcess } from "./failed-process.ts";
import { defaultLayer4State } from "./l4/default-layer4-state.ts";
import { startVirtualServerProcess, type VirtualServerProcessOptions } from "./l4/virtual-server-process.ts";
import { virtualServerLock } from "./l4/virtual-server-socket.ts";
import { listenAddressOf } from "./listen-address.ts";
import { lockNamespace } from "./namespace-lock.ts";

/** Runs until SIGTERM or SIGINT. Resolves to the exit code (sysexits). */
export async function runVirtualServers(args: readonly string[]): Promise<number> {
	const flags = readFlags(args);
	if (typeof flags === "string") return failedProcess(64, flags, "keepmesh l4 run --help");
	const log = startLineLog({ facts: { part: "l4" } });
	const stopped = new Promise<void>((done) => {
		process.once("SIGTERM", () => done()).once("SIGINT", () => done());
	});
	const lock = await lockNamespace(2000, virtualServerLock);
	if (!lock)
		return failedProcess(69, "another process runs virtual servers in this network namespace", "stop that one first");
	const running = await startVirtualServerProcess(flags, { log });
	if ("because" in running) {
		lock.close();
		return failedProcess(
			71,
			running.because,
			flags.backend === "ipvs" ? "modprobe ip_vs, or --backend nftables" : "keepmesh check",
		);
	}
	process.on("SIGHUP", () => void running.reload());
	log.info(
		{ virtualServers: running.servers.status().length, startMs: Math.round(performance.now()) },
		"virtual servers run",
	);
	await stopped;
	await running.close({ keepRules: flags.keepRules });
	lock.close();
	process.exit(0);
}

interface RunFlags extends VirtualServerProcessOptions {
	readonly keepRules: boolean;
}

function readFlags(args: readonly string[]): RunFlags | string {
	let values: Partial<Record<"keepalived-conf" | "backend" | "state" | "metrics-listen", string>> &
		Partial<Record<"keep-rules" | "child-of-vip", boolean>>;
	try {
		values = parseArgs({
			args: [...args],
			options: {
				"keepalived-conf": { type: "string" },
				backend: { type: "string" },
				state: { type: "string" },
				"metrics-listen": { type: "string" },
				"keep-rules": { type: "boolean" },
				"child-of-vip": { type: "boolean" },
			},
		}).values;
	} catch (error) {
		return error instanceof Error ? error.message : String(error);
	}
	const { "keepalived-conf": file, backend = "auto", state = defaultLayer4State } = values;
	if (file === undefined) return "give --keepalived-conf FILE";
	if (backend !== "auto" && backend !== "nftables" && backend !== "ipvs")
		return "--backend wants auto, nftables or ipvs";
	const metricsText = values["metrics-listen"];
	const metricsListen = metricsText === undefined ? undefined : listenAddressOf(metricsText);
	if (metricsText !== undefined && !metricsListen) return "--metrics-listen wants ADDRESS:PORT";
	return {
		file,
		backend,
		state,
		keepRules: values["keep-rules"] === true,
		isChild: values["child-of-vip"] === true,
		...(metricsListen ? { metricsListen } : {}),
	};
}
