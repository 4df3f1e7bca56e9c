// The sync groups of a process: what becomes of a member goes through the group's machine to the other members.

import type { InstanceConfig, SyncGroupConfig } from "../../vip/vip-config.ts";
import type { InstanceEvent, InstanceRole, Transition } from "../../vip/vrrp/instance-state.ts";
import {
	initialSyncGroupState,
	type SyncGroupEvent,
	type SyncGroupState,
	stepSyncGroup,
} from "../../vip/vrrp/sync-group.ts";

export interface SyncGroupsDeps {
	readonly tell: (member: string, event: InstanceEvent) => void;
	readonly moved: (config: SyncGroupConfig, transition: Omit<Transition, "priority">) => void;
}

export class SyncGroups {
	readonly #deps: SyncGroupsDeps;
	readonly #groups = new Map<string, { config: SyncGroupConfig; state: SyncGroupState }>();

	constructor(deps: SyncGroupsDeps) {
		this.#deps = deps;
	}

	configure(configs: readonly SyncGroupConfig[]): void {
		const wanted = new Set(configs.map(({ name }) => name));
		for (const name of this.#groups.keys()) if (!wanted.has(name)) this.#groups.delete(name);
		for (const config of configs) {
			const known = this.#groups.get(config.name);
			if (known) known.config = config;
			else this.#groups.set(config.name, { config, state: initialSyncGroupState });
		}
	}

	/** Undefined: it is in none. */
	groupOf(instance: string): string | undefined {
		for (const [name, { config }] of this.#groups) if (config.members.includes(instance)) return name;
		return undefined;
	}

	/** The instance alone when it is in no group. */
	membersWith({ name }: InstanceConfig): readonly string[] {
		return this.#groups.get(this.groupOf(name) ?? "")?.config.members ?? [name];
	}

	roleOf(group: string): InstanceRole {
		return this.#groups.get(group)?.state.role ?? "INIT";
	}

	deliver(name: string, event: SyncGroupEvent): void {
		const group = this.#groups.get(name);
		if (!group) return;
		const { state, actions } = stepSyncGroup(group.config, group.state, event);
		group.state = state;
		for (const action of actions) {
			if (action.type === "tell") this.#deps.tell(action.member, action.event);
			else this.#deps.moved(group.config, action.transition);
		}
	}
}
