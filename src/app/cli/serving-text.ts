// Where pods' connections go, as control planes have heard it from the nodes: asked for, put together, and said in words.

import { type ServingStep, servingSteps } from "../../hotswitch/serving-step.ts";
import type { ServingItem } from "../api/api-types.ts";
import { askAll } from "./control-plane-client.ts";
import type { ApiOption } from "./find-control-planes.ts";
import { paint, renderAge } from "./terminal.ts";

/** As all control planes together know them; nothing of one that is older than the question. */
export async function fetchServing(
	options: ApiOption,
	which: { readonly namespace?: string; readonly pod?: string } = {},
): Promise<readonly ServingItem[]> {
	const query = new URLSearchParams({ ...which });
	const call = { expect: [404] };
	const answers = await askAll<{ items?: readonly ServingItem[] }>(options, `/api/v1/serving?${query}`, call);
	return mergeServing(answers.map(({ answer }) => answer.items ?? []));
}

/** Of each pod what was heard last, sorted by namespace and name. */
export function mergeServing(lists: readonly (readonly ServingItem[])[]): readonly ServingItem[] {
	const byId = new Map<string, ServingItem>();
	for (const item of lists.flat()) {
		const known = byId.get(item.proxyId);
		if (!known || item.heardMsAgo < known.heardMsAgo) byId.set(item.proxyId, item);
	}
	return [...byId.values()].sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1));
}

/** `sidecar`, or `direct 12s`: the age only of what is not as it should be. */
export function shortServing({ serving }: Pick<ServingItem, "serving">, nowMs: number): string {
	if (!serving) return "-";
	if (serving.step === "sidecar") return "sidecar";
	return `${serving.step} ${renderAge(nowMs - serving.sinceMs)}`;
}

/** `direct for 12s: ended by SIGKILL`. */
export function longServing({ serving }: Pick<ServingItem, "serving">, nowMs: number): string {
	if (!serving) return "it has no hot-switch";
	const { because, bypass, cause, sinceMs, step } = serving;
	// A bypass that began the step is in its reason already.
	const who = bypass && cause !== "bypass" ? `; bypassed by ${bypass.by}: ${bypass.why}` : "";
	const until = bypass?.untilMs === undefined ? "" : `, until ${new Date(bypass.untilMs).toISOString()}`;
	return `${paint(colours[step], step)} for ${renderAge(nowMs - sinceMs)}: ${because}${who}${until}`;
}

/** `3 sidecar, 1 direct`; undefined when no pod has a hot-switch. */
export function countServing(items: readonly ServingItem[]): string | undefined {
	const counts = servingSteps.map(
		(step) => [step, items.filter(({ serving }) => serving?.step === step).length] as const,
	);
	const texts = counts.filter(([, count]) => count > 0).map(([step, count]) => `${count} ${words[step]}`);
	return texts.length === 0 ? undefined : texts.join(", ");
}

export function nameOf({ namespace, pod }: Pick<ServingItem, "namespace" | "pod">): string {
	return `${namespace}/${pod}`;
}

const words: Readonly<Record<ServingStep, string>> = {
	sidecar: "by their sidecar",
	spare: "by the node's spare",
	direct: "directly, in plaintext",
	closed: "not at all",
};

const colours = { sidecar: "green", spare: "yellow", direct: "yellow", closed: "red" } as const;
