// Who has not confirmed a trust bundle yet. In: what each control plane says of itself and its proxies. Out: everything that
// forbids to take the next step. Where it is not known, it is not confirmed.

import type { Blocker } from "./rotation-state.ts";

/** One control plane's word, as its heartbeat file has it. */
export interface ReplicaReport {
	readonly replica: string;
	/** False when its heartbeat has stopped. */
	readonly fresh: boolean;
	/** The bundle that it hands out, to whoever connects to it from now on. */
	readonly bundleVersion: string;
	/** Proxies with a workload certificate that are connected to it, and the bundle that each has confirmed. */
	readonly connected: readonly { readonly proxy: string; readonly acknowledged?: string }[];
	/** Proxies that exist, as far as it knows: `reviews-v1-abc.default`. */
	readonly expected: readonly string[];
}

/**
 * Empty when every control plane hands out this version and every proxy has confirmed it. A proxy that seems connected to
 * two control planes must have confirmed it to both: the older connection proves nothing.
 */
export function findBlockers(fleet: readonly ReplicaReport[], wantedVersion: string): readonly Blocker[] {
	const fresh = fleet.filter((report) => report.fresh);
	const silent = fleet.filter((report) => !report.fresh);
	const connected = new Set(fresh.flatMap((report) => report.connected.map(({ proxy }) => proxy)));
	const expected = new Set(fresh.flatMap((report) => report.expected));
	return [
		...silent.map(({ replica }): Blocker => ({ type: "replicaSilent", replica })),
		...fresh
			.filter(({ bundleVersion }) => bundleVersion !== wantedVersion)
			.map(({ replica }): Blocker => ({ type: "replicaBehind", replica })),
		...fresh.flatMap(({ replica, connected: own }) =>
			own
				.filter(({ acknowledged }) => acknowledged !== wantedVersion)
				.map(({ proxy }): Blocker => ({ type: "proxyBehind", proxy, replica })),
		),
		...[...expected]
			.filter((proxy) => !connected.has(proxy))
			.sort()
			.map((proxy): Blocker => ({ type: "proxyAbsent", proxy })),
	];
}
