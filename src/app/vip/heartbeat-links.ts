// All fast heartbeats of a process: which links need one for which instances, and who is heard on them.

import type { InstanceConfig } from "../../vip/vip-config.ts";
import { entryKey, type HeartbeatPeer } from "../../vip/vrrp/heartbeat-machine.ts";
import { nodeHash } from "../../vip/vrrp/heartbeat-message.ts";
import type { InstanceState } from "../../vip/vrrp/instance-state.ts";
import { HeartbeatLink, type HeartbeatLinkDeps, heartbeatLinkKey } from "./heartbeat-link.ts";

export type Successor = { readonly ok: true; readonly node: number } | { readonly ok: false; readonly because: string };

export class HeartbeatLinks {
	readonly #deps: (link: string) => HeartbeatLinkDeps;
	readonly #links = new Map<string, HeartbeatLink>();
	#instances: readonly InstanceConfig[] = [];

	constructor(deps: (link: string) => HeartbeatLinkDeps) {
		this.#deps = deps;
	}

	get links(): ReadonlyMap<string, HeartbeatLink> {
		return this.#links;
	}

	/** Keepmesh nodes that are alive on an instance's link, by address. */
	peersOf(instance: InstanceConfig): ReadonlyMap<string, HeartbeatPeer> | undefined {
		const key = heartbeatLinkKey(instance);
		return key === undefined ? undefined : this.#links.get(key)?.peers;
	}

	configure(instances: readonly InstanceConfig[]): void {
		this.#instances = instances;
		const wanted = Map.groupBy(instances, heartbeatLinkKey);
		for (const [key, link] of this.#links)
			if (!wanted.has(key)) {
				link.close();
				this.#links.delete(key);
			}
		for (const [key, members] of wanted) {
			if (key === undefined) continue;
			const known = this.#links.get(key);
			if (known) known.reconfigure(members);
			else this.#links.set(key, new HeartbeatLink(members, this.#deps(key)));
		}
	}

	/** The network changed: what could not be opened may be possible now. */
	retry(): void {
		for (const [key, link] of this.#links)
			link.retry(this.#instances.filter((instance) => heartbeatLinkKey(instance) === key));
	}

	ownChanged(config: InstanceConfig, state: InstanceState, successor: number): void {
		const key = heartbeatLinkKey(config);
		if (key === undefined) return;
		const { family, virtualRouterId } = config;
		const { role, priority } = state;
		this.#links.get(key)?.ownChanged({ family, virtualRouterId, role, priority, successor });
	}

	/** The node that an instance can be handed to, by its name or its address. */
	successorFor(config: InstanceConfig, to: string): Successor {
		const { name } = config;
		const peers = this.peersOf(config);
		if (!peers)
			return { ok: false, because: `${name} has no fast heartbeat, so nobody can be asked by name; leave --to out` };
		for (const [source, peer] of peers) {
			if (peer.node !== nodeHash(to) && source !== to) continue;
			const entry = peer.entries.get(entryKey(config));
			if (entry?.role === "BACKUP") return { ok: true, node: peer.node };
			const why = entry ? `is ${entry.role} for ${name}, so it cannot take over` : `does not run ${name}`;
			return { ok: false, because: `${to} ${why}` };
		}
		const known = [...peers.keys()].join(", ") || "nobody";
		return { ok: false, because: `no heartbeat of ${to} is heard on ${config.interface}; heard: ${known}` };
	}

	close(): void {
		for (const link of this.#links.values()) link.close();
	}
}
