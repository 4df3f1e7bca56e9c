// How a container is probed: its three probes with every default filled in, times in milliseconds.

import type { Container, Probe } from "../../resources/kinds/core.ts";
import { type ContainerConfig, defaultBackOff, type ProbeName } from "./container-machine.ts";

export type ProbeCheck =
	| { readonly kind: "http"; readonly port: number; readonly path: string; readonly tls: boolean }
	| { readonly kind: "tcp"; readonly port: number }
	| { readonly kind: "exec"; readonly command: readonly string[] };

export interface PlannedProbe {
	readonly probe: ProbeName;
	readonly check: ProbeCheck;
	readonly initialDelayMs: number;
	readonly periodMs: number;
	/** Used until the first success: a lab should not wait 10 s to see that a pod is ready. */
	readonly firstPeriodMs: number;
	readonly timeoutMs: number;
}

export interface ProbePlan {
	readonly config: ContainerConfig;
	readonly probes: readonly PlannedProbe[];
}

/**
 * A container without probes but with ports counts as started when it listens on the first of them (asked every 25 ms, for at most
 * 10 s): in Kubernetes it would be ready at once, and the first requests would be lost.
 */
export function planProbes(container: Container): ProbePlan {
	const given: readonly (readonly [ProbeName, Probe | undefined])[] = [
		["startup", container.startupProbe],
		["liveness", container.livenessProbe],
		["readiness", container.readinessProbe],
	];
	const probes: PlannedProbe[] = [];
	const thresholds: Partial<Record<ProbeName, ContainerConfig["probes"][ProbeName]>> = {};
	for (const [name, probe] of given) {
		const check = probe && checkOf(probe, container);
		if (!probe || !check) continue;
		const periodMs = (probe.periodSeconds ?? 10) * 1000;
		probes.push({
			probe: name,
			check,
			initialDelayMs: (probe.initialDelaySeconds ?? 0) * 1000,
			periodMs,
			firstPeriodMs: name === "readiness" ? Math.min(periodMs, 200) : periodMs,
			timeoutMs: (probe.timeoutSeconds ?? 1) * 1000,
		});
		thresholds[name] = { success: probe.successThreshold ?? 1, failure: probe.failureThreshold ?? 3 };
	}
	const port = container.ports?.find((one) => (one.protocol ?? "TCP") === "TCP")?.containerPort;
	if (!thresholds.startup && !thresholds.readiness && port !== undefined) {
		const common = { initialDelayMs: 0, periodMs: 25, firstPeriodMs: 25, timeoutMs: 1000 };
		probes.push({ probe: "startup", check: { kind: "tcp", port }, ...common });
		thresholds.startup = { success: 1, failure: 400, onFailure: "pass" };
	}
	return { config: { probes: thresholds, ...defaultBackOff }, probes };
}

function checkOf(probe: Probe, container: Container): ProbeCheck | undefined {
	const number = (port: number | string): number =>
		typeof port === "number"
			? port
			: (container.ports?.find((one) => one.name === port)?.containerPort ?? Number(port));
	if (probe.httpGet) {
		const { port, path, scheme } = probe.httpGet;
		return { kind: "http", port: number(port), path: path ?? "/", tls: scheme === "HTTPS" };
	}
	if (probe.tcpSocket) return { kind: "tcp", port: number(probe.tcpSocket.port) };
	if (probe.exec) return { kind: "exec", command: probe.exec.command };
	// gRPC health: that the server accepts connections is what the lab looks at.
	if (probe.grpc) return { kind: "tcp", port: probe.grpc.port };
	return undefined;
}
