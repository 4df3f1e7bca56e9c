// Health-check node ports: a load balancer outside asks each node whether it has an endpoint of the Service that is ready
// (`externalTrafficPolicy: Local`). In: the Services of the moment. Out: an HTTP server for each port on each of the node's
// addresses, and a problem for each that cannot be had.

import { createServer, type Server } from "node:http";
import type { Layer4Service } from "../../l4/layer4-service.ts";
import type { NodeFacts } from "../../l4/node-facts.ts";
import { familyOf } from "../../l4/services/canonical-address.ts";
import { healthCheckAnswer } from "../../l4/services/health-check-answer.ts";
import type { Cancel, Clock } from "../../runtime/clock.ts";
import type { RulesProblem } from "./layer4-status.ts";

export interface HealthCheckPortsDeps {
	/** The rules are up to date. */
	readonly isHealthy: () => boolean;
	readonly clock: Clock;
}

interface Listener {
	readonly server: Server;
	service: Layer4Service;
	because?: string;
}

const againMs = 5_000;

export class HealthCheckPorts {
	readonly #deps: HealthCheckPortsDeps;
	/** By `ADDRESS PORT`. */
	readonly #listeners = new Map<string, Listener>();
	#node: NodeFacts | undefined;
	#cancelRetry: Cancel = () => {};

	constructor(deps: HealthCheckPortsDeps) {
		this.#deps = deps;
	}

	set(services: Iterable<Layer4Service>, node: NodeFacts): void {
		this.#node = node;
		const wanted = new Map<string, Layer4Service>();
		for (const service of services) {
			const port = service.healthCheckNodePort;
			if (port === undefined) continue;
			for (const address of node.nodePortAddresses) wanted.set(`${address} ${port}`, service);
		}
		for (const [place, listener] of this.#listeners) if (!wanted.has(place)) this.#end(place, listener);
		for (const [place, service] of wanted) {
			const listener = this.#listeners.get(place);
			if (listener) listener.service = service;
			else this.#begin(place, service);
		}
	}

	problems(): readonly RulesProblem[] {
		return [...this.#listeners].flatMap(([place, { because }]) =>
			because === undefined ? [] : [{ about: `health check port ${place}`, because }],
		);
	}

	close(): void {
		this.#cancelRetry();
		for (const [place, listener] of this.#listeners) this.#end(place, listener);
	}

	#begin(place: string, service: Layer4Service): void {
		const [address = "", port = ""] = place.split(" ");
		const server = createServer((_request, response) => {
			const listener = this.#listeners.get(place);
			if (!listener || !this.#node) return void response.destroy();
			const answer = healthCheckAnswer(listener.service, this.#node, familyOf(address), this.#deps.isHealthy());
			response.writeHead(answer.status, answer.headers).end(answer.body);
		});
		const listener: Listener = { server, service };
		this.#listeners.set(place, listener);
		server.on("error", (error) => {
			listener.because = error.message;
			this.#cancelRetry();
			this.#cancelRetry = this.#deps.clock.after(againMs, () => this.#retry());
		});
		server.listen(Number(port), address);
	}

	/** Somebody else had the port, or the address was not there. */
	#retry(): void {
		for (const [place, listener] of this.#listeners) {
			if (listener.because === undefined) continue;
			this.#end(place, listener);
			this.#begin(place, listener.service);
		}
	}

	#end(place: string, { server }: Listener): void {
		this.#listeners.delete(place);
		server.close();
		server.closeAllConnections();
	}
}
