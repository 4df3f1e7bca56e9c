// Who answers a pod's probes while its Envoy is away: the agent, on the same port in the pod's network namespace. Otherwise Kubernetes
// would end an application that is well, because the proxy in front of it is not. It goes before the next Envoy starts.

import { type AppProbes, parseAppProbes } from "../../inject/app-probe.ts";
import { probePort } from "../../inject/rewrite-probes.ts";
import type { PodSpec } from "../../node/plan/pod-spec.ts";
import { askApplication } from "./ask-application.ts";
import { PodPort } from "./pod-port.ts";

const mostConnections = 64;

export class ProbeStandIn {
	readonly #probes: AppProbes;
	readonly #port: PodPort;

	/** `port`: for tests. */
	constructor({ container, ips, netns }: Pick<PodSpec, "netns" | "ips" | "container">, port = probePort) {
		const probes = parseAppProbes(container?.probes ?? "{}");
		const place = { netns, address: ips[0] ?? "127.0.0.1" };
		this.#probes = probes;
		this.#port = new PodPort({
			netns,
			port,
			mostConnections,
			answer: (request, response) => {
				const probe = probes.get((request.url ?? "").replace(/\?.*$/, ""));
				if (!probe) return void response.writeHead(404).end();
				void askApplication(probe, place, request.headers).then((status) => response.writeHead(status).end());
			},
		});
	}

	/** Does nothing for a pod without rewritten probes, or where somebody has the port: an Envoy that still ends. */
	open(): void {
		if (this.#probes.size > 0) this.#port.open();
	}

	/** The port is free when this returns. */
	close(): void {
		this.#port.close();
	}
}
