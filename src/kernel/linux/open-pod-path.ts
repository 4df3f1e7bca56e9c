// A pod's path by netlink. In: the path of the pod's network namespace. Out: a PodPath, or why there is none. No process is
// started; the sockets belong to the namespace, wherever this thread is.

import type { PathState } from "../../hotswitch/path-state.ts";
import {
	admittedSet,
	aliveSet,
	directSet,
	leaseTable,
	patientSet,
	redirectMark,
	spareSet,
} from "../../hotswitch/render-lease.ts";
import type { NftSet } from "../../l4/nftables/ruleset.ts";
import type { Failure, Opened } from "../host-network.ts";
import type { NftablesTables, NftTableChange } from "../nftables-tables.ts";
import type { PodPath } from "../pod-path.ts";
import { openConntrackTable } from "./conntrack/conntrack-table.ts";
import { openNftablesTables } from "./nftables/linux-nftables-tables.ts";

/** `/run/netns/NAME`, or `/proc/PID/ns/net`. Needs CAP_NET_ADMIN and CAP_SYS_ADMIN. */
export function openPodPath(netns: string): Opened<PodPath> {
	try {
		const opened = openNftablesTables({ netns });
		return opened.ok ? { ok: true, value: new LinuxPodPath(netns, opened.value) } : opened;
	} catch (error) {
		return { ok: false, because: "refused", message: error instanceof Error ? error.message : String(error) };
	}
}

class LinuxPodPath implements PodPath {
	readonly #netns: string;
	readonly #tables: NftablesTables;

	constructor(netns: string, tables: NftablesTables) {
		this.#netns = netns;
		this.#tables = tables;
	}

	set(state: PathState): { readonly ok: true } | Failure {
		const written = this.#tables.apply([
			...changesOf(admittedSet, state.sidecar),
			...changesOf(spareSet, state.spare),
			...changesOf(directSet, state.direct),
			...changesOf(patientSet, state.patient),
		]);
		return written.ok ? { ok: true } : written;
	}

	read(): PathState | undefined {
		const sets = this.#tables.read(leaseTable)?.sets ?? [];
		if (![aliveSet, admittedSet, spareSet, directSet].every((name) => sets.includes(name))) return undefined;
		const isOn = (name: string): boolean => this.#tables.elements(leaseTable, setOf(name)).length > 0;
		// An earlier version's table has no such set, and is made anew.
		const patient = sets.includes(patientSet) && isOn(patientSet);
		return { sidecar: isOn(admittedSet), spare: isOn(spareSet), direct: isOn(directSet), patient };
	}

	leaseRemainingMs(): number | undefined {
		return this.#tables.elements(leaseTable, setOf(aliveSet))[0]?.remainingMs;
	}

	vouch(forMs: number): { readonly ok: true } | Failure {
		const elements = [{ key: ["tcp"], timeoutMs: forMs }];
		const change = { type: "addElements", set: setOf(aliveSet), elements } as const;
		const written = this.#tables.apply([{ table: leaseTable, change }]);
		return written.ok ? { ok: true } : written;
	}

	forgetFlows(): number {
		try {
			const opened = openConntrackTable({ netns: this.#netns });
			if (!opened.ok) return 0;
			const mark = { value: redirectMark, mask: 0xffff_ffff };
			const answer = opened.value.deleteWhere({ protocol: "tcp", mark }, () => true);
			opened.value.close();
			return answer.ok ? answer.deleted : 0;
		} catch {
			// The namespace is gone, and its connections with it.
			return 0;
		}
	}

	close(): void {
		this.#tables.close();
	}
}

/** To take away what is not there is refused, so it is added first. */
function changesOf(name: string, isOn: boolean): readonly NftTableChange[] {
	const set = setOf(name);
	const elements = [{ key: ["tcp"] }];
	const add: NftTableChange = { table: leaseTable, change: { type: "addElements", set, elements } };
	return isOn ? [add] : [add, { table: leaseTable, change: { type: "deleteElements", set, elements } }];
}

const setOf = (name: string): NftSet => ({ name, key: ["inet_proto"] });
