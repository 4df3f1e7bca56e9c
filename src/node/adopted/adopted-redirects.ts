// Takes over the redirect of a pod that Istio's init container set up. In: the pod's network namespace and the directory of
// records. Out: what was done, or why not and what to do. Saved first, then removed: ended at any moment, it can be called again.

import type { AdoptedPart, AdoptedRedirect } from "../../hotswitch/adopt/adopted-redirect.ts";
import { renderRemoval, renderRestoration } from "../../hotswitch/adopt/render-adopted.ts";
import { namespaceIdentity } from "../../kernel/linux/namespace-identity.ts";
import {
	type IptablesFailure,
	loadPodRules,
	orderPodRouting,
	readPodRoutes,
	readPodRouting,
} from "../../kernel/pod-iptables.ts";
import type { AdoptedStore } from "./adopted-store.ts";
import {
	compareRedirect,
	type RedirectState,
	readRedirectRouting,
	readRulesNow,
	redirectParts,
	sourceName,
} from "./read-redirect.ts";

export type AdoptFailure =
	| { readonly ok: false; readonly because: "noNamespace" | "noRedirect" | "notAdopted" }
	| { readonly ok: false; readonly because: "changed"; readonly differences: readonly string[] }
	| { readonly ok: false; readonly because: "refused"; readonly message: string; readonly hint: string };

export type AdoptResult =
	| {
			readonly ok: true;
			readonly record: AdoptedRedirect;
			/** False: it was so already. */
			readonly isDone: boolean;
			/** What was loaded into iptables-restore, or would be: one text for each part. */
			readonly texts: readonly { readonly source: string; readonly text: string }[];
	  }
	| AdoptFailure;

export interface AdoptOptions {
	readonly netns: string;
	readonly store: AdoptedStore;
	/** Changes nothing, neither in the kernel nor on disk. */
	readonly dryRun: boolean;
	readonly nowMs: number;
	/** Saves anew what is there now, in place of an older record. */
	readonly replace?: boolean;
}

/** Finds and saves. */
export async function adoptRedirect(options: AdoptOptions): Promise<AdoptResult> {
	const { dryRun, netns, nowMs, replace, store } = options;
	const identity = namespaceIdentity(netns);
	if (!identity) return { ok: false, because: "noNamespace" };
	const read = await readRulesNow(netns);
	if (!read.ok) return refused(read);
	const parts = redirectParts(read.now);
	const known = store.find(identity.id);
	if (known) {
		const { differences, isTakenOff, state } = compareRedirect(known, read.now);
		if (state !== "changed") return { ok: true, record: known, isDone: false, texts: [] };
		// The record is the only place that has the tables which are taken off.
		if (!replace || isTakenOff || parts.length === 0) return { ok: false, because: "changed", differences };
	}
	if (parts.length === 0) return { ok: false, because: "noRedirect" };
	const routing = await readRedirectRouting(netns, parts);
	const record = { version: 1, namespace: { ...identity, path: netns }, savedMs: nowMs, parts, routing } as const;
	if (!dryRun) await store.save(record);
	return { ok: true, record, isDone: true, texts: textsOf(parts, renderRemoval) };
}

/** Removes what was saved. Connections that run stay with the proxy, for the kernel keeps their translation. */
export async function bypassRedirect(options: AdoptOptions): Promise<AdoptResult> {
	const found = await findAdopted(options);
	if (!found.ok) return found;
	const { record, state } = found;
	const parts = partsWhere(record, (part, table) => state.present.get(part)?.has(table) === true);
	const texts = textsOf(parts, renderRemoval);
	if (options.dryRun) return { ok: true, record, isDone: parts.length > 0, texts };
	for (const part of parts) {
		const loaded = await loadPodRules(options.netns, part, renderRemoval(part.tables));
		if (!loaded.ok) return refused(loaded);
	}
	const routed = await setRouting(options.netns, record, "del");
	if (!routed.ok) return refused(routed);
	return await confirm(options, record, "removed", { ok: true, record, isDone: parts.length > 0, texts });
}

