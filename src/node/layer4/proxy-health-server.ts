// What kube-proxy answers of itself, on the ports where clusters and load balancers expect it: /healthz and /livez, and /metrics.
// /healthz says 503 when this node is to get no new connections, /livez only when the rules are not kept up.

import { createServer, type Server } from "node:http";
import type { ListenAddress } from "../../l4/services/kube-proxy-settings.ts";

export interface ProxyHealth {
	/** Rules are kept up to date. */
	readonly isHealthy: boolean;
	/** This node is to get connections: false while it is being taken away. */
	readonly isEligible: boolean;
	/** Milliseconds since the epoch when rules were in force last. */
	readonly lastUpdatedMs: number;
}

export interface ProxyHealthDeps {
	readonly health: () => ProxyHealth;
	readonly metrics: () => Promise<string>;
	readonly wallMs: () => number;
	readonly onAnswered: (which: "healthz" | "livez", status: number) => void;
	/** It cannot listen. */
	readonly onProblem: (because: string) => void;
}

export interface ProxyHealthServer {
	close(): void;
}

export function startProxyHealthServer(listen: ListenAddress, deps: ProxyHealthDeps): ProxyHealthServer {
	const server: Server = createServer((request, response) => {
		const path = (request.url ?? "").split("?", 1)[0];
		if (path === "/metrics") {
			const type = "text/plain; version=0.0.4; charset=utf-8";
			deps.metrics().then(
				(text) => response.writeHead(200, { "content-type": type }).end(text),
				() => response.writeHead(500).end(),
			);
			return;
		}
		if (path !== "/healthz" && path !== "/livez") return void response.writeHead(404).end("no such path\n");
		const { isHealthy, isEligible, lastUpdatedMs } = deps.health();
		const isWell = isHealthy && (path === "/livez" || isEligible);
		const body = {
			lastUpdated: new Date(lastUpdatedMs).toISOString(),
			currentTime: new Date(deps.wallMs()).toISOString(),
			...(path === "/healthz" ? { nodeEligible: isEligible } : {}),
		};
		const status = isWell ? 200 : 503;
		deps.onAnswered(path === "/healthz" ? "healthz" : "livez", status);
		const headers = { "content-type": "application/json", "x-content-type-options": "nosniff" };
		response.writeHead(status, headers).end(JSON.stringify(body));
	});
	server.on("error", (error) => deps.onProblem(error.message));
	server.listen(listen.port, listen.address);
	return {
		close: () => {
			server.close();
			server.closeAllConnections();
		},
	};
}
