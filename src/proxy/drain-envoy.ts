// Before a proxy ends: Envoy closes connections as requests come to their end, while it still takes new ones from whoever has not heard
// yet. Done when nobody is left, or when the time is over. A plain proxy and a gateway say that they are not ready any more; a native
// sidecar serves an application that has not ended, so only its callers take leave.

import { request } from "node:http";

export interface DrainOptions {
	/** `inbound`: connections of the application to others stay, and are not waited for. */
	readonly direction: "inbound" | "both";
	readonly admin: { readonly host: string; readonly port: number };
	/** At least: until callers have heard that the pod goes. */
	readonly leastMs: number;
	/** At most. Kubernetes ends the container after the pod's terminationGracePeriodSeconds in any case. */
	readonly mostMs: number;
}

const askEveryMs = 250;
/** Listeners of Envoy's own matters: Kubernetes' probes, scrapers and the node's agent (by sockets of files) come to them as long as it lives. */
const ownListeners = /_(?:15000|15020|15021|15053|15090)\.|^listener\.(?:admin\.|[/@])/;

const inboundListener = /^listener\.[^/@]*_15006\./;

/** What it takes, in order; each is asked again until Envoy has answered it. */
const orders = {
	both: ["/healthcheck/fail", "/drain_listeners?graceful&skip_exit"],
	inbound: ["/drain_listeners?graceful&inboundonly&skip_exit"],
} as const;

/** Resolves to how many connections were still there, as far as Envoy has said. One that is gone has none. */
export async function drainEnvoy({ admin, direction, leastMs, mostMs }: DrainOptions): Promise<number> {
	const startMs = performance.now();
	const due: string[] = [...orders[direction]];
	let left = 0;
	for (;;) {
		try {
			while (due[0] !== undefined) {
				await ask(admin, "POST", due[0]);
				due.shift();
			}
			left = countConnections(await ask(admin, "GET", "/stats?filter=downstream_cx_active$"), direction);
		} catch (error) {
			// Its node may have ended it already: nobody is left to wait for.
			if ((error as NodeJS.ErrnoException).code === "ECONNREFUSED") return 0;
		}
		const passedMs = performance.now() - startMs;
		if ((due.length === 0 && left === 0 && passedMs >= leastMs) || passedMs >= mostMs) return left;
		await new Promise((resolve) => setTimeout(resolve, askEveryMs));
	}
}

/** Of `listener.0.0.0.0_15006.downstream_cx_active: 3` and its like; those of each worker are counted in them. */
export function countConnections(stats: string, direction: DrainOptions["direction"]): number {
	const counts = (line: string): boolean =>
		direction === "inbound" ? inboundListener.test(line) : line.startsWith("listener.") && !ownListeners.test(line);
	return stats
		.split("\n")
		.filter((line) => counts(line) && !/\.worker_\d+\./.test(line))
		.reduce((sum, line) => sum + (Number(line.split(": ")[1]) || 0), 0);
}

function ask({ host, port }: DrainOptions["admin"], method: string, path: string): Promise<string> {
	return new Promise((resolve, reject) => {
		const asked = request({ host, port, method, path, agent: false, timeout: 5000 }, (response) => {
			let text = "";
			response.setEncoding("utf8").on("data", (chunk: string) => {
				text += chunk;
			});
			response.on("error", reject);
			response.on("end", () => {
				if (response.statusCode === 200) resolve(text);
				else reject(new Error(`${method} ${path}: ${response.statusCode}`));
			});
		});
		asked.on("timeout", () => asked.destroy(new Error(`${method} ${path}: no answer`)));
		asked.on("error", reject);
		asked.end();
	});
}
