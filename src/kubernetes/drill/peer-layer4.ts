// Orders of a pod that sees the processes of its node: to look at what the node's kernel does with connections to a Service, as the
// process that writes its rules says.

import { setTimeout as sleep } from "node:timers/promises";
import { monotonicUs } from "../../kernel/linux/monotonic-us.ts";
import type { Layer4Status } from "../../node/layer4/layer4-status.ts";
import type { OrderGroup } from "./order-group.ts";
import { askProcess } from "./process-socket.ts";

/** A Service, and the Pod whose process writes the rules of the node: the agent's, or one for layer 4 alone. */
interface Balanced {
	readonly uid: string;
	readonly namespace: string;
	readonly service: string;
}

export type Layer4Order =
	/** Those that new connections may meet: `{ ready }`. */
	| ({ readonly order: "endpoints" } & Balanced)
	/** Until new connections meet this one, or no longer do, looked at each 10 ms. `{ atUs }` */
	| ({
			readonly order: "untilEndpoint";
			readonly address: string;
			readonly isReady: boolean;
			readonly withinMs: number;
	  } & Balanced);

const lookMs = 10;

export const layer4Orders: OrderGroup<Layer4Order> = {
	endpoints: async (of) => ({ ready: await readyEndpoints(of) }),
	untilEndpoint: async ({ address, isReady, withinMs, ...of }) => {
		const endMs = performance.now() + withinMs;
		while ((await readyEndpoints(of)).includes(address) !== isReady) {
			if (performance.now() > endMs)
				throw new Error(`not within ${withinMs / 1000} s: ${address} ${isReady ? "gets" : "gets no"} new connections`);
			await sleep(lookMs);
		}
		return { atUs: monotonicUs() };
	},
};

async function readyEndpoints({ namespace, service, uid }: Balanced): Promise<readonly string[]> {
	const socket = { uid, socket: "node.sock", defaultState: "/var/lib/keepmesh" } as const;
	const { services } = await askProcess<Layer4Status>(socket, "GET", "/layer4");
	const found = services.find((one) => one.service.namespace === namespace && one.service.name === service)?.service;
	const endpoints = found?.ports.flatMap((port) => port.endpoints) ?? [];
	return endpoints.filter(({ ready }) => ready).map(({ address }) => address);
}
