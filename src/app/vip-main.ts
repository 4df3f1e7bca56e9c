// `keepmesh vip run`, without the command line's libraries: the process that carries virtual IPs starts fast and stays small.

import { hostname } from "node:os";
import { parseArgs } from "node:util";
import { startLineLog } from "../runtime/line-log.ts";
import { loadVipConfig, type VipSource } from "./vip/load-vip-config.ts";
import { startOverWhenCold } from "./vip/warm-start.ts";
import { startVip } from "./vip.ts";

/** Resolves to the exit code (sysexits). */
export async function runVip(args: readonly string[]): Promise<number> {
	const flags = readFlags(args);
	if (typeof flags === "string") {
		console.error(`error: ${flags}\nnext: keepmesh vip run --help`);
		return 64;
	}
	const log = startLineLog({ facts: { part: "vip", node: flags.node } });
	const loaded = await loadVipConfig(flags.source, flags.node);
	startOverWhenCold();
	for (const { origin, message, severity } of loaded.problems)
		log[severity === "error" ? "error" : "warn"](
			{ file: origin.file, line: origin.line, because: message },
			"configuration",
		);
	if (!loaded.ok) return 65;
	const stopped = new Promise<void>((done) => {
		process.once("SIGTERM", () => done()).once("SIGINT", () => done());
	});
	const vip = startVip({ node: flags.node, state: flags.state, config: loaded.config }, { log });
	log.info({ instances: loaded.config.instances.length, startMs: Math.round(performance.now()) }, "virtual IPs run");
	await stopped;
	await vip.close();
	return 0;
}

interface RunFlags {
	readonly node: string;
	readonly state: string;
	readonly source: VipSource;
}

function readFlags(args: readonly string[]): RunFlags | string {
	let values: { "keepalived-conf"?: string; resources?: string; node?: string; state?: string };
	try {
		values = parseArgs({
			args: [...args],
			options: {
				"keepalived-conf": { type: "string" },
				resources: { type: "string" },
				node: { type: "string" },
				state: { type: "string" },
			},
		}).values;
	} catch (error) {
		return error instanceof Error ? error.message : String(error);
	}
	const { "keepalived-conf": file, resources: directory, node = hostname(), state = "/run/keepmesh-vip" } = values;
	if ((file === undefined) === (directory === undefined)) return "give --keepalived-conf FILE or --resources DIR";
	const source: VipSource =
		file !== undefined ? { type: "keepalivedConf", file } : { type: "resources", directory: directory ?? "" };
	return { node, state, source };
}
