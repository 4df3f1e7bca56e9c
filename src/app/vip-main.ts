// `keepmesh vip run` and `vip clean-up`, without the command line's libraries: the process that carries virtual IPs starts fast
// and stays small.

import type { Server } from "node:net";
import { hostname } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { startLineLog } from "../runtime/line-log.ts";
import type { Log } from "../runtime/log.ts";
import { failedProcess } from "./failed-process.ts";
import { type ListenAddress, listenAddressOf } from "./listen-address.ts";
import { lockNamespace } from "./namespace-lock.ts";
import { defaultVipState } from "./vip/default-state.ts";
import type { Layer4Choice } from "./vip/layer4-child.ts";
import { startOverWhenCold } from "./vip/lean-start.ts";
import { type LoadedConfig, loadVipConfig, type VipSource } from "./vip/load-vip-config.ts";
import { clusterConfName, emptyPreparedConfig, preparedFileName } from "./vip/prepared-config.ts";
import { startVip } from "./vip.ts";

/** Two would take each other's addresses away. */
const vipLock = "\0keepmesh-vip";
const standByPauseMs = 500;

/** Runs until SIGTERM or SIGINT. Resolves to the exit code (sysexits). */
export async function runVip(args: readonly string[]): Promise<number> {
	const flags = readFlags(args);
	if (typeof flags === "string") return failedProcess(64, flags, "keepmesh vip run --help");
	const { node, source } = flags;
	const log = startLineLog({ facts: { part: "vip", node } });
	const load = async (): Promise<LoadedConfig> => {
		const read = await loadVipConfig(source, node);
		// What the cluster says is written anew; until then there is nothing.
		return !read.ok && flags.feed ? { ok: true, ...emptyPreparedConfig, problems: read.problems } : read;
	};
	let loaded = await load();
	startOverWhenCold();
	logProblems(loaded, log);
	if (!loaded.ok)
		return failedProcess(65, "there is nothing to run: the lines above say why", "keepmesh vip check FILE");
	const stopped = new Promise<void>((done) => {
		process.once("SIGTERM", () => done()).once("SIGINT", () => done());
	});
	let lock = await lockNamespace(2000, vipLock);
	if (!lock && flags.feed) {
		lock = await standBy(log, stopped);
		loaded = await load();
		if (!lock || !loaded.ok) return process.exit(0);
	}
	if (!lock)
		return failedProcess(
			69,
			"another keepmesh vip runs in this network namespace",
			"keepmesh vip status, or stop that one first",
		);
	const vip = await startVip({ ...flags, loaded }, { log });
	process.on("SIGHUP", () => void vip.reload());
	log.info({ instances: loaded.config.instances.length, startMs: Math.round(performance.now()) }, "virtual IPs run");
	tellSystemd("READY=1");
	await stopped;
	tellSystemd("STOPPING=1");
	await vip.close();
	lock.close();
	process.exit(0);
}

/** A static pod and a DaemonSet's may be on the same machine: the second one waits for the first one's end. */
function standBy(log: Log, stopped: Promise<void>): Promise<Server | undefined> {
	log.info({}, "another keepmesh vip runs in this network namespace: waits for its end");
	const locked = lockNamespace(Number.POSITIVE_INFINITY, vipLock, standByPauseMs);
	return Promise.race([locked, stopped.then(() => undefined)]);
}

/** Removes what a killed run left behind, unless another one runs already, which did that itself. */
export async function cleanUpVip(args: readonly string[]): Promise<number> {
	const { values } = parseArgs({ args: [...args], options: { state: { type: "string" } } });
	const lock = await lockNamespace(0, vipLock);
	if (!lock) return 0;
	const { openLinuxHostNetwork } = await import("../kernel/linux/linux-host-network.ts");
	const network = openLinuxHostNetwork({ stateFile: `${values.state ?? defaultVipState}/addresses` });
	const { removed, failed } = network.cleanUp();
	network.close();
	const log = startLineLog({ facts: { part: "vip" } });
	if (removed.length > 0) log.warn({ removed }, "what a killed run had left was removed");
	for (const { message } of failed) log.error({ because: message }, "not removed");
	lock.close();
	return failed.length > 0 ? 1 : 0;
}

interface RunFlags {
	readonly node: string;
	readonly state: string;
	readonly source: VipSource;
	readonly metricsListen?: ListenAddress;
	readonly realTime: boolean;
	readonly watchdog: boolean;
	readonly layer4?: Layer4Choice;
	/** Arguments of `vip feed`: a cluster says what to hold. */
	readonly feed?: readonly string[];
}

