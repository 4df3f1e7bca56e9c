// How often the pods of a lab had their connections sent another way, as the nodes' agents count it.

import type { Lab } from "../../lab/lab.ts";
import { runDirectory } from "../../lab/lab-record.ts";
import { nodePaths } from "../../node/plan/pod-paths.ts";
import { readSocketText } from "./read-socket-text.ts";

/** By pod, from, to and cause: `default/server-5d7 sidecar>direct silent`. An agent that was started again counts anew. */
export async function switchesOf(lab: Lab): Promise<ReadonlyMap<string, number>> {
	const { nodes } = await lab.status();
	const texts = await Promise.all(
		nodes.map(({ name }) => readSocketText(nodePaths(`${runDirectory(lab.name)}/${name}`).apiSocket, "/metrics")),
	);
	const counts = new Map<string, number>();
	for (const [, labels = "", value = "0"] of texts
		.join("\n")
		.matchAll(/^keepmesh_hotswitch_switches_total\{(.*)\} (\d+)$/gm)) {
		const label = (name: string): string => new RegExp(`${name}="([^"]*)"`).exec(labels)?.[1] ?? "";
		counts.set(`${label("pod")} ${label("from")}>${label("to")} ${label("because")}`, Number(value));
	}
	return counts;
}
