// Virtual IPs of a lab. In: resources as they change. Out: `keepmesh vip` on every node as long as there is a VirtualIP. What
// answers at the addresses is the nodes' layer 4, for Services that have them.

import { join } from "node:path";
import type { ObjectKey } from "../resources/config-object.ts";
import { keyOf } from "../resources/config-object.ts";
import type { Change } from "../snapshot/change.ts";
import { runDirectory } from "./lab-record.ts";
import { vipCommand } from "./plan/lab-commands.ts";
import type { LabNetwork } from "./plan/lab-network.ts";

export interface LabVirtualIpsParts {
	readonly lab: string;
	readonly network: LabNetwork;
	readonly keepmesh: readonly string[];
	readonly resources: string;
	/** Starts a process that is kept running. */
	readonly keep: (name: string, command: readonly string[]) => { stop(): void };
}

export class LabVirtualIps {
	readonly #parts: LabVirtualIpsParts;
	readonly #virtualIps = new Set<ObjectKey>();
	#running: readonly { stop(): void }[] = [];

	constructor(parts: LabVirtualIpsParts) {
		this.#parts = parts;
	}

	apply(changes: readonly Change[]): void {
		for (const change of changes) {
			if (change.type === "objectRemoved") this.#virtualIps.delete(change.key);
			else if (change.object.kind === "VirtualIP") this.#virtualIps.add(keyOf(change.object));
		}
		if (this.#virtualIps.size > 0 && this.#running.length === 0) this.#start();
		if (this.#virtualIps.size === 0 && this.#running.length > 0) this.#stop();
	}

	#start(): void {
		const { lab, network, keepmesh, resources, keep } = this.#parts;
		this.#running = network.nodes.map((node) => {
			const state = join(runDirectory(lab), `vip-${node.name}`);
			return keep(`vip-${node.name}`, vipCommand(keepmesh, node, { resources, state }));
		});
	}

	#stop(): void {
		for (const one of this.#running) one.stop();
		this.#running = [];
	}
}
