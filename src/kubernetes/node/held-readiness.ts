// Who answers the question for a pod's readiness before its Envoy is there: the agent, on the same port in the pod's network namespace, and
// not before Envoy itself says yes. Kubelet asks once a second and starts the application when it hears yes: a question that is held
// open is answered at that very moment, one that is refused is asked again a second later.

import type { ServerResponse } from "node:http";
import { readinessPort } from "../../inject/proxy-container.ts";
import type { PodSpec } from "../../node/plan/pod-spec.ts";
import { readinessPath } from "../../node/plan/watch-listener.ts";
import type { Cancel, Clock } from "../../runtime/clock.ts";
import { askApplication } from "./ask-application.ts";
import { PodPort } from "./pod-port.ts";

const mostConnections = 16;
/** Less than the probe's own time, 3 s: who asks is to hear no, not nothing. */
const holdMs = 2_500;
const lookMs = 20;

export class HeldReadiness {
	readonly #pod: Pick<PodSpec, "netns" | "ips">;
	readonly #clock: Clock;
	readonly #port: PodPort;
	readonly #held = new Map<ServerResponse, Cancel>();
	#cancelLook: Cancel = () => {};

	constructor(pod: Pick<PodSpec, "netns" | "ips">, clock: Clock) {
		this.#pod = pod;
		this.#clock = clock;
		this.#port = new PodPort({
			netns: pod.netns,
			port: readinessPort,
			mostConnections,
			answer: ({ url }, response) => {
				if (url === readinessPath) this.#hold(response);
				else response.writeHead(404).end();
			},
		});
	}

	/** Does nothing where somebody has the port: an Envoy that still ends. */
	open(): void {
		this.#port.open();
	}

	/** Envoy comes: the port is free when this returns. What is held is answered as Envoy answers, or no when it takes too long. */
	handOver(): void {
		this.#port.close(true);
		this.#look();
	}

	/** What is held is answered no. */
	close(): void {
		this.#port.close(true);
		this.#answerAll(503);
	}

	#hold(response: ServerResponse): void {
		const forget = (): void => {
			this.#held.get(response)?.();
			this.#held.delete(response);
		};
		this.#held.set(
			response,
			this.#clock.after(holdMs, () => {
				forget();
				response.writeHead(503).end();
			}),
		);
		response.on("close", forget);
	}

	#look(): void {
		this.#cancelLook();
		if (this.#held.size === 0 || this.#port.isOpen) return;
		const { ips, netns } = this.#pod;
		const probe = {
			kind: "http",
			path: readinessPath,
			port: readinessPort,
			tls: false,
			timeoutMs: 1_000,
			periodMs: 1_000,
		} as const;
		void askApplication(probe, { netns, address: ips[0] ?? "127.0.0.1" }).then((status) => {
			if (status === 200) this.#answerAll(200);
			else this.#cancelLook = this.#clock.after(lookMs, () => this.#look());
		});
	}

	#answerAll(status: number): void {
		this.#cancelLook();
		for (const [response, cancel] of [...this.#held]) {
			cancel();
			this.#held.delete(response);
			response.writeHead(status).end();
		}
	}
}
