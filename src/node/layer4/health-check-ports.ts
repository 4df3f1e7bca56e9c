// Health-check node ports: a load balancer outside asks each node whether it has an endpoint of the Service that is ready
// (`externalTrafficPolicy: Local`). In: the Services that changed, and what the node is. Out: an HTTP server for each port on each of
// the node's addresses, and a problem for each that cannot be had. Of Services without such a port nothing is kept.

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
	/** By port, then by Service: an API server gives no port twice, but Services come from files too. The last one answers. */
	readonly #wanted = new Map<number, Map<string, Layer4Service>>();
	readonly #portOf = new Map<string, number>();
	#node: NodeFacts | undefined;
	#isClosed = false;
	#cancelRetry: Cancel = () => {};

	constructor(deps: HealthCheckPortsDeps) {
		this.#deps = deps;
	}

	/** By NAMESPACE/NAME; undefined: the Service is gone. */
	update(changed: ReadonlyMap<string, Layer4Service | undefined>, node: NodeFacts): void {
		// What a balancer that is closing still has to write comes after.
		if (this.#isClosed) return;
		const isNodeNew = node !== this.#node;
		this.#node = node;
		const ports = new Set<number>();
		for (const [key, service] of changed) for (const port of this.#take(key, service)) ports.add(port);
		if (isNodeNew) {
			for (const [place, listener] of this.#listeners)
				if (!node.nodePortAddresses.some((address) => place.startsWith(`${address} `))) this.#end(place, listener);
			for (const port of this.#wanted.keys()) ports.add(port);
		}
		for (const port of ports) this.#serve(port, node.nodePortAddresses);
	}

	problems(): readonly RulesProblem[] {
		return [...this.#listeners].flatMap(([place, { because }]) =>
			because === undefined ? [] : [{ about: `health check port ${place}`, because }],
		);
	}

	close(): void {
		this.#isClosed = true;
		this.#cancelRetry();
		for (const [place, listener] of this.#listeners) this.#end(place, listener);
	}

	/** The ports that it had and has. */
	#take(key: string, service: Layer4Service | undefined): readonly number[] {
		const before = this.#portOf.get(key);
		const port = service?.healthCheckNodePort;
		if (before !== undefined && before !== port) {
			this.#portOf.delete(key);
			this.#wanted.get(before)?.delete(key);
		}
		if (service && port !== undefined) {
			this.#portOf.set(key, port);
			this.#wanted.set(port, (this.#wanted.get(port) ?? new Map<string, Layer4Service>()).set(key, service));
		}
		return [before, port].filter((one) => one !== undefined);
	}

	#serve(port: number, addresses: readonly string[]): void {
		const service = [...(this.#wanted.get(port)?.values() ?? [])].at(-1);
		if (!service) this.#wanted.delete(port);
		for (const address of addresses) {
			const place = `${address} ${port}`;
			const listener = this.#listeners.get(place);
			if (service && listener) listener.service = service;
			else if (service) this.#begin(place, service);
			else if (listener) this.#end(place, listener);
		}
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