function readFlags(args: readonly string[]): RunFlags | string {
	let values: Partial<Record<(typeof textFlags)[number], string>> & {
		"no-real-time"?: boolean;
		"no-watchdog"?: boolean;
		kubernetes?: boolean;
		"only-own-class"?: boolean;
	};
	try {
		values = parseArgs({
			args: [...args],
			options: {
				"keepalived-conf": { type: "string" },
				resources: { type: "string" },
				node: { type: "string" },
				state: { type: "string" },
				"metrics-listen": { type: "string" },
				"no-real-time": { type: "boolean" },
				"no-watchdog": { type: "boolean" },
				"l4-backend": { type: "string" },
				kubernetes: { type: "boolean" },
				kubeconfig: { type: "string" },
				"kube-context": { type: "string" },
				namespace: { type: "string" },
				"config-map": { type: "string" },
				"only-own-class": { type: "boolean" },
			},
		}).values;
	} catch (error) {
		return error instanceof Error ? error.message : String(error);
	}
	const { "keepalived-conf": file, resources: directory, state = defaultVipState } = values;
	const node = values.node ?? ((values.kubernetes && process.env.NODE_NAME) || hostname());
	const namespace = values.namespace ?? process.env.POD_NAMESPACE;
	const misplaced = values.kubernetes ? undefined : clusterFlags.find((name) => values[name] !== undefined);
	if (misplaced !== undefined) return `--${misplaced} needs --kubernetes`;
	const source: VipSource | undefined = values.kubernetes
		? { type: "prepared", file: join(state, preparedFileName), conf: join(state, clusterConfName) }
		: sourceOf(file, directory);
	if (!source) return "give --keepalived-conf FILE, --resources DIR or --kubernetes";
	const metricsText = values["metrics-listen"];
	const metricsListen = metricsText === undefined ? undefined : listenAddressOf(metricsText);
	if (metricsText !== undefined && !metricsListen) return "--metrics-listen wants ADDRESS:PORT";
	const layer4 = layer4Of(values["l4-backend"] ?? "auto");
	if (layer4 === undefined) return "--l4-backend wants auto, nftables, ipvs or none";
	return {
		node,
		state,
		source,
		...(layer4 === "none" ? {} : { layer4 }),
		...(metricsListen ? { metricsListen } : {}),
		realTime: values["no-real-time"] !== true,
		watchdog: values["no-watchdog"] !== true,
		...(values.kubernetes ? { feed: feedArgs({ ...values, node, state, namespace }) } : {}),
	};
}

const clusterFlags = ["kubeconfig", "kube-context", "namespace", "config-map", "only-own-class"] as const;
const textFlags = [
	"keepalived-conf",
	"resources",
	"node",
	"state",
	"metrics-listen",
	"l4-backend",
	"kubeconfig",
	"kube-context",
	"namespace",
	"config-map",
] as const;

function feedArgs(values: Readonly<Record<string, string | boolean | undefined>>): readonly string[] {
	const names = ["state", "node", "resources", "keepalived-conf", ...clusterFlags];
	return names.flatMap((name) => {
		const value = values[name];
		return value === undefined || value === false ? [] : [`--${name}`, ...(value === true ? [] : [value])];
	}) as readonly string[];
}

function sourceOf(file: string | undefined, directory: string | undefined): VipSource | undefined {
	if (file !== undefined && directory === undefined) return { type: "keepalivedConf", file };
	return directory !== undefined && file === undefined ? { type: "resources", directory } : undefined;
}

function layer4Of(word: string): Layer4Choice | "none" | undefined {
	return (["auto", "nftables", "ipvs", "none"] as const).find((known) => known === word);
}

function logProblems({ problems }: LoadedConfig, log: Log): void {
	for (const { origin, message, hint, severity } of problems)
		log[severity === "error" ? "error" : "warn"](
			{ file: origin.file, line: origin.line, because: message, hint },
			"a problem in the configuration",
		);
}

/** systemd's notification (sd_notify); a datagram by its own program, since Node has none. Type=notify units wait for it. */
function tellSystemd(message: string): void {
	if (process.env.NOTIFY_SOCKET === undefined) return;
	void import("node:child_process").then(({ execFile }) => execFile("systemd-notify", [message], () => undefined));
}
