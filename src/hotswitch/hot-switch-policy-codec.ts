// A workload's HotSwitchPolicy as the control plane sends it to the node: JSON in UTF-8, every field by its name.
// Bytes that say anything else are refused whole: a kernel that redirects by half a policy would be worse than by the last.

import type { HotSwitchPolicy } from "./hot-switch-policy.ts";

export const hotSwitchPolicyTypeUrl = "type.googleapis.com/keepmesh.hotswitch.v1.HotSwitchPolicy";
/** The one resource of that type that a proxy has. */
export const hotSwitchPolicyName = "workload";

const maxBytes = 4096;
const maxMs = 7 * 24 * 3_600_000;

export function encodeHotSwitchPolicy(policy: HotSwitchPolicy): Uint8Array {
	return new TextEncoder().encode(JSON.stringify(policy));
}

/** Undefined for bytes that are no policy, that lack a field, or whose numbers are out of bounds. Unknown fields are passed over. */
export function decodeHotSwitchPolicy(bytes: Uint8Array): HotSwitchPolicy | undefined {
	if (bytes.length > maxBytes) return undefined;
	let fields: unknown;
	try {
		fields = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
	} catch {
		return undefined;
	}
	if (typeof fields !== "object" || fields === null) return undefined;
	return policyOf(fields as Readonly<Record<string, unknown>>);
}

function policyOf(fields: Readonly<Record<string, unknown>>): HotSwitchPolicy | undefined {
	const { enabled, spare, direct, failOpen, permitsPlaintext, directLimitMs } = fields;
	const { leaseMs, heartbeatMs, hangMs, proveMs, flapCount, flapWindowMs, proveMaxMs } = fields;
	if (!isFlag(enabled) || !isFlag(spare) || !isFlag(direct) || !isFlag(permitsPlaintext)) return undefined;
	if (failOpen !== "never" && failOpen !== "permissive" && failOpen !== "always") return undefined;
	if (!isWhole(leaseMs, 1) || !isWhole(heartbeatMs, 1) || !isWhole(hangMs, 1) || !isWhole(proveMs, 0)) return undefined;
	if (!isWhole(flapCount, 1) || !isWhole(flapWindowMs, 1) || !isWhole(proveMaxMs, 0)) return undefined;
	if (leaseMs < 2 * heartbeatMs || hangMs < leaseMs) return undefined;
	if (directLimitMs !== undefined && !isWhole(directLimitMs, 1)) return undefined;
	return {
		enabled,
		spare,
		direct,
		failOpen,
		permitsPlaintext,
		leaseMs,
		heartbeatMs,
		hangMs,
		proveMs,
		flapCount,
		flapWindowMs,
		proveMaxMs,
		...(directLimitMs === undefined ? {} : { directLimitMs }),
	};
}

function isFlag(value: unknown): value is boolean {
	return typeof value === "boolean";
}

function isWhole(value: unknown, least: number): value is number {
	return Number.isInteger(value) && Number(value) >= least && Number(value) <= maxMs;
}
