// What the agent's own acts cost: one change of a pod's path in the kernel, and one look at the lease.

import { closedPath } from "../../src/hotswitch/path-state.ts";
import { type BenchRow, spreadOf } from "../support/bench-report.ts";
import type { LeasePod } from "./lease-pod.ts";

const times = 500;

export async function pathChangeRows({ path, redirect }: LeasePod): Promise<readonly BenchRow[]> {
	await redirect(60_000);
	const taking = (act: (index: number) => void): readonly number[] =>
		Array.from({ length: times }, (_, index) => {
			const startMs = performance.now();
			act(index);
			return (performance.now() - startMs) * 1000;
		});
	const change = taking((index) => {
		const set = path.set({ ...closedPath, sidecar: index % 2 === 0, direct: index % 2 === 1 });
		if (!set.ok) throw new Error(set.message);
	});
	const look = taking(() => path.leaseRemainingMs());
	return [
		{ what: "one change of a pod's path", unit: "us", spread: spreadOf(change) },
		{ what: "one look at the lease", unit: "us", spread: spreadOf(look) },
	];
}
