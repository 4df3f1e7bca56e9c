// A node that may hold the address of a drill on a cluster: its vip process, asked through the drill's privileged pod there, and what
// that pod sees of the node's kernel.

import { daemonSets, pods as podResource } from "../../kubernetes/client/api-resources.ts";
import { pathOf } from "../../kubernetes/client/resource-path.ts";
import type { Order } from "../../kubernetes/drill/drill-order.ts";
import type { InstanceStatus, VipStatus } from "../vip/vip-status.ts";
import type { DrillPlace } from "./drill-place.ts";
import type { DrillPod } from "./kubernetes-drill-pods.ts";

/** As `keepmesh install` names it. */
const vipDaemonSet = "keepmesh-vip";

export interface VipPod {
	readonly name: string;
	readonly uid: string;
	readonly node: string;
	/** The node's InternalIP. */
	readonly nodeIp: string;
	readonly isReady: boolean;
	/** kubelet will start it again, but not yet. */
	readonly isHeldBack: boolean;
}

/** Those that stay; rejects where virtual IPs are not installed. */
export async function vipPods({ pods, systemNamespace }: DrillPlace): Promise<readonly VipPod[]> {
	const set = (await pods
		.ask("GET", pathOf(daemonSets, systemNamespace, vipDaemonSet))
		.catch((error: Error) =>
			Promise.reject(new Error(`no virtual IPs are installed (vip.enabled): ${error.message}`)),
		)) as {
		readonly spec: { readonly selector: { readonly matchLabels: Readonly<Record<string, string>> } };
	};
	const labels = Object.entries(set.spec.selector.matchLabels).map(([name, value]) => `${name}=${value}`);
	const query = { labelSelector: labels.join(",") };
	const { items } = (await pods.ask("GET", pathOf(podResource, systemNamespace), { query })) as {
		readonly items: readonly {
			readonly metadata: { readonly name: string; readonly uid: string; readonly deletionTimestamp?: string };
			readonly spec: { readonly nodeName?: string };
			readonly status: {
				readonly hostIP?: string;
				readonly conditions?: readonly { readonly type: string; readonly status: string }[];
				readonly containerStatuses?: readonly {
					readonly state?: { readonly waiting?: { readonly reason?: string } };
				}[];
			};
		}[];
	};
	return items.flatMap(({ metadata, spec, status }) => {
		const isReady = status.conditions?.some((one) => one.type === "Ready" && one.status === "True") === true;
		const waits = status.containerStatuses?.map(({ state }) => state?.waiting?.reason) ?? [];
		if (metadata.deletionTimestamp || spec.nodeName === undefined || !status.hostIP) return [];
		return [
			{
				name: metadata.name,
				uid: metadata.uid,
				node: spec.nodeName,
				nodeIp: status.hostIP,
				isReady,
				isHeldBack: waits.includes("CrashLoopBackOff"),
			},
		];
	});
}

export class VipNode {
	readonly name: string;
	readonly nodeIp: string;
	/** Of the drill's probes and spans. */
	readonly letter: string;
	readonly #place: DrillPlace;
	readonly #peer: DrillPod;

	constructor(place: DrillPlace, peer: DrillPod, pod: Pick<VipPod, "node" | "nodeIp">, letter: string) {
		this.#place = place;
		this.#peer = peer;
		this.name = pod.node;
		this.nodeIp = pod.nodeIp;
		this.letter = letter;
	}

	get peer(): DrillPod {
		return this.#peer;
	}

	order<Answer>(order: Order): Promise<Answer> {
		return this.#place.pods.order<Answer>(this.#peer, order);
	}

	/** The Pod of its vip process. Rejects while there is none. */
	async vipPod(): Promise<VipPod> {
		const found = (await vipPods(this.#place)).find(({ node }) => node === this.name);
		if (!found) throw new Error(`there is no vip pod on ${this.name}`);
		return found;
	}

	async status(): Promise<VipStatus> {
		const { uid } = await this.vipPod();
		return this.order<VipStatus>({ order: "askVip", uid, path: "/status" });
	}

	/** The virtual router of an address; rejects where it is none's here. */
	async router(address: string): Promise<InstanceStatus> {
		const { instances } = await this.status();
		const found = instances.find((one) => hasAddress(one, address));
		if (!found) throw new Error(`the vip process of ${this.name} does not have ${address}`);
		return found;
	}

	async holds(address: string): Promise<boolean> {
		return (await this.order<{ holds: boolean }>({ order: "holds", address })).holds;
	}

	/** To SIGKILL, with its address cut off by these rules. Resolves with when it was, on the node's clock. */
	async crash(commands: readonly string[], withinMs: number): Promise<number> {
		const { uid } = await this.vipPod();
		return (await this.order<{ atUs: number }>({ order: "crash", uid, commands, withinMs })).atUs;
	}

	/** Asked of the owner: `to` takes over. */
	async handOver(router: string, to: string): Promise<void> {
		const { uid } = await this.vipPod();
		const path = `/move?name=${encodeURIComponent(router)}&to=${encodeURIComponent(to)}`;
		await this.order({ order: "askVip", uid, path, method: "POST" });
	}

	/** As an update of the DaemonSet does it; another Pod takes its place. */
	async deleteVipPod(graceSeconds?: number): Promise<void> {
		const { name } = await this.vipPod();
		const { pods, systemNamespace } = this.#place;
		const body = graceSeconds === undefined ? {} : { gracePeriodSeconds: graceSeconds };
		await pods.ask("DELETE", pathOf(podResource, systemNamespace, name), { body });
	}
}

export function hasAddress({ addresses, excludedAddresses }: InstanceStatus, address: string): boolean {
	return [...addresses, ...excludedAddresses].some((one) => one.split("/")[0] === address);
}
