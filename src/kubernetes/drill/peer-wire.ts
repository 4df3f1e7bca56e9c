// Orders of a privileged pod that looks at what another pod's connections carry on the wire (src/lab/drill/wire-watcher.ts).

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface, type Interface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { OrderGroup } from "./order-group.ts";
import { netnsPathOf } from "./peer-process.ts";

export type WireOrder =
	/** Of the pod `uid`; connections of other ports, and what comes from the addresses of `ignored`, do not count. */
	| { readonly order: "watchWire"; readonly uid: string; readonly port: number; readonly ignored: readonly string[] }
	/** Answers once encrypted connections come and go. */
	| { readonly order: "wireFlows"; readonly withinMs: number }
	/** Answers with a WireReport, and how many packets the kernel could not hand over. */
	| { readonly order: "wireReport" };

interface Watcher {
	readonly child: ChildProcess;
	readonly lines: Interface;
	readonly flowing: Promise<unknown>;
}

const watcherProgram = fileURLToPath(new URL("../../lab/drill/wire-watcher.ts", import.meta.url));
let watcher: Watcher | undefined;

export const wireOrders: OrderGroup<WireOrder> = {
	watchWire: async ({ ignored, port, uid }) => {
		watcher?.child.stdin?.end();
		const argv = [process.execPath, "--no-warnings", watcherProgram, `--port=${port}`, ...ignored];
		const child = spawn("nsenter", [`--net=${netnsPathOf(uid)}`, "--", ...argv], {
			stdio: ["pipe", "pipe", "inherit"],
		});
		const lines = createInterface({ input: child.stdout });
		await once(lines, "line", { signal: AbortSignal.timeout(20_000) });
		const flowing = once(lines, "line");
		flowing.catch(() => {});
		watcher = { child, lines, flowing };
		return {};
	},
	wireFlows: async ({ withinMs }) => {
		const late = AbortSignal.timeout(withinMs);
		await Promise.race([watched().flowing, once(late, "abort")]);
		if (late.aborted) throw new Error(`no encrypted connections were seen within ${withinMs / 1000} s`);
		return {};
	},
	wireReport: async () => {
		const { child, lines } = watched();
		watcher = undefined;
		const said = once(lines, "line");
		child.stdin?.end();
		const [line] = await said;
		return JSON.parse(String(line)) as object;
	},
};

function watched(): Watcher {
	if (!watcher) throw new Error("no wire is watched");
	return watcher;
}
