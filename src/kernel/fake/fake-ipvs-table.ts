// IpvsTable in memory. It refuses what the kernel refuses, and its text is as `ipvsadm -Sn` writes it.

import { renderDestination, renderServer } from "../../l4/ipvs/render-text.ts";
import {
	type DestinationState,
	destinationName,
	type IpvsChange,
	type VirtualServer,
	virtualServerName,
} from "../../l4/ipvs/virtual-server.ts";
import type { Failure, Outcome } from "../host-network.ts";
import type { IpvsApplied, IpvsRead, IpvsTable, IpvsTimeouts, SyncDaemon } from "../ipvs-table.ts";

const none = { connections: 0, packetsIn: 0, packetsOut: 0, bytesIn: 0, bytesOut: 0 };

export class FakeIpvsTable implements IpvsTable {
	readonly #servers = new Map<string, { server: VirtualServer; destinations: Map<string, DestinationState> }>();
	#timeouts: IpvsTimeouts = { tcpSec: 900, tcpFinSec: 120, udpSec: 300 };
	#daemons: readonly SyncDaemon[] = [];
	/** Schedulers whose modules this kernel lacks. */
	readonly missingSchedulers = new Set(["twos"]);
	/** Every change that was made. */
	readonly applied: IpvsChange[] = [];

	read(): IpvsRead {
		const servers = [...this.#servers.values()].map(({ server, destinations }) => ({
			server,
			counters: none,
			destinations: [...destinations.values()],
		}));
		return { ok: true, servers };
	}

	apply(changes: readonly IpvsChange[]): IpvsApplied {
		const failed: { change: IpvsChange; failure: Failure }[] = [];
		for (const change of changes) {
			const because = this.#change(change);
			if (because === undefined) this.applied.push(change);
			else failed.push({ change, failure: { ok: false, because: "refused", message: because } });
		}
		return { done: changes.length - failed.length, failed, tookMs: 0 };
	}

	/** As if clients were connected. */
	setConnections(server: string, destination: string, active: number, inactive = 0): void {
		const entry = this.#servers.get(server)?.destinations;
		const state = entry?.get(destination);
		if (!entry || !state) throw new Error(`${server} has no ${destination}`);
		entry.set(destination, { ...state, activeConnections: active, inactiveConnections: inactive });
	}

	text(): string {
		return [...this.#servers.values()]
			.flatMap(({ server, destinations }) => [
				renderServer(server),
				...[...destinations.values()].map(({ destination }) => renderDestination(server.key, destination)),
			])
			.sort()
			.join("\n");
	}

	timeouts(): { readonly ok: true; readonly value: IpvsTimeouts } {
		return { ok: true, value: this.#timeouts };
	}

	setTimeouts(timeouts: IpvsTimeouts): Outcome {
		const { tcpSec, tcpFinSec, udpSec } = this.#timeouts;
		this.#timeouts = {
			tcpSec: timeouts.tcpSec || tcpSec,
			tcpFinSec: timeouts.tcpFinSec || tcpFinSec,
			udpSec: timeouts.udpSec || udpSec,
		};
		return { ok: true, changed: true };
	}

	syncDaemons(): { readonly ok: true; readonly value: readonly SyncDaemon[] } {
		return { ok: true, value: this.#daemons };
	}

	startSyncDaemon(daemon: SyncDaemon): Outcome {
		if (this.#daemons.some(({ role }) => role === daemon.role)) return { ok: true, changed: false };
		this.#daemons = [...this.#daemons, daemon];
		return { ok: true, changed: true };
	}

	stopSyncDaemon(role: SyncDaemon["role"]): Outcome {
		const kept = this.#daemons.filter((daemon) => daemon.role !== role);
		const changed = kept.length < this.#daemons.length;
		this.#daemons = kept;
		return { ok: true, changed };
	}

	close(): void {}

	/** Why not. */
	#change(change: IpvsChange): string | undefined {
		const name = virtualServerName("server" in change ? change.server.key : change.key);
		const entry = this.#servers.get(name);
		if (change.type === "addServer") {
			if (entry) return `${name} exists`;
			if (this.missingSchedulers.has(change.server.scheduler)) return `no scheduler ${change.server.scheduler}`;
			this.#servers.set(name, { server: change.server, destinations: new Map() });
			return undefined;
		}
		if (change.type === "deleteServer") {
			this.#servers.delete(name);
			return undefined;
		}
		if (!entry) return `${name} does not exist`;
		if ("server" in change) {
			entry.server = change.server;
			return undefined;
		}
		if (change.type === "deleteDestination") {
			entry.destinations.delete(destinationName(change));
			return undefined;
		}
		const { destination } = change;
		const before = entry.destinations.get(destinationName(destination));
		if (change.type === "addDestination" && before) return `${destinationName(destination)} exists`;
		if (change.type === "editDestination" && !before) return `${destinationName(destination)} does not exist`;
		const counts = before ?? { activeConnections: 0, inactiveConnections: 0, persistentConnections: 0, counters: none };
		entry.destinations.set(destinationName(destination), { ...counts, destination });
		return undefined;
	}
}
