// A virtual server over time: results of checks, an address that comes and goes, start, reload and stop come in; the new state, checks
// to run and commands to start go out. keepalived 2.2's rules for quorum, hysteresis, alpha, omega and sorry servers.

import type { ConfCommand } from "../../vip/keepalived-conf/conf-script.ts";
import type { RealServer, VirtualServer } from "../../vip/keepalived-conf/virtual-servers.ts";
import { afterCheck, type CheckOutcome, type CheckState, carryCheck, newCheckState } from "./check-machine.ts";
import {
	checkIdsOf,
	findCheck,
	type RealServerState,
	serverIdsOf,
	type VirtualServerState,
	weightOf,
} from "./virtual-server-state.ts";

export type VirtualServerEvent =
	/** The program starts, or a reload has brought the block. */
	| { readonly type: "start"; readonly addressIsHere: boolean; readonly notifiesAtStart?: boolean }
	| { readonly type: "due"; readonly server: string; readonly check: string }
	| {
			readonly type: "checked";
			readonly server: string;
			readonly check: string;
			readonly outcome: CheckOutcome;
			readonly tookMs: number;
	  }
	/** The virtual server's address has come to this machine, or gone. */
	| { readonly type: "address"; readonly isHere: boolean }
	/** A reload has changed the block: this is what it was. */
	| { readonly type: "reload"; readonly before: VirtualServer; readonly notifiesAtStart?: boolean }
	/** A reload has taken the block out. */
	| { readonly type: "remove" }
	| { readonly type: "stop" };

export type Notice = "serverUp" | "serverDown" | "quorumUp" | "quorumDown";

export type VirtualServerAction =
	/** Runs a check that much later, plus a random part of `spreadMs`. */
	| {
			readonly type: "arm";
			readonly server: string;
			readonly check: string;
			readonly afterMs: number;
			readonly spreadMs: number;
	  }
	/** `url`: which one of an HTTP check. */
	| { readonly type: "run"; readonly server: string; readonly check: string; readonly url: number }
	| { readonly type: "forget"; readonly server: string; readonly check: string }
	| {
			readonly type: "notify";
			readonly notice: Notice;
			readonly server?: string;
			readonly command?: ConfCommand;
			/** `1+0=1 <= 2`, as keepalived's log has it. */
			readonly because: string;
	  };

export interface VirtualServerStep {
	readonly state: VirtualServerState;
	readonly actions: readonly VirtualServerAction[];
}

/** keepalived's checks begin that much after its start, plus the warm-up. */
const bootstrapMs = 1000;

export function step(config: VirtualServer, state: VirtualServerState, event: VirtualServerEvent): VirtualServerStep {
	const draft = new Draft(config, state);
	switch (event.type) {
		case "start":
			draft.suspended = config.suspendsWithoutAddress && !event.addressIsHere;
			draft.addServers(event.notifiesAtStart === true);
			break;
		case "due":
			draft.runCheck(event.server, event.check);
			break;
		case "checked":
			draft.takeOutcome(event);
			break;
		case "address":
			draft.setAddress(event.isHere);
			break;
		case "reload":
			draft.reload(event.before, event.notifiesAtStart === true);
			break;
		case "remove":
			draft.remove();
			break;
		case "stop":
			draft.stop();
			break;
		default:
			return event satisfies never;
	}
	return draft.done();
}

class Draft {
	suspended: boolean;
	readonly #config: VirtualServer;
	readonly #ids: readonly string[];
	readonly #servers: Map<string, RealServerState>;
	readonly #actions: VirtualServerAction[] = [];
	#quorumUp: boolean;
	#sorryInUse: boolean;

	constructor(config: VirtualServer, state: VirtualServerState) {
		this.#config = config;
		this.#ids = serverIdsOf(config);
		this.#servers = new Map(state.servers);
		this.#quorumUp = state.quorumUp;
		this.#sorryInUse = state.sorryInUse;
		this.suspended = state.suspended;
	}

	done(): VirtualServerStep {
		return {
			state: {
				servers: this.#servers,
				quorumUp: this.#quorumUp,
				sorryInUse: this.#sorryInUse,
				suspended: this.suspended,
			},
			actions: this.#actions,
		};
	}

