// The control planes of a cluster, as drills ask, kill and shut them: each by the privileged pod of its node. In: the Pods of
// Keepmesh's own namespace. Nothing of it stays: what shuts a port is undone when it is told to, with its pod, and after a time.

import { controlLabel } from "../../install/release-names.ts";
import { pods as podResource } from "../../kubernetes/client/api-resources.ts";
import { pathOf } from "../../kubernetes/client/resource-path.ts";
import type { LocalAnswer } from "../../kubernetes/drill/peer-local.ts";
import type { ProxyItem } from "../api/api-types.ts";
import type { DrillPlace } from "./drill-place.ts";
import { refuseCalls, removeTable } from "./shut-rules.ts";

export interface ClusterControl {
	readonly name: string;
	readonly uid: string;
	readonly node: string;
	readonly ip: string;
	/** As the container runtime calls its container. */
	readonly container: string;
}

interface RawControl {
	readonly metadata: { readonly name: string; readonly uid: string; readonly deletionTimestamp?: string };
	readonly spec: { readonly nodeName?: string };
	readonly status?: {
		readonly podIP?: string;
		readonly conditions?: readonly { readonly type: string; readonly status: string }[];
		readonly containerStatuses?: readonly { readonly name: string; readonly containerID?: string }[];
	};
}

export const xdsPort = 15_012;
const apiPort = 15_014;
/** What others call it by; its API answers on, so that kubelet does not end a container for what the drill does. */
const shutPorts = [15_010, xdsPort, 15_017];
const faultName = "control-plane";
/** Kubelet waits up to five minutes with a container that was killed often. */
const restartLimitMs = 360_000;
const extraMs = 60_000;

export class ClusterControls {
	readonly #place: DrillPlace;

	constructor(place: DrillPlace) {
		this.#place = place;
	}

	/** Those that are ready, of all revisions. */
	async ready(): Promise<readonly ClusterControl[]> {
		const { pods, systemNamespace } = this.#place;
		const query = { labelSelector: controlLabel };
		const list = await pods.ask("GET", pathOf(podResource, systemNamespace), { query });
		const { items } = list as { readonly items: readonly RawControl[] };
		return items.flatMap(({ metadata, spec, status }) => {
			const isReady = status?.conditions?.some(({ status: is, type }) => type === "Ready" && is === "True");
			const container = status?.containerStatuses?.find(({ name }) => name === "control")?.containerID;
			if (!isReady || metadata.deletionTimestamp || !spec.nodeName || !status?.podIP || !container) return [];
			const { name, uid } = metadata;
			return [{ name, uid, node: spec.nodeName, ip: status.podIP, container: container.replace(/^.*:\/\//, "") }];
		});
	}

	/** Rejects when it does not answer with 200. */
	async ask<Answer>(
		{ name, node, uid }: ClusterControl,
		path: string,
		method: "GET" | "POST" = "GET",
	): Promise<Answer> {
		const { pods } = this.#place;
		const peer = await pods.onNode(node);
		const order = { order: "local", uid, port: apiPort, path, method } as const;
		const { status, text } = await pods.order<LocalAnswer>(peer, order);
		if (status !== 200) throw new Error(`${name} answers ${status}: ${text.slice(0, 200)}`);
		return JSON.parse(text) as Answer;
	}

	async kill({ container, node, uid }: ClusterControl): Promise<void> {
		const { pods } = this.#place;
		await pods.order(await pods.onNode(node), { order: "signal", uid, container, signal: "SIGKILL" });
	}

	/** Whoever calls it is refused, as where no process listens; kubelet, and what is inside of the pod, are not. */
	async shut({ node, uid }: ClusterControl, withinMs: number): Promise<void> {
		const { pods } = this.#place;
		await pods.order(await pods.onNode(node), {
			...{ order: "fault", name: `${faultName}-${uid}`, netnsOf: uid, withinMs: withinMs + extraMs },
			make: refuseCalls(shutPorts),
			undo: removeTable,
		});
	}

	async open({ node, uid }: ClusterControl): Promise<void> {
		const { pods } = this.#place;
		await pods.order(await pods.onNode(node), { order: "undo", name: `${faultName}-${uid}` });
	}

	/** Proxies of the drill that are connected to one of them and have all that they should have. */
	async proxiesInSync(controls: readonly ClusterControl[]): Promise<ReadonlySet<string>> {
		const { namespace } = this.#place.pods.options;
		const answers = await Promise.all(
			controls.map((control) => this.ask<{ readonly items: readonly ProxyItem[] }>(control, "/api/v1/proxies")),
		);
		const own = answers.flatMap(({ items }) => items).filter(({ name }) => name.endsWith(`.${namespace}`));
		const isInSync = ({ types, withheld }: ProxyItem): boolean =>
			withheld === undefined && Object.values(types).every(({ sync }) => sync !== "STALE");
		return new Set(own.filter(isInSync).map(({ name }) => name));
	}

	/** All of these proxies, at as many control planes as there were. */
	async untilInSync(proxies: ReadonlySet<string>, count: number): Promise<void> {
		await this.#place.pods.until(
			`${count} control planes are ready, and every proxy is in sync`,
			async () => {
				const controls = await this.ready();
				const now = await this.proxiesInSync(controls).catch(() => new Set<string>());
				return controls.length >= count && [...proxies].every((one) => now.has(one)) ? true : undefined;
			},
			restartLimitMs,
		);
	}
}
