// What a node knows of its cluster for virtual IPs. In: watches. Out: the state of the cluster whenever it changed, once all of it is
// known; and since when the server cannot be asked.

import type { RawObject } from "../../kubernetes/client/api-object.ts";
import { endpointSlices, nodes, services } from "../../kubernetes/client/api-resources.ts";
import {
	type BalancedService,
	type ClusterNode,
	keepNode,
	keepService,
	keepSlice,
	type LocalEndpoints,
	type RawClusterObject,
} from "../../kubernetes/vip/cluster-objects.ts";
import type { ClusterState } from "../../kubernetes/vip/node-plan.ts";
import type { ConfigObject } from "../../resources/config-object.ts";
import type { VirtualIp } from "../../vip/virtual-ip-config.ts";
import { virtualIpPools, virtualIps } from "./cluster-resources.ts";
import { type FollowDeps, FollowedObjects } from "./followed-objects.ts";
import { readClusterObject } from "./read-cluster-object.ts";

export interface MirrorOptions {
	readonly takesClassless: boolean;
	/** Versions that were good, of an earlier run: what has errors now goes on as it was. */
	readonly lastGood: Pick<ClusterState, "virtualIps" | "pools">;
}

export interface OwnedVirtualIp {
	readonly object: VirtualIp;
	/** In its status. */
	readonly owner: string | undefined;
}

export class ClusterMirror {
	readonly #deps: FollowDeps;
	readonly #nodes: FollowedObjects<ClusterNode>;
	readonly #services: FollowedObjects<BalancedService>;
	readonly #virtualIps: FollowedObjects<OwnedVirtualIp>;
	readonly #pools: FollowedObjects<ConfigObject<"VirtualIPPool">>;
	/** Only where a Service with `externalTrafficPolicy: Local` is: there may be many. */
	#slices: FollowedObjects<LocalEndpoints> | undefined;

	constructor({ takesClassless, lastGood }: MirrorOptions, deps: FollowDeps) {
		this.#deps = deps;
		const good = new Map([...lastGood.virtualIps, ...lastGood.pools].map((object) => [keyOf(object), object]));
		const read = <K extends "VirtualIP" | "VirtualIPPool">(
			kind: K,
			raw: RawObject,
			before: ConfigObject<K> | undefined,
		): ConfigObject<K> | undefined => {
			const key = `${kind} ${raw.metadata.namespace ?? ""}/${raw.metadata.name}`;
			const last = before ?? (good.get(key) as ConfigObject<K> | undefined);
			return readClusterObject(kind, raw, last, deps.log);
		};
		this.#nodes = new FollowedObjects({ resource: nodes, keep: (raw) => keepNode(clusterObject(raw)) }, deps);
		this.#services = new FollowedObjects(
			{ resource: services, keep: (raw) => keepService(clusterObject(raw), { takesClassless }) },
			deps,
		);
		this.#virtualIps = new FollowedObjects(
			{
				resource: virtualIps,
				keep: (raw, before) => {
					const object = read("VirtualIP", raw, before?.object);
					const { owner } = (raw.status ?? {}) as { readonly owner?: string };
					return object && { object, owner };
				},
			},
			deps,
		);
		this.#pools = new FollowedObjects(
			{ resource: virtualIpPools, keep: (raw, before) => read("VirtualIPPool", raw, before) },
			deps,
		);
	}

	/** Undefined until everything is known. */
	get state(): ClusterState | undefined {
		const all = [this.#nodes, this.#services, this.#virtualIps, this.#pools];
		if (!all.every(({ isSynced }) => isSynced)) return undefined;
		const local = this.#services.values.some((service) => service.local);
		if (local)
			this.#slices ??= new FollowedObjects(
				{ resource: endpointSlices, keep: (raw) => keepSlice(clusterObject(raw)) },
				this.#deps,
			);
		if (local && !this.#slices?.isSynced) return undefined;
		return {
			nodes: sorted(this.#nodes.objects),
			services: sorted(this.#services.objects),
			endpoints: this.#slices ? sorted(this.#slices.objects) : [],
			virtualIps: sorted(this.#virtualIps.objects).map(({ object }) => object),
			pools: sorted(this.#pools.objects),
		};
	}

	/** NAMESPACE/NAME -> the node that its status names. */
	get owners(): ReadonlyMap<string, string | undefined> {
		return new Map([...this.#virtualIps.objects].map(([key, { owner }]) => [key, owner]));
	}

	/** The one that was silent for longest. */
	get stale(): { readonly sinceMs: number; readonly because: string } | undefined {
		const all = [this.#nodes, this.#services, this.#virtualIps, this.#pools, ...(this.#slices ? [this.#slices] : [])];
		return all
			.flatMap((one) => (one.stale && !one.isUnknown ? [one.stale] : []))
			.sort((a, b) => a.sinceMs - b.sinceMs)[0];
	}

	close(): void {
		for (const one of [this.#nodes, this.#services, this.#virtualIps, this.#pools, this.#slices]) one?.close();
	}
}

function sorted<T>(objects: ReadonlyMap<string, T>): readonly T[] {
	return [...objects].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, object]) => object);
}

function keyOf({ kind, metadata }: ConfigObject<"VirtualIP" | "VirtualIPPool">): string {
	return `${kind} ${metadata.namespace}/${metadata.name}`;
}

/** Every field that is read of it is one that is optional, or that the server always sets. */
const clusterObject = (raw: RawObject): RawClusterObject => raw;