	addServers(notifies: boolean): void {
		for (const [index, server] of this.#config.realServers.entries()) this.#addServer(index, server, notifies);
		this.#judgeQuorum(true);
	}

	#addServer(index: number, server: RealServer, notifies: boolean): void {
		const id = this.#ids[index] ?? "";
		const checkIds = checkIdsOf(server);
		const checks = new Map(server.checks.map((check, at) => [checkIds[at] ?? "", newCheckState(check)]));
		const alive = allUp(checks);
		this.#servers.set(id, { alive, checks });
		for (const at of server.checks.keys()) this.#armFirst(id, server, at);
		if (alive && notifies) this.#notifyServer(id, server, true, "at the start");
	}

	runCheck(serverId: string, checkId: string): void {
		const found = findCheck(this.#config, serverId, checkId);
		const known = this.#servers.get(serverId)?.checks.get(checkId);
		if (!found || !known) return;
		if (this.suspended) this.#arm(serverId, checkId, found.check.delayLoopMs);
		else this.#actions.push({ type: "run", server: serverId, check: checkId, url: known.url });
	}

	takeOutcome(event: Extract<VirtualServerEvent, { type: "checked" }>): void {
		const { server: serverId, check: checkId, outcome } = event;
		const found = findCheck(this.#config, serverId, checkId);
		const known = this.#servers.get(serverId);
		const before = known?.checks.get(checkId);
		if (!found || !known || !before) return;
		const { server, check } = found;
		const result = afterCheck(check, server.weight, before, outcome, event.tookMs);
		const oldWeight = weightOf(server, known);
		const next = { ...known, checks: new Map(known.checks).set(checkId, result.state) };
		this.#servers.set(serverId, next);
		if (result.verdict !== undefined)
			this.#takeVerdict(serverId, server, before, result.verdict === "up", outcome.because);
		if (weightOf(server, next) !== oldWeight) this.#judgeQuorum(false);
		if (result.nextMs !== undefined) this.#arm(serverId, checkId, result.nextMs);
	}

	setAddress(isHere: boolean): void {
		const wasSuspended = this.suspended;
		this.suspended = this.#config.suspendsWithoutAddress && !isHere;
		// What rested is looked at now, and not when its long pause happens to end.
		if (wasSuspended && !this.suspended) this.#eachCheck((id, checkId) => this.#arm(id, checkId, 0));
	}

	reload(before: VirtualServer, notifies: boolean): void {
		const oldIds = serverIdsOf(before);
		before.realServers.forEach((server, index) => {
			const id = oldIds[index] ?? "";
			if (!this.#ids.includes(id)) this.#dropServer(id, server);
		});
		if (JSON.stringify(before.sorryServer) !== JSON.stringify(this.#config.sorryServer)) this.#sorryInUse = false;
		if (this.suspended && !this.#config.suspendsWithoutAddress) this.suspended = false;
		const carried = new Map(this.#servers);
		this.#servers.clear();
		this.#config.realServers.forEach((server, index) => {
			const old = carried.get(this.#ids[index] ?? "");
			if (old) this.#carryServer(index, server, old);
			else this.#addServer(index, server, notifies);
		});
		this.#judgeQuorum(true);
	}

	remove(): void {
		for (const [index, server] of this.#config.realServers.entries()) this.#dropServer(this.#ids[index] ?? "", server);
		this.#sorryInUse = false;
		if (this.#quorumUp) this.#notifyQuorum(false, "the block is gone");
	}

	stop(): void {
		this.#config.realServers.forEach((server, index) => {
			const id = this.#ids[index] ?? "";
			if (this.#servers.get(id)?.alive && this.#config.omega) this.#notifyServer(id, server, false, "shutting down");
		});
		this.#eachCheck((id, checkId) => this.#actions.push({ type: "forget", server: id, check: checkId }));
		this.#servers.clear();
		this.#sorryInUse = false;
		this.#quorumUp = false;
		if (this.#config.omega) this.#notifyQuorum(false, "shutting down");
	}

	/** `init`: a start or a reload, where a sorry server may be needed without anything having been lost. */
	#judgeQuorum(init: boolean): void {
		const { quorum, hysteresis, sorryServer } = this.#config;
		const sum = this.#liveWeight();
		const threshold = quorum + (this.#quorumUp ? -hysteresis : hysteresis);
		if (!this.#quorumUp && sum >= threshold) {
			this.#sorryInUse = false;
			this.#notifyQuorum(true, `${quorum}+${hysteresis}=${threshold} <= ${sum}`);
			return;
		}
		const lost = this.#quorumUp && (sum === 0 || sum < threshold);
		const needsSorry = sorryServer !== undefined && !this.#sorryInUse;
		if (!lost && !(init && !this.#quorumUp && needsSorry)) return;
		this.#sorryInUse = sorryServer !== undefined;
		this.#notifyQuorum(false, `${quorum}-${hysteresis}=${threshold} > ${sum}`);
	}

	#liveWeight(): number {
		return this.#config.realServers.reduce((sum, server, index) => {
			const known = this.#servers.get(this.#ids[index] ?? "");
			return known?.alive ? sum + weightOf(server, known) : sum;
		}, 0);
	}

	/** keepalived's update_svr_checker_state: what one check says counts with what the others say. */
	#takeVerdict(id: string, server: RealServer, before: CheckState, isUp: boolean, because: string): void {
		const known = this.#servers.get(id);
		if (!known) return;
		if (before.isUp === isUp) {
			// Its first result confirms what was taken for granted: only what begins pessimistically says so.
			if (!before.hasRun && !isUp) this.#notifyServer(id, server, false, because);
			return;
		}
		const alive = allUp(known.checks);
		if (alive === known.alive) return;
		this.#servers.set(id, { ...known, alive });
		this.#notifyServer(id, server, alive, because);
		this.#judgeQuorum(false);
	}

	#dropServer(id: string, server: RealServer): void {
		const known = this.#servers.get(id);
		if (!known) return;
		for (const check of known.checks.keys()) this.#actions.push({ type: "forget", server: id, check });
		this.#servers.delete(id);
		if (known.alive) this.#notifyServer(id, server, false, "taken out of the configuration");
	}

	#carryServer(index: number, server: RealServer, old: RealServerState): void {
		const id = this.#ids[index] ?? "";
		const checkIds = checkIdsOf(server);
		for (const check of old.checks.keys())
			if (!checkIds.includes(check)) this.#actions.push({ type: "forget", server: id, check });
		const carried = server.checks.map((check, at): readonly [string, CheckState] => {
			const known = old.checks.get(checkIds[at] ?? "");
			return [checkIds[at] ?? "", known ? carryCheck(check, known) : { ...newCheckState(check), isUp: true }];
		});
		const hasFailed = carried.some(([, check]) => check.hasRun && !check.isUp);
		const neverRan = !old.alive && !carried.some(([, check]) => check.hasRun);
		const checks = new Map(
			carried.map(([checkId, state], at) => {
				const check = server.checks[at];
				if (!check || state.hasRun || !(hasFailed || neverRan)) return [checkId, state] as const;
				// Where something is wrong already, one failure of a new check is enough.
				return [checkId, { ...state, isUp: !check.alpha, failures: check.retry }] as const;
			}),
		);
		const alive = allUp(checks);
		this.#servers.set(id, { alive, checks });
		server.checks.forEach((_check, at) => {
			if (!old.checks.has(checkIds[at] ?? "")) this.#armFirst(id, server, at);
		});
		if (alive !== old.alive) this.#notifyServer(id, server, alive, "by the changed configuration");
	}

	#armFirst(id: string, server: RealServer, at: number): void {
		const check = server.checks[at];
		if (check)
			this.#actions.push({
				type: "arm",
				server: id,
				check: checkIdsOf(server)[at] ?? "",
				afterMs: check.type === "file" ? 0 : bootstrapMs,
				spreadMs: check.type === "file" ? 0 : check.warmupMs,
			});
	}

	#arm(server: string, check: string, afterMs: number): void {
		this.#actions.push({ type: "arm", server, check, afterMs, spreadMs: 0 });
	}

	#eachCheck(run: (server: string, check: string) => void): void {
		for (const [id, { checks }] of this.#servers) for (const check of checks.keys()) run(id, check);
	}

	#notifyServer(id: string, server: RealServer, isUp: boolean, because: string): void {
		const command = isUp ? server.notifyUp : server.notifyDown;
		const notice = isUp ? "serverUp" : "serverDown";
		this.#actions.push({ type: "notify", notice, server: id, because, ...(command ? { command } : {}) });
	}

	#notifyQuorum(isUp: boolean, because: string): void {
		this.#quorumUp = isUp;
		const command = isUp ? this.#config.quorumUp : this.#config.quorumDown;
		const notice = isUp ? "quorumUp" : "quorumDown";
		this.#actions.push({ type: "notify", notice, because, ...(command ? { command } : {}) });
	}
}

function allUp(checks: ReadonlyMap<string, CheckState>): boolean {
	return [...checks.values()].every(({ isUp }) => isUp);
}
