// What an agent must know of the table that an earlier one made, to leave it as it is. In: a plan. Out: a record of it, which
// says also what no other file says at that moment: where plaintext is taken, and for how long the lease runs.

import { createHash } from "node:crypto";
import type { PlaintextPorts, RedirectPlan } from "../hotswitch/redirect-plan.ts";
import type { Lease } from "../hotswitch/render-lease.ts";
import { renderRedirect } from "../hotswitch/render-redirect.ts";
import { readKeptFile } from "./kept-file.ts";

export interface KeptRedirect {
	readonly digest: string;
	readonly plaintext: PlaintextPorts;
	readonly lease?: Lease;
}

/** Equal for plans that give the same table, whatever the pod's path in it is. */
export function digestOf(plan: RedirectPlan): string {
	return createHash("sha256").update(renderRedirect(plan)).digest("hex");
}

export function encodeKeptRedirect(plan: RedirectPlan): string {
	const { plaintext, lease } = plan;
	return `${JSON.stringify({ version: 1, digest: digestOf(plan), plaintext, lease })}\n`;
}

/** Undefined when there is none that can be read: then the table is made anew. */
export function readKeptRedirect(path: string): KeptRedirect | undefined {
	try {
		const { version, digest, plaintext, lease } = JSON.parse(readKeptFile(path) ?? "{}");
		if (version !== 1 || typeof digest !== "string") return undefined;
		if (typeof plaintext?.others !== "boolean" || !isPorts(plaintext.except)) return undefined;
		const isLease = Number.isInteger(lease?.leaseMs) && Number.isInteger(lease?.hangMs);
		return { digest, plaintext, ...(isLease ? { lease } : {}) };
	} catch {
		return undefined;
	}
}

function isPorts(value: unknown): boolean {
	return Array.isArray(value) && value.every((port) => Number.isInteger(port));
}
