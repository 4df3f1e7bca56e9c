// A program that watches an address, in the network of a node of the cluster, as if it ran here (WatchingProcess).

import type { WatchingProgram } from "../../kubernetes/drill/peer-programs.ts";
import type { VipNode } from "./kubernetes-vip-node.ts";

export interface RemoteProgram {
	readonly node: VipNode;
	tell(line: string): Promise<void>;
	nextLine(): Promise<string>;
	end(): Promise<void>;
}

export async function startRemote(
	node: VipNode,
	program: WatchingProgram,
	args: readonly (string | number)[],
): Promise<RemoteProgram> {
	await node.order({ order: "program", as: program, program, args: args.map(String) });
	return {
		node,
		tell: async (line) => void (await node.order({ order: "tell", as: program, line })),
		nextLine: async () => (await node.order<{ line: string }>({ order: "nextLine", as: program })).line,
		end: () => endRemote(node, program),
	};
}

export async function endRemote(node: VipNode, program: WatchingProgram): Promise<void> {
	await node.order({ order: "endProgram", as: program });
}
