// Stops a push that would take most of a proxy's configuration away: an emptied directory, a source that lost its sync.
// Comes in: what the proxy has and what it should get. Goes out: send, or hold and why.

import { type ProxyConfig, type TypeUrl, typeUrls } from "../../xds/resource.ts";

export interface PushGuardConfig {
	/** Sets of this size or smaller may lose anything. */
	readonly minResources: number;
	/** The share of clusters, or of listeners, that may go at once. */
	readonly maxRemovedShare: number;
	/** A removal that is still wanted after this time is let through: it was meant. */
	readonly holdMs: number;
}

export const defaultPushGuardConfig: PushGuardConfig = { minResources: 20, maxRemovedShare: 0.5, holdMs: 30_000 };

export interface Removal {
	readonly typeUrl: TypeUrl;
	readonly removed: number;
	readonly had: number;
}

/** What a held push would take away; `sinceMs` is when it was first held. */
export interface HeldPush {
	readonly sinceMs: number;
	readonly removals: readonly Removal[];
}

export type PushVerdict = { readonly type: "send" } | { readonly type: "hold"; readonly held: HeldPush };

/** `held`: the verdict about this proxy before, if it was to hold. */
export function judgePush(
	config: PushGuardConfig,
	current: ProxyConfig | undefined,
	next: ProxyConfig,
	held: HeldPush | undefined,
	nowMs: number,
): PushVerdict {
	if (!current) return { type: "send" };
	const removals = [typeUrls.cluster, typeUrls.listener]
		.map((typeUrl) => removalOf(typeUrl, current, next))
		.filter(({ removed, had }) => had > config.minResources && removed > had * config.maxRemovedShare);
	if (removals.length === 0) return { type: "send" };
	const sinceMs = held?.sinceMs ?? nowMs;
	if (nowMs - sinceMs >= config.holdMs) return { type: "send" };
	return { type: "hold", held: { sinceMs, removals } };
}

function removalOf(typeUrl: TypeUrl, current: ProxyConfig, next: ProxyConfig): Removal {
	const before = current.get(typeUrl)?.parts ?? [];
	const after = next.get(typeUrl)?.parts ?? [];
	let had = 0;
	let removed = 0;
	for (const part of before) {
		had += part.resources.size;
		// Nearly always: the part is shared by all proxies and did not change.
		if (after.includes(part)) continue;
		for (const name of part.resources.keys()) if (!after.some(({ resources }) => resources.has(name))) removed++;
	}
	return { typeUrl, removed, had };
}

/** For whoever waits for what is held. */
export function heldMessage(held: HeldPush): string {
	const parts = held.removals.map(({ typeUrl, removed, had }) => {
		const noun = typeUrl.endsWith(".Cluster") ? "clusters" : "listeners";
		return `${removed} of ${had} ${noun}`;
	});
	return `it would remove ${parts.join(" and ")}; confirm it, or it is sent when it is still wanted after 30 s`;
}
