// Asks the machines of one world all that the cases say, all places at once. Out: what every cell met.

import { type Cell, cellsOf, type L4Case } from "./l4-case.ts";
import type { L4World, Place } from "./l4-world.ts";
import type { Met } from "./probe.ts";

/** A busy machine may be late with an answer; silence is believed only after this. */
const patientMs = 4000;

/** Case by case, in the order of its cells. */
export async function meetCases(world: L4World, cases: readonly L4Case[]): Promise<readonly (readonly Met[])[]> {
	const asked = cases.map((one, index) => cellsOf(one, index + 1));
	const met = await meet(world, asked.flat());
	return asked.map((cells) =>
		cells.map((cell) => {
			const one = met.get(cell);
			if (!one) throw new Error(`nobody asked: ${cell.title}`);
			return one;
		}),
	);
}

async function meet(world: L4World, cells: readonly Cell[]): Promise<ReadonlyMap<Cell, Met>> {
	const met = await ask(world, cells);
	const isOddlySilent = (cell: Cell): boolean => (met.get(cell)?.silent ?? 0) > 0 && cell.row.expect !== "silent";
	const again = cells
		.filter(isOddlySilent)
		.map((cell) => ({ ...cell, probe: { ...cell.probe, timeoutMs: patientMs } }));
	const patient = await ask(world, again);
	const result = new Map(met);
	for (const [index, cell] of cells.filter(isOddlySilent).entries()) {
		const one = again[index] && patient.get(again[index]);
		if (one) result.set(cell, one);
	}
	return result;
}

async function ask(world: L4World, cells: readonly Cell[]): Promise<ReadonlyMap<Cell, Met>> {
	const places: readonly Place[] = ["outside", "node", "pod"];
	const lists = await Promise.all(
		places.map(async (place) => {
			const own = cells.filter((cell) => cell.row.from === place);
			const met = await world.peers[place].probe(own.map(({ probe }) => probe));
			return own.map((cell, index) => [cell, met[index]] as const);
		}),
	);
	return new Map(lists.flat().flatMap(([cell, one]) => (one ? [[cell, one] as const] : [])));
}
