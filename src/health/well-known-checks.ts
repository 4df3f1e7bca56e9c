// Checks of parts whose health endpoint everybody knows, as checks like any other.

import type { TrackerCheck } from "../vip/vip-config.ts";

type HttpCheck = Extract<TrackerCheck, { type: "http" }>;

/** Local processes answer in under a millisecond: asked often, a hang is seen soon, and death at once by the tripwire. */
const often = { intervalMs: 100, timeoutMs: 500 };

/** Envoy's readiness as its listener on 15021 says it. */
export function envoyReadyCheck(port = 15_021, host = "127.0.0.1"): HttpCheck {
	return { type: "http", url: `http://${bracketed(host)}:${port}/healthz/ready`, insecure: false, ...often };
}

/** A Keepmesh control plane's `/readyz`, on its port for metrics. */
export function controlReadyCheck(port = 15_014, host = "127.0.0.1"): HttpCheck {
	return { type: "http", url: `http://${bracketed(host)}:${port}/readyz`, insecure: false, ...often };
}

/** A Kubernetes API server's `/livez`. Without its authority's file its certificate is not verified. */
export function apiServerLiveCheck(caFile?: string, port = 6443, host = "127.0.0.1"): HttpCheck {
	const url = `https://${bracketed(host)}:${port}/livez`;
	const trust = caFile === undefined ? { insecure: true } : { insecure: false, caFile };
	return { type: "http", url, ...trust, intervalMs: 1000, timeoutMs: 1000 };
}

const bracketed = (host: string): string => (host.includes(":") ? `[${host}]` : host);
