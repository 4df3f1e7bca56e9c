// Orders of a pod that sees its node's network: programs that watch an address, or answer there, run in it, driven by lines as
// src/lab/vip-watch has them. They end with the pod.

import { startWatching, type WatchingProcess } from "../../lab/vip-watch/watching-process.ts";
import type { OrderGroup } from "./order-group.ts";
import { netnsPathOf } from "./peer-process.ts";

export type WatchingProgram = "udp-echo" | "udp-prober" | "owner-watcher" | "http-service";

export type ProgramOrder =
	/** Under that name; another of the name ends. `%netns` in an argument: where the node's network is. */
	| {
			readonly order: "program";
			readonly as: string;
			readonly program: WatchingProgram;
			readonly args: readonly string[];
	  }
	| { readonly order: "tell"; readonly as: string; readonly line: string }
	/** Answers with the next line that it prints, as `{ line }`. */
	| { readonly order: "nextLine"; readonly as: string }
	| { readonly order: "endProgram"; readonly as: string };

const running = new Map<string, WatchingProcess>();

export const programOrders: OrderGroup<ProgramOrder> = {
	program: ({ args, as, program }) => {
		running.get(as)?.end();
		const netns = netnsPathOf("node");
		// It looks into the network by itself, from where it can also be started.
		const inside = program === "owner-watcher" ? undefined : netns;
		running.set(
			as,
			startWatching(
				program,
				inside,
				args.map((arg) => arg.replace("%netns", netns)),
			),
		);
		return {};
	},
	tell: ({ as, line }) => {
		programNamed(as).tell(line);
		return {};
	},
	nextLine: async ({ as }) => ({ line: await programNamed(as).nextLine() }),
	endProgram: ({ as }) => {
		running.get(as)?.end();
		running.delete(as);
		return {};
	},
};

function programNamed(name: string): WatchingProcess {
	const found = running.get(name);
	if (!found) throw new Error(`no program ${name} runs`);
	return found;
}
