// The application's containers -> the same with their probes turned to the proxy's port 15020, and what that port must ask in turn.
// Without it mutual TLS would refuse Kubernetes' own probes, and a TCP probe would find Envoy, not the application. `exec`
// probes stay. Paths are Istio's: /app-health/CONTAINER/{readyz,livez,startupz}, /app-lifecycle/CONTAINER/{poststartz,prestopz}.

import { type AppProbe, isPort } from "./app-probe.ts";
import type { Container, HttpGet, LifecycleHandler, Probe } from "./pod-shape.ts";

export const probePort = 15_020;

const probeNames = { readinessProbe: "readyz", livenessProbe: "livez", startupProbe: "startupz" } as const;
const lifecycleNames = { postStart: "poststartz", preStop: "prestopz" } as const;
/** A hook may take as long as it likes; something has to end it. */
const hookTimeoutMs = 600_000;

export interface RewrittenContainer {
	readonly container: Container;
	readonly probes: readonly (readonly [path: string, probe: AppProbe])[];
}

export function rewriteProbes(container: Container): RewrittenContainer {
	const probes: [string, AppProbe][] = [];
	let rewritten = container;
	for (const [field, name] of Object.entries(probeNames) as [keyof typeof probeNames, string][]) {
		const probe = container[field];
		const asked = probe && appProbeOf(probe, container);
		if (!probe || !asked) continue;
		const path = `/app-health/${container.name}/${name}`;
		probes.push([path, asked]);
		const { grpc: _grpc, tcpSocket: _tcp, httpGet, ...rest } = probe;
		rewritten = { ...rewritten, [field]: { ...rest, httpGet: turned(path, httpGet) } };
	}
	for (const [hook, name] of Object.entries(lifecycleNames) as [keyof typeof lifecycleNames, string][]) {
		const handler = container.lifecycle?.[hook];
		const asked = handler?.httpGet && httpProbeOf(handler.httpGet, container, hookTimeoutMs, hookTimeoutMs);
		if (!handler || !asked) continue;
		const path = `/app-lifecycle/${container.name}/${name}`;
		probes.push([path, asked]);
		const changed: LifecycleHandler = { ...handler, httpGet: turned(path, handler.httpGet) };
		rewritten = { ...rewritten, lifecycle: { ...rewritten.lifecycle, [hook]: changed } };
	}
	return { container: rewritten, probes };
}

/** Undefined: it is left as it is. An `exec` probe, or a named port that the container does not have (Kubernetes refuses it). */
function appProbeOf(probe: Probe, container: Container): AppProbe | undefined {
	const timeoutMs = (probe.timeoutSeconds ?? 1) * 1000;
	const periodMs = (probe.periodSeconds ?? 10) * 1000;
	if (probe.httpGet) return httpProbeOf(probe.httpGet, container, timeoutMs, periodMs);
	if (probe.tcpSocket) {
		// A probe of another host than the pod is not the proxy's matter.
		if (probe.tcpSocket.host) return undefined;
		const port = portOf(probe.tcpSocket.port, container);
		return port === undefined ? undefined : { kind: "tcp", port, timeoutMs, periodMs };
	}
	if (probe.grpc && isPort(probe.grpc.port))
		return { kind: "grpc", port: probe.grpc.port, service: probe.grpc.service ?? "", timeoutMs, periodMs };
	return undefined;
}

function httpProbeOf(
	httpGet: HttpGet,
	container: Container,
	timeoutMs: number,
	periodMs: number,
): AppProbe | undefined {
	const port = portOf(httpGet.port, container);
	if (port === undefined || (httpGet.host && !/^(?:localhost|127\.0\.0\.1|::1)$/.test(httpGet.host))) return undefined;
	const host = httpGet.httpHeaders?.find(({ name }) => name.toLowerCase() === "host")?.value;
	const path = httpGet.path ? `${httpGet.path.startsWith("/") ? "" : "/"}${httpGet.path}` : "/";
	const named = host ? { host } : {};
	return { kind: "http", port, path, tls: httpGet.scheme === "HTTPS", ...named, timeoutMs, periodMs };
}

/** Other headers go on with the request; the host is put in by the proxy. */
function turned(path: string, httpGet: HttpGet | undefined): HttpGet {
	const httpHeaders = httpGet?.httpHeaders?.filter(({ name }) => name.toLowerCase() !== "host") ?? [];
	return { path, port: probePort, scheme: "HTTP", ...(httpHeaders.length > 0 ? { httpHeaders } : {}) };
}

function portOf(port: number | string, container: Container): number | undefined {
	if (isPort(port)) return port;
	if (typeof port === "string" && /^\d+$/.test(port) && isPort(Number(port))) return Number(port);
	return container.ports?.find(({ name }) => name === port)?.containerPort;
}
