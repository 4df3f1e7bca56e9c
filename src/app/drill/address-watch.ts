// Who answers at an address of two nodes of a cluster, and what their kernels hold meanwhile. In: the nodes, and from where to probe,
// once a millisecond. Out: the report of a drill's load. Programs run in the nodes' network, started by the drill's privileged pods;
// times of all nodes are brought to the client's clock.

import { randomInt } from "node:crypto";
import { addressReport } from "../../lab/drill/address-report.ts";
import type { DrillReport } from "../../lab/drill/drill-mesh.ts";
import { type Apart, twoOwnersSeen } from "../../lab/drill/owners-seen.ts";
import { type OwnerSpan, withoutCuts } from "../../lab/vip-watch/owner-spans.ts";
import type { ProbeRecord } from "../../lab/vip-watch/probe-record.ts";
import type { VipNode } from "./kubernetes-vip-node.ts";
import { type RemoteProgram, startRemote } from "./remote-program.ts";

/** A node was cut off from everybody, in times of its own clock. */
export interface Cut {
	readonly node: VipNode;
	readonly fromUs: number;
	toUs?: number;
}

/** What is no fault of the address. */
export interface Excused {
	/** In times of the client's clock. */
	readonly apart: readonly Apart[];
	readonly cuts: readonly Cut[];
}

const probeEveryUs = 1000;

export class AddressWatch {
	readonly #address: string;
	readonly #port = randomInt(20_000, 30_000);
	readonly #echoes = new Map<VipNode, RemoteProgram>();
	readonly #watchers = new Map<VipNode, RemoteProgram>();
	#client: VipNode | undefined;
	#prober: RemoteProgram | undefined;

	constructor(address: string) {
		this.#address = address;
	}

	/** `link`: the interface that the address comes to. */
	async watch(node: VipNode, link: string): Promise<void> {
		this.#echoes.set(node, await startRemote(node, "udp-echo", [node.letter, this.#address, this.#port]));
		const args = [this.#address, link, `${node.letter}=%netns`];
		this.#watchers.set(node, await startRemote(node, "owner-watcher", args));
	}

	async begin(client: VipNode): Promise<void> {
		this.#client = client;
		this.#prober = await startRemote(client, "udp-prober", [this.#address, this.#port, probeEveryUs]);
		for (const watcher of this.#watchers.values()) await watcher.tell("begin");
		await this.#prober.tell("begin");
	}

	async stop({ apart, cuts }: Excused): Promise<DrillReport> {
		const prober = this.#prober;
		if (!prober) throw new Error("no load runs");
		await prober.tell("end");
		const probes = JSON.parse(await prober.nextLine()) as ProbeRecord;
		await prober.end();
		if (probes.answers.length === 0)
			throw new Error(`no probe was answered: is UDP ${this.#port} open between the nodes?`);
		const seen = await Promise.all([...this.#watchers].map(([node, watcher]) => this.#seenAt(node, watcher, cuts)));
		const spans = seen.flatMap((one) => one.spans);
		return addressReport(probes, twoOwnersSeen(probes, spans, Math.max(...seen.map(({ endUs }) => endUs)), apart));
	}

	/** Whether the node answers at the address, when it has it. */
	async answers(node: VipNode, does: boolean): Promise<void> {
		await this.#echoes.get(node)?.tell(does ? "speak" : "mute");
	}

	async clientUs(): Promise<number> {
		if (!this.#client) throw new Error("no load runs");
		return (await this.#client.order<{ atUs: number }>({ order: "clock" })).atUs;
	}

	async close(): Promise<void> {
		for (const program of [...this.#echoes.values(), ...this.#watchers.values()]) await program.end().catch(() => {});
		await this.#prober?.end().catch(() => {});
	}

	async #seenAt(
		node: VipNode,
		watcher: RemoteProgram,
		cuts: readonly Cut[],
	): Promise<{ readonly spans: readonly OwnerSpan[]; readonly endUs: number }> {
		const { ip: host, orderPort: port } = node.peer;
		const aheadUs = (await this.#client?.order<{ aheadUs: number }>({ order: "clockOf", host, port }))?.aheadUs ?? 0;
		await watcher.tell("end");
		const { beganUs, endUs, spans } = JSON.parse(await watcher.nextLine()) as {
			readonly spans: readonly OwnerSpan[];
			readonly beganUs: number;
			readonly endUs: number;
		};
		const own = cuts
			.filter((cut) => cut.node === node)
			.map(({ fromUs, toUs }) => ({ node: node.letter, fromUs, ...(toUs === undefined ? {} : { toUs }) }));
		const shifted = withoutCuts(spans, own).map(({ fromUs, node: letter, toUs }) => ({
			node: letter,
			// What was held at the first look was held before: a busy machine looks late.
			fromUs: fromUs <= beganUs ? Number.NEGATIVE_INFINITY : fromUs - aheadUs,
			...(toUs === undefined ? {} : { toUs: toUs - aheadUs }),
		}));
		return { spans: shifted, endUs: endUs - aheadUs };
	}
}
