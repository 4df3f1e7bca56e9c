// Faults that a pod makes on its node and that have to go: when it is told to, when the pod ends, and at the latest after a time, also if
// nobody is left to tell. In: shell commands that make a fault and that undo it. What undoes is written down before the fault is made:
// a pod whose program was killed undoes it when kubelet has started it again.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { faultDirectory } from "./drill-order.ts";
import type { OrderGroup } from "./order-group.ts";
import { netnsPathOf } from "./peer-process.ts";

interface Fault {
	/** Of what goes on in one place only one at a time. */
	readonly name: string;
	/** The uid of a pod of this node, or `node`: in whose network namespace both run. */
	readonly netnsOf: string;
	readonly undo: string;
}

export type UndoOrder =
	| ({ readonly order: "fault"; readonly make: string; readonly withinMs: number } & Fault)
	| { readonly order: "undo"; readonly name: string };

const timers = new Map<string, NodeJS.Timeout>();
const fileOf = (name: string): string => join(faultDirectory, `${encodeURIComponent(name)}.json`);

export const undoOrders: OrderGroup<UndoOrder> = {
	fault: async ({ make, name, netnsOf, undo, withinMs }) => {
		if (timers.has(name)) throw new Error(`there is a fault ${name} already`);
		mkdirSync(faultDirectory, { recursive: true });
		writeFileSync(fileOf(name), JSON.stringify({ name, netnsOf, undo } satisfies Fault));
		timers.set(
			name,
			setTimeout(() => void undone(name).catch(console.error), withinMs),
		);
		try {
			await shell(netnsOf, make);
		} catch (error) {
			await undone(name).catch(console.error);
			throw error;
		}
		return {};
	},
	undo: async ({ name }) => {
		await undone(name);
		return {};
	},
};

/** All that there are: before the program ends, and of one that was killed. */
export async function undoAll(): Promise<void> {
	for (const file of filesOf(faultDirectory)) {
		const { name } = JSON.parse(readFileSync(join(faultDirectory, file), "utf8")) as Fault;
		await undone(name).catch(console.error);
	}
}

async function undone(name: string): Promise<void> {
	clearTimeout(timers.get(name));
	timers.delete(name);
	let fault: Fault;
	try {
		fault = JSON.parse(readFileSync(fileOf(name), "utf8")) as Fault;
	} catch {
		return;
	}
	await shell(fault.netnsOf, fault.undo);
	rmSync(fileOf(name), { force: true });
}

function filesOf(directory: string): readonly string[] {
	try {
		return readdirSync(directory);
	} catch {
		return [];
	}
}

async function shell(netnsOf: string, command: string): Promise<void> {
	const argv = [`--net=${netnsPathOf(netnsOf)}`, "--", "sh", "-ec", command];
	const child = spawn("nsenter", argv, { stdio: ["ignore", "ignore", "pipe"] });
	let stderr = "";
	child.stderr.setEncoding("utf8").on("data", (text: string) => {
		stderr += text;
	});
	const [code] = (await once(child, "close")) as [number | null];
	if (code !== 0) throw new Error(`${command}: ${stderr.trim()}`);
}
