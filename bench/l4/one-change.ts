// One endpoint changes among thousands of Services: from the call that says so until a new connection (TCP) or packet (UDP) has
// reached the new endpoint, or none reaches the old one any more.

import { layer4Key } from "../../src/l4/layer4-service.ts";
import type { ServiceBalancer } from "../../src/node/layer4/service-balancer.ts";
import type { Rig } from "../../src/node/namespace-rig.testing.ts";
import { openBalancer, written } from "../../test/l4/open-balancer.ts";
import { type BenchRow, spreadOf } from "../support/bench-report.ts";
import {
	close,
	connectTo,
	dropWaiting,
	openServer,
	openSockets,
	receive,
	send,
	type Target,
	target,
} from "./fast-sockets.ts";
import { benchNode, createLane, type Lane } from "./lane.ts";
import {
	endpointAddress,
	endpointPort,
	manyServices,
	oneService,
	serviceAddress,
	servicePort,
} from "./many-services.ts";

const samples = 60;
const perService = 10;
/** So many new flows miss one of ten endpoints less than once in a hundred million. */
const flows = 200;

type Protocol = "tcp" | "udp";

/** A change of a UDP Service makes the machine look through its flows afterwards; it is asked for fewer times. */
export async function oneChangeRows(rig: Rig, services: number, aim?: string): Promise<readonly BenchRow[]> {
	const lane = createLane(rig, `change-${services}`);
	const balancer = openBalancer(lane.node, benchNode);
	// Another one has as many endpoints as the changing one is given.
	const other = services + 2;
	const larger = Array.from({ length: perService + 1 }, (_, index) =>
		endpointAddress((other + 100) * perService + index),
	);
	balancer.update(new Map([...manyServices(services, perService), ["bench/larger", oneService(other, larger)]]));
	await written(balancer);
	const rows = [
		...(await rowsOf(new ChangingService(lane, balancer, services, "tcp"), `${services} services, TCP`, samples, aim)),
		...(await rowsOf(
			new ChangingService(lane, balancer, services + 1, "udp"),
			`${services} services, UDP`,
			samples / 4,
		)),
	];
	balancer.close({ keepRules: true });
	lane.close();
	return rows;
}

async function rowsOf(
	changing: ChangingService,
	name: string,
	times: number,
	aim?: string,
): Promise<readonly BenchRow[]> {
	const [replaced, added, addedFirst, removed]: number[][] = [[], [], [], []];
	await changing.begin();
	for (let sample = 0; sample < times; sample++) {
		replaced?.push(await changing.replace());
		added?.push(await changing.add());
		addedFirst?.push(await changing.add());
		removed?.push(await changing.remove());
		await changing.remove();
	}
	changing.end();
	const row = (what: string, values: readonly number[] = []): BenchRow => ({
		what: `${name}: ${what}`,
		unit: "ms",
		spread: spreadOf(values),
		...(aim === undefined ? {} : { target: aim }),
	});
	return [
		row("an endpoint is replaced, until somebody reaches the new one", replaced),
		row("an endpoint is added, until somebody reaches it", added),
		row("an endpoint is added, and no other Service has as many", addedFirst),
		row("an endpoint leaves, until nobody new goes there", removed),
	];
}

class ChangingService {
	readonly #lane: Lane;
	readonly #balancer: ServiceBalancer;
	readonly #number: number;
	readonly #protocol: Protocol;
	/** Takes what goes to the endpoints that are not looked at. */
	readonly #others: number;
	readonly #to: Target;
	#endpoints: number[];
	#next: number;

	constructor(lane: Lane, balancer: ServiceBalancer, number: number, protocol: Protocol) {
		this.#lane = lane;
		this.#balancer = balancer;
		this.#number = number;
		this.#protocol = protocol;
		this.#others = openServer(lane.servers, protocol, endpointPort);
		this.#next = number * perService + 1;
		this.#endpoints = Array.from({ length: perService }, () => this.#next++);
		this.#to = target(serviceAddress(number), servicePort);
	}

	async begin(): Promise<void> {
		await this.#tell();
		const server = this.#serve(this.#endpoints[0] ?? 0);
		this.#untilReached(server);
		close(server);
	}

	async replace(): Promise<number> {
		const joined = this.#next++;
		this.#endpoints = [...this.#endpoints.slice(1), joined];
		return this.#untilNew(joined);
	}

	async add(): Promise<number> {
		const joined = this.#next++;
		this.#endpoints = [...this.#endpoints, joined];
		return this.#untilNew(joined);
	}

	async remove(): Promise<number> {
		const [left = 0, ...others] = this.#endpoints;
		const server = this.#serve(left);
		this.#untilReached(server);
		this.#endpoints = others;
		const sockets = openSockets(this.#lane.client, this.#protocol, flows);
		const startMs = performance.now();
		await this.#tell();
		const tookMs = performance.now() - startMs;
		const isStray = sockets.some((socket) => this.#reaches(socket, server));
		close(server, ...sockets);
		if (isStray) throw new Error("a packet reached an endpoint that had left");
		return tookMs;
	}

	end(): void {
		const service = oneService(this.#number, []);
		this.#balancer.update(new Map([[layer4Key(service), undefined]]));
		close(this.#others);
	}

	#serve(endpoint: number): number {
		return openServer(this.#lane.servers, this.#protocol, endpointPort, endpointAddress(endpoint));
	}

	/** Whether a new flow of that socket ends at that server. */
	#reaches(socket: number, server: number): boolean {
		if (this.#protocol === "tcp") {
			connectTo(socket, this.#to);
			dropWaiting(this.#others);
			return dropWaiting(server);
		}
		send(socket, hello, this.#to);
		receive(this.#others, inbox);
		return receive(server, inbox) > 0;
	}

	async #untilNew(joined: number): Promise<number> {
		const server = this.#serve(joined);
		const sockets = openSockets(this.#lane.client, this.#protocol, flows);
		const startMs = performance.now();
		await this.#tell();
		for (const socket of sockets) {
			if (!this.#reaches(socket, server)) continue;
			const tookMs = performance.now() - startMs;
			close(server, ...sockets);
			return tookMs;
		}
		throw new Error(`no packet of ${flows} reached the new endpoint`);
	}

	#untilReached(server: number): void {
		const sockets = openSockets(this.#lane.client, this.#protocol, flows);
		const isReached = sockets.some((socket) => this.#reaches(socket, server));
		close(...sockets);
		if (!isReached) throw new Error("no packet reaches an endpoint that is there");
	}

	async #tell(): Promise<void> {
		const service = oneService(this.#number, this.#endpoints.map(endpointAddress), [this.#protocol]);
		this.#balancer.update(new Map([[layer4Key(service), service]]));
		await written(this.#balancer);
	}
}

const hello = Buffer.from("?");
const inbox = Buffer.alloc(64);
