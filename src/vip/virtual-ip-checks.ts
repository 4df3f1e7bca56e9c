// Checks of VirtualIPs in, trackers and who is tracked with which weight out.

import type { VirtualIPCheck, VirtualIPSpec } from "../resources/kinds/virtual-ip.ts";
import { parseDurationMs } from "../resources/text/duration.ts";
import type { TrackedBy, TrackerCheck, TrackerConfig } from "./vip-config.ts";

export const checkDefaults = {
	probe: { intervalMs: 50, timeoutMs: 250, rise: 10, fall: 2 },
	script: { intervalMs: 1000, rise: 2, fall: 2 },
	/** Events, not polls: each result is final. */
	event: { rise: 1, fall: 1 },
	degradedWeight: -50,
} as const;

/** Trackers of several VirtualIPs: equal checks of one name are run once. */
export class TrackerSet {
	private readonly byName = new Map<string, TrackerConfig>();

	get trackers(): readonly TrackerConfig[] {
		return [...this.byName.values()];
	}

	/** `owner` comes before the name when another check has it. */
	add(check: VirtualIPCheck, spec: VirtualIPSpec, owner: string): TrackedBy {
		const tracker = trackerOf(check, spec);
		const same = this.byName.get(check.name);
		const isShared = same !== undefined && isSameRun(same, tracker);
		const name = same === undefined || isShared ? check.name : `${owner}/${check.name}`;
		if (!isShared) this.byName.set(name, { ...tracker, name });
		return { tracker: name, weight: tracker.weight, reverse: tracker.reverse };
	}
}

/** Weights are those of each VirtualIP. */
function isSameRun(a: TrackerConfig, b: TrackerConfig): boolean {
	const runOf = ({ weight: _weight, reverse: _reverse, ...run }: TrackerConfig): string => JSON.stringify(run);
	return runOf(a) === runOf(b);
}

function trackerOf(check: VirtualIPCheck, spec: VirtualIPSpec): TrackerConfig {
	const run = trackerCheckOf(check);
	const defaults = defaultsOf(run);
	const failureClass = check.class ?? (check.weight === undefined && !check.firstResultDecides ? "dead" : undefined);
	return {
		name: check.name,
		weight: check.weight ?? (check.class === "degraded" ? degradedWeightOf(spec) : 0),
		reverse: check.reverse ?? false,
		rise: check.rise ?? defaults.rise,
		fall: check.fall ?? defaults.fall,
		startsFailed: check.startsFailed ?? false,
		firstResultDecides: check.firstResultDecides ?? false,
		...(failureClass === undefined ? {} : { failureClass }),
		check: run,
	};
}

function defaultsOf(run: TrackerCheck): { readonly rise: number; readonly fall: number } {
	if (run.type === "script") return checkDefaults.script;
	return run.type === "tcp" || run.type === "http" || run.type === "grpc" ? checkDefaults.probe : checkDefaults.event;
}

/** One more than the widest gap: a degraded node falls below every healthy one, and degraded nodes keep their order. */
function degradedWeightOf({ nodes = [], priority: shared = 100 }: VirtualIPSpec): number {
	const priorities = nodes.map(({ priority }) => priority ?? shared);
	if (priorities.length < 2) return checkDefaults.degradedWeight;
	return -Math.min(253, Math.max(...priorities) - Math.min(...priorities) + 1);
}

function trackerCheckOf(check: VirtualIPCheck): TrackerCheck {
	const { probe, script } = checkDefaults;
	const intervalMs = msOf(check.interval, check.script ? script.intervalMs : probe.intervalMs);
	const timeoutMs = msOf(check.timeout, check.script ? intervalMs : probe.timeoutMs);
	const polled = { intervalMs, timeoutMs };
	const local = "127.0.0.1";
	if (check.script) {
		const { command, user, group } = check.script;
		return {
			type: "script",
			argv: command,
			...(user === undefined ? {} : { user }),
			...(group === undefined ? {} : { group }),
			...polled,
		};
	}
	if (check.file) {
		const { path, initial, overwrites } = check.file;
		return { type: "file", path, ...(initial === undefined ? {} : { initial }), ...(overwrites ? { overwrites } : {}) };
	}
	if (check.process) {
		const { delay, terminateDelay, quorum = 1, ...rest } = check.process;
		const terminateDelayMs = msOf(terminateDelay, 0);
		return {
			type: "process",
			...rest,
			quorum,
			delayMs: msOf(delay, 0),
			...(terminateDelayMs > 0 ? { terminateDelayMs } : {}),
		};
	}
	if (check.interface !== undefined) return { type: "interface", interface: check.interface };
	if (check.route !== undefined) return { type: "route", destination: check.route };
	if (check.tcp) return { type: "tcp", host: check.tcp.host ?? local, port: check.tcp.port, ...polled };
	if (check.grpc)
		return {
			type: "grpc",
			host: check.grpc.host ?? local,
			port: check.grpc.port,
			service: check.grpc.service ?? "",
			...polled,
		};
	if (check.envoyReady)
		return {
			type: "http",
			url: `http://${local}:${check.envoyReady.port ?? 15021}/healthz/ready`,
			insecure: false,
			...polled,
		};
	if (check.controlReady)
		return {
			type: "http",
			url: `http://${local}:${check.controlReady.port ?? 15014}/readyz`,
			insecure: false,
			...polled,
		};
	// The API server's certificate names its Service, seldom the loopback address.
	if (check.apiServer)
		return { type: "http", url: `https://${local}:${check.apiServer.port ?? 6443}/livez`, insecure: true, ...polled };
	return { type: "http", url: check.http?.url ?? "", insecure: check.http?.insecure ?? false, ...polled };
}

export function msOf(text: string | undefined, otherwise: number): number {
	return text === undefined ? otherwise : (parseDurationMs(text) ?? otherwise);
}