/** Puts back what was saved, each rule in its place. */
export async function restoreRedirect(options: AdoptOptions): Promise<AdoptResult> {
	const found = await findAdopted(options);
	if (!found.ok) return found;
	const { record, state } = found;
	const parts = partsWhere(record, (part, table) => state.present.get(part)?.has(table) !== true);
	const texts = textsOf(parts, renderRestoration);
	if (options.dryRun) return { ok: true, record, isDone: parts.length > 0, texts };
	// Before the rules that mark packets for them.
	const routed = await setRouting(options.netns, record, "add");
	if (!routed.ok) return refused(routed);
	for (const part of parts) {
		const loaded = await loadPodRules(options.netns, part, renderRestoration(part.tables));
		if (!loaded.ok) return refused(loaded);
	}
	return await confirm(options, record, "present", { ok: true, record, isDone: parts.length > 0, texts });
}

/** `gone`: the pod has ended. */
export async function adoptedState(record: AdoptedRedirect): Promise<RedirectState["state"] | "gone" | "unreadable"> {
	const { id, path } = record.namespace;
	if (namespaceIdentity(path)?.id !== id) return "gone";
	const read = await readRulesNow(path);
	return read.ok ? compareRedirect(record, read.now).state : "unreadable";
}

async function findAdopted({
	netns,
	store,
}: AdoptOptions): Promise<
	{ readonly ok: true; readonly record: AdoptedRedirect; readonly state: RedirectState } | AdoptFailure
> {
	const identity = namespaceIdentity(netns);
	if (!identity) return { ok: false, because: "noNamespace" };
	const record = store.find(identity.id);
	if (!record) return { ok: false, because: "notAdopted" };
	const read = await readRulesNow(netns);
	if (!read.ok) return refused(read);
	const state = compareRedirect(record, read.now);
	if (state.state === "changed") return { ok: false, because: "changed", differences: state.differences };
	return { ok: true, record, state };
}

/** What the kernel says afterwards decides. */
async function confirm(
	{ netns }: AdoptOptions,
	record: AdoptedRedirect,
	wanted: "present" | "removed",
	result: AdoptResult,
): Promise<AdoptResult> {
	const read = await readRulesNow(netns);
	if (!read.ok) return refused(read);
	const { differences, state } = compareRedirect(record, read.now);
	if (state === wanted) return result;
	return { ok: false, because: "changed", differences: [`the redirect is ${state}, not ${wanted}`, ...differences] };
}

function partsWhere(
	record: AdoptedRedirect,
	isWanted: (part: AdoptedPart, table: string) => boolean,
): readonly AdoptedPart[] {
	return record.parts
		.map((part) => ({ ...part, tables: part.tables.filter(({ name }) => isWanted(part, name)) }))
		.filter(({ tables }) => tables.length > 0);
}

const textsOf = (parts: readonly AdoptedPart[], render: (tables: AdoptedPart["tables"]) => string) =>
	parts.map((part) => ({ source: sourceName(part), text: render(part.tables) }));

/** Adds what is missing, or deletes what is there. */
async function setRouting(
	netns: string,
	record: AdoptedRedirect,
	action: "add" | "del",
): Promise<{ readonly ok: true } | IptablesFailure> {
	const now = await readPodRouting(netns);
	for (const { family, routes, rules } of record.routing) {
		const present = new Set(
			(now.find((routing) => routing.family === family)?.rules ?? []).map(
				(line) => `pref ${line.replace(/:\s+/, " ")}`,
			),
		);
		for (const route of routes) {
			const table = route.split(" ").at(-1) ?? "";
			const known = (await readPodRoutes(netns, family, table)).map((line) => `${line} table ${table}`);
			if (known.includes(route) !== (action === "del")) continue;
			const routed = await orderPodRouting(netns, family, `route ${action} ${route}`);
			if (!routed.ok) return routed;
		}
		for (const rule of rules) {
			if (present.has(rule) !== (action === "del")) continue;
			const routed = await orderPodRouting(netns, family, `rule ${action} ${rule}`);
			if (!routed.ok) return routed;
		}
	}
	return { ok: true };
}

const refused = ({ hint, message }: IptablesFailure): AdoptFailure => ({
	ok: false,
	because: "refused",
	message,
	hint,
});
