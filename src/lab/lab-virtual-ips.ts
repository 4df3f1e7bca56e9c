// Virtual IPs of a lab. In: resources and pods as they change. Out: `keepmesh vip` on every node as long as there is a VirtualIP,
// and on each node rules that lead its addresses to the node's own ingress gateway.

import { join } from "node:path";
import { runCommand } from "../kernel/run-command.ts";
import type { ConfigObject, ObjectKey } from "../resources/config-object.ts";
import { keyOf } from "../resources/config-object.ts";
import type { Change } from "../snapshot/change.ts";
import { runDirectory } from "./lab-record.ts";
import { netnsPath } from "./network.ts";
import { vipCommand } from "./plan/lab-commands.ts";
import type { LabNetwork } from "./plan/lab-network.ts";
import type { LabPod } from "./plan/lab-pod.ts";
import { renderVirtualIpRules } from "./plan/virtual-ip-rules.ts";

export interface LabVirtualIpsParts {
	readonly lab: string;
	readonly network: LabNetwork;
	readonly keepmesh: readonly string[];
	readonly resources: string;
	/** Starts a process that is kept running. */
	readonly keep: (name: string, command: readonly string[]) => { stop(): void };
	readonly onEvent: (about: string, what: string) => void;
}

export class LabVirtualIps {
	readonly #parts: LabVirtualIpsParts;
	readonly #addresses = new Map<ObjectKey, readonly string[]>();
	readonly #rules = new Map<string, string>();
	#running: readonly { stop(): void }[] = [];
	#pods: readonly LabPod[] = [];

	constructor(parts: LabVirtualIpsParts) {
		this.#parts = parts;
	}

	apply(changes: readonly Change[]): void {
		for (const change of changes) {
			if (change.type === "objectRemoved") this.#addresses.delete(change.key);
			else if (change.object.kind === "VirtualIP") {
				const { spec } = change.object as unknown as ConfigObject<"VirtualIP">;
				const addresses = spec.addresses.map((line) => line.split(/[/\s]/, 1)[0] ?? "");
				this.#addresses.set(keyOf(change.object), addresses);
			}
		}
		if (this.#addresses.size > 0 && this.#running.length === 0) this.#start();
		if (this.#addresses.size === 0 && this.#running.length > 0) this.#stop();
		this.#lead();
	}

	podsChanged(pods: readonly LabPod[]): void {
		this.#pods = pods;
		this.#lead();
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

	#lead(): void {
		const addresses = [...this.#addresses.values()].flat().filter((address) => !address.includes(":"));
		for (const node of this.#parts.network.nodes) {
			const rules = renderVirtualIpRules(addresses, gatewayOn(node.name, this.#pods));
			const before = this.#rules.get(node.name);
			if (rules === before || (before === undefined && addresses.length === 0)) continue;
			this.#rules.set(node.name, rules);
			const command = [`--net=${netnsPath(node.netns)}`, "nft", "-f", "-"];
			void runCommand("nsenter", command, { input: rules }).then(({ code, stderr }) => {
				if (code !== 0) this.#parts.onEvent(`Node/${node.name}`, `nft: ${stderr.trim()}`);
			});
		}
	}
}

/** Address of a pod of the ingress gateway that takes requests. */
function gatewayOn(node: string, pods: readonly LabPod[]): string | undefined {
	return pods.find(
		(pod) =>
			pod.node === node &&
			pod.labels.istio === "ingressgateway" &&
			pod.readySinceMs !== undefined &&
			pod.deletedMs === undefined,
	)?.address;
}
