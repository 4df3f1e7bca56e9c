// Slots: a packet draws a number below their count, by chance, by a counter or by a hash, and the slot says who answers. In: backends,
// the scheduler, the slots before. Out: a backend for each slot.

import type { Backend } from "../balancer.ts";
import { maglevSize, maglevTable } from "./maglev.ts";
import { slotCounts } from "./slot-counts.ts";
import { weightedWheel } from "./weighted-wheel.ts";

/** How nftables can draw a slot. `source`: the client's address alone (LVS `sh`). */
export type DrawnBy = "random" | "rr" | "wrr" | "source" | "maglev";

/**
 * Where the order decides nothing (random, rr) those who stay keep their slots, and the last one moves into a hole; elsewhere the slots
 * follow from the backends alone. Empty when nobody has weight. The list itself when it needs no change.
 */
export function slotsOf(
	backends: readonly Backend[],
	drawnBy: DrawnBy,
	before: readonly Backend[] | undefined,
): readonly Backend[] {
	// Kubernetes' backends are all alike.
	if (drawnBy !== "maglev" && backends.every(({ weight }) => weight === 1))
		return drawnBy === "random" || drawnBy === "rr" ? keepPlaces(backends, before) : backends;
	switch (drawnBy) {
		case "random":
			return keepPlaces(repeated(backends, slotCounts(backends.map(({ weight }) => weight))), before);
		case "rr":
			return keepPlaces(
				repeated(
					backends,
					backends.map(({ weight }) => Math.min(weight, 1)),
				),
				before,
			);
		case "source":
			return repeated(backends, slotCounts(backends.map(({ weight }) => weight)));
		case "wrr": {
			const counts = slotCounts(backends.map(({ weight }) => weight));
			return counts.every((count) => count === 1) ? backends : at(backends, weightedWheel(counts));
		}
		case "maglev":
			return at(backends, maglevTable(backends, maglevSize(backends.filter(({ weight }) => weight > 0).length)));
		default:
			return drawnBy satisfies never;
	}
}

export function sameBackend(a: Backend, b: Backend): boolean {
	return a === b || (a.address === b.address && a.port === b.port);
}

function at(backends: readonly Backend[], indexes: Iterable<number>): readonly Backend[] {
	const slots: Backend[] = [];
	for (const index of indexes) {
		const backend = backends[index];
		if (backend !== undefined) slots.push(backend);
	}
	return slots;
}

function repeated(backends: readonly Backend[], counts: readonly number[]): readonly Backend[] {
	if (counts.every((count) => count === 1)) return backends;
	return backends.flatMap((backend, index) => new Array<Backend>(counts[index] ?? 0).fill(backend));
}

function keepPlaces(wanted: readonly Backend[], before: readonly Backend[] | undefined): readonly Backend[] {
	if (before === undefined || before.length === 0 || wanted.length === 0) return wanted;
	const waiting = new Map<string, Backend[]>();
	for (const backend of wanted) {
		const key = `${backend.address} ${backend.port}`;
		const list = waiting.get(key);
		if (list === undefined) waiting.set(key, [backend]);
		else list.push(backend);
	}
	const slots: (Backend | undefined)[] = before.map((backend) =>
		waiting.get(`${backend.address} ${backend.port}`)?.pop(),
	);
	const newcomers = [...waiting.values()].flat();
	for (let slot = 0; slot < slots.length && newcomers.length > 0; slot++) slots[slot] ??= newcomers.shift();
	slots.push(...newcomers);
	// What is still empty is filled from the end.
	for (let slot = 0; slot < slots.length; slot++) {
		while (slots.length > slot && slots.at(-1) === undefined) slots.pop();
		if (slot < slots.length) slots[slot] ??= slots.pop();
	}
	const kept = slots.filter((backend) => backend !== undefined);
	return kept.length === wanted.length && kept.every((backend, slot) => backend === wanted[slot]) ? wanted : kept;
}
