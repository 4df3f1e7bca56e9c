// Which requests the API answers at all. A page of another site must not reach it through the user's browser: neither by a
// name that resolves to this address (DNS rebinding: Host) nor by a form or a script (Origin).

import type { IncomingMessage } from "node:http";
import { isIP } from "node:net";

export type GuardVerdict =
	| { readonly ok: true }
	| { readonly ok: false; readonly status: 403 | 400; readonly because: string };

/** What probes and Prometheus ask for, and no more. */
const healthPaths: readonly string[] = ["/healthz", "/readyz", "/metrics"];

/**
 * `allowedHosts`: names, besides localhost and IP addresses, under which the API may be called. `healthOnly`: callers from other
 * machines and pods get its health and metrics alone.
 */
export function judgeRequest(
	request: IncomingMessage,
	allowedHosts: readonly string[],
	healthOnly = false,
): GuardVerdict {
	if (healthOnly && !isLoopback(request.socket.remoteAddress) && !isHealth(request))
		return { ok: false, status: 403, because: "from elsewhere this API tells its health and metrics only" };
	const host = request.headers.host;
	if (host === undefined) return { ok: false, status: 400, because: "the request has no Host header" };
	const name = hostName(host);
	if (!isAllowed(name, allowedHosts)) {
		return { ok: false, status: 403, because: `Host ${JSON.stringify(name)} is not one of this API's names` };
	}
	const origin = request.headers.origin;
	if (origin !== undefined && origin !== `http://${host}` && origin !== `https://${host}`) {
		return { ok: false, status: 403, because: "requests from pages of other origins are refused" };
	}
	return { ok: true };
}

const isLoopback = (address = ""): boolean => /^(?:::ffff:)?127\.|^::1$/.test(address);

const isHealth = ({ method, url = "" }: IncomingMessage): boolean =>
	(method === "GET" || method === "HEAD") && healthPaths.includes(url.replace(/\?.*$/s, ""));

function isAllowed(name: string, allowedHosts: readonly string[]): boolean {
	return name === "localhost" || name.endsWith(".localhost") || isIP(name) !== 0 || allowedHosts.includes(name);
}

/** `[::1]:15014` -> `::1`, `Localhost:15014` -> `localhost`. */
function hostName(host: string): string {
	const bracketed = /^\[([^\]]*)\](?::\d+)?$/.exec(host);
	return (bracketed?.[1] ?? host.replace(/:\d+$/, "")).toLowerCase();
}
