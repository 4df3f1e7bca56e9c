// A sync group: its virtual routers own together or not at all, and one that is at fault drags all (keepalived's
// vrrp_sync_group). In: what became of a member, what the group itself tracks. Out: events for the members.

import type { SyncGroupConfig } from "../vip-config.ts";
import type { InstanceEvent, InstanceRole, Transition } from "./instance-state.ts";

export interface SyncGroupState {
	/** As the group is told of and notified. */
	readonly role: InstanceRole;
	readonly roles: ReadonlyMap<string, InstanceRole>;
	/** What each member has against itself, without what it has from the group. */
	readonly memberFaults: ReadonlyMap<string, readonly string[]>;
	/** Of the group's own trackers. */
	readonly groupFaults: readonly string[];
	/** Members that went to FAULT by themselves, because the kernel refused something: the others have it as their fault. */
	readonly failed: ReadonlyMap<string, string>;
}

export type SyncGroupEvent =
	| { readonly type: "memberMoved"; readonly nowUs: number; readonly member: string; readonly transition: Transition }
	/** Only the member's own faults; all that it has, not what changed. */
	| {
			readonly type: "memberFaultsChanged";
			readonly nowUs: number;
			readonly member: string;
			readonly reasons: readonly string[];
	  }
	| { readonly type: "groupFaultsChanged"; readonly nowUs: number; readonly reasons: readonly string[] };

export type SyncGroupAction =
	| { readonly type: "tell"; readonly member: string; readonly event: InstanceEvent }
	| { readonly type: "report"; readonly transition: Omit<Transition, "priority"> };

export interface SyncGroupStep {
	readonly state: SyncGroupState;
	readonly actions: readonly SyncGroupAction[];
}

export const initialSyncGroupState: SyncGroupState = {
	role: "INIT",
	roles: new Map(),
	memberFaults: new Map(),
	groupFaults: [],
	failed: new Map(),
};

export function stepSyncGroup(config: SyncGroupConfig, state: SyncGroupState, event: SyncGroupEvent): SyncGroupStep {
	switch (event.type) {
		case "memberMoved":
			return memberMoved(config, state, event);
		case "memberFaultsChanged": {
			const memberFaults = new Map(state.memberFaults).set(event.member, event.reasons);
			return tellFaults(config, { ...state, memberFaults }, event.nowUs);
		}
		case "groupFaultsChanged":
			return tellFaults(config, { ...state, groupFaults: event.reasons }, event.nowUs);
		default:
			return event satisfies never;
	}
}

function memberMoved(
	config: SyncGroupConfig,
	state: SyncGroupState,
	event: Extract<SyncGroupEvent, { type: "memberMoved" }>,
): SyncGroupStep {
	const { member, nowUs } = event;
	const { from, to, because } = event.transition;
	const roles = new Map(state.roles).set(member, to);
	const actions: SyncGroupAction[] = [];
	const follow = (other: string, change: InstanceEvent): void => {
		actions.push({ type: "tell", member: other, event: change });
	};
	for (const other of config.members) {
		if (other === member) continue;
		const role = roles.get(other) ?? "INIT";
		const why = `${member} of the same group: ${because}`;
		if (to === "MASTER" && role === "BACKUP") follow(other, { type: "groupMoved", nowUs, to: "MASTER", because: why });
		if (from === "MASTER" && to === "BACKUP" && role === "MASTER")
			follow(other, { type: "groupMoved", nowUs, to: "BACKUP", because: why });
	}
	const failed = new Map(state.failed);
	if (to === "FAULT" && !hasFaults(state)) failed.set(member, because);
	if (from === "FAULT") failed.delete(member);
	if (failed.size !== state.failed.size) actions.push(...tellFaults(config, { ...state, failed }, nowUs).actions);
	const role = roleOf(config, roles);
	if (role !== state.role) actions.push({ type: "report", transition: { from: state.role, to: role, because } });
	return { state: { ...state, roles, role, failed }, actions };
}

/** Every member has the faults of all. */
function tellFaults(config: SyncGroupConfig, state: SyncGroupState, nowUs: number): SyncGroupStep {
	const actions = config.members.map((member): SyncGroupAction => {
		const reasons = [...(state.memberFaults.get(member) ?? []), ...state.groupFaults];
		for (const other of config.members) {
			if (other === member) continue;
			const failed = state.failed.get(other);
			const others = [...(state.memberFaults.get(other) ?? []), ...(failed === undefined ? [] : [failed])];
			for (const reason of others) reasons.push(`${other} of the same group: ${reason}`);
		}
		return { type: "tell", member, event: { type: "faultChanged", nowUs, reasons } };
	});
	return { state, actions };
}

function hasFaults(state: SyncGroupState): boolean {
	return (
		state.failed.size > 0 || [...state.memberFaults.values(), state.groupFaults].some((faults) => faults.length > 0)
	);
}

/** The group is what all its members are; while they differ, it is the least of them. */
function roleOf(config: SyncGroupConfig, roles: ReadonlyMap<string, InstanceRole>): InstanceRole {
	const all = config.members.map((member) => roles.get(member) ?? "INIT");
	for (const role of ["STOP", "FAULT", "INIT", "BACKUP"] as const) if (all.includes(role)) return role;
	return "MASTER";
}
