// A probe of the application that the proxy's port 15020 answers in its place, and its text in the environment variable
// ISTIO_KUBE_APP_PROBERS: a JSON object from path to probe, with Istio's field names.

import { isObject } from "./pod-shape.ts";

interface AppProbeBase {
	readonly port: number;
	readonly timeoutMs: number;
	/** How often Kubernetes asks. */
	readonly periodMs: number;
}

export type AppProbe =
	| (AppProbeBase & {
			readonly kind: "http";
			readonly path: string;
			readonly tls: boolean;
			/** Host header that the probe asks for; otherwise the one that Kubernetes would have sent: address and port. */
			readonly host?: string;
	  })
	| (AppProbeBase & { readonly kind: "tcp" })
	| (AppProbeBase & { readonly kind: "grpc"; readonly service: string });

export type AppProbes = ReadonlyMap<string, AppProbe>;

export const appProbesVariable = "ISTIO_KUBE_APP_PROBERS";

export function renderAppProbes(probes: AppProbes): string {
	return JSON.stringify(Object.fromEntries([...probes].map(([path, probe]) => [path, proberOf(probe)])));
}

function proberOf(probe: AppProbe): object {
	const times = { timeoutSeconds: probe.timeoutMs / 1000, periodSeconds: probe.periodMs / 1000 };
	switch (probe.kind) {
		case "http": {
			const { host, path, port, tls } = probe;
			const httpHeaders = host === undefined ? {} : { httpHeaders: [{ name: "Host", value: host }] };
			return { httpGet: { path, port, scheme: tls ? "HTTPS" : "HTTP", ...httpHeaders }, ...times };
		}
		case "tcp":
			return { tcpSocket: { port: probe.port }, ...times };
		case "grpc":
			return { grpc: { port: probe.port, service: probe.service }, ...times };
		default:
			return probe satisfies never;
	}
}

/** What is not a probe in it is left out: the text is in the pod, where anybody who may write pods can change it. */
export function parseAppProbes(text: string): AppProbes {
	let value: unknown;
	try {
		value = JSON.parse(text);
	} catch {
		return new Map();
	}
	if (!isObject(value)) return new Map();
	return new Map(
		Object.entries(value).flatMap(([path, prober]): readonly (readonly [string, AppProbe])[] => {
			const probe = /^\/app-(?:health|lifecycle)\/[a-z0-9-]+\/[a-z]+$/.test(path) ? probeOf(prober) : undefined;
			return probe === undefined ? [] : [[path, probe]];
		}),
	);
}

function probeOf(prober: unknown): AppProbe | undefined {
	if (!isObject(prober)) return undefined;
	const times = { timeoutMs: secondsOf(prober.timeoutSeconds, 1), periodMs: secondsOf(prober.periodSeconds, 10) };
	const { grpc, httpGet, tcpSocket } = prober;
	if (isObject(httpGet) && isPort(httpGet.port)) {
		const headers = Array.isArray(httpGet.httpHeaders) ? httpGet.httpHeaders.filter(isObject) : [];
		const host = headers.find(({ name }) => String(name).toLowerCase() === "host")?.value;
		const path = typeof httpGet.path === "string" && httpGet.path.startsWith("/") ? httpGet.path : "/";
		const named = typeof host === "string" && host !== "" ? { host } : {};
		return { kind: "http", port: httpGet.port, path, tls: httpGet.scheme === "HTTPS", ...named, ...times };
	}
	if (isObject(tcpSocket) && isPort(tcpSocket.port)) return { kind: "tcp", port: tcpSocket.port, ...times };
	if (isObject(grpc) && isPort(grpc.port)) {
		const service = typeof grpc.service === "string" ? grpc.service : "";
		return { kind: "grpc", port: grpc.port, service, ...times };
	}
	return undefined;
}

function secondsOf(value: unknown, fallback: number): number {
	return (typeof value === "number" && value > 0 && value <= 86_400 ? value : fallback) * 1000;
}

export function isPort(value: unknown): value is number {
	return typeof value === "number" && Number.isInteger(value) && value >= 1 && value <= 65_535;
}
