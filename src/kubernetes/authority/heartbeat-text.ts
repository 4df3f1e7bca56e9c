// A replica's heartbeat as one short text for a ConfigMap's binaryData, and back: thousands of proxies' names, squeezed.

import { gunzipSync, gzipSync } from "node:zlib";
import type { Heartbeat } from "../../identity/authority/rotation-store.ts";

export interface SharedHeartbeat extends Heartbeat {
	/** The replica is a Pod of its name: when that is gone, nobody waits for it. */
	readonly isPod: boolean;
}

/** A ConfigMap of all replicas holds 1 MiB; one that says more was not written by a control plane. */
const longestBytes = 16 * 1024 * 1024;

export function renderHeartbeat({ beat, bundleVersion, connected, expected, isPod }: SharedHeartbeat): string {
	const acknowledged = connected.flatMap((one) => (one.acknowledged === bundleVersion ? [one.proxy] : []));
	const behind = connected.flatMap((one) => (one.acknowledged === bundleVersion ? [] : [one.proxy]));
	const text = JSON.stringify({ format: 1, beat, bundleVersion, acknowledged, behind, expected, isPod });
	return gzipSync(text).toString("base64");
}

/** One that cannot be read is of a replica that is not heard of: it never becomes fresh. */
export function readHeartbeat(replica: string, text: string): SharedHeartbeat {
	const content = parsed(text);
	const { acknowledged, beat, behind, bundleVersion, expected, isPod } = content ?? {};
	if (!areNames(acknowledged) || !areNames(behind) || !areNames(expected))
		return { replica, beat: "", bundleVersion: "", connected: [], expected: [], isPod: true };
	const version = String(bundleVersion);
	const connected = [
		...acknowledged.map((proxy) => ({ proxy, acknowledged: version })),
		...behind.map((proxy) => ({ proxy })),
	];
	return { replica, beat: String(beat), bundleVersion: version, connected, expected, isPod: isPod !== false };
}

function parsed(text: string): Readonly<Record<string, unknown>> | undefined {
	try {
		const bytes = gunzipSync(Buffer.from(text, "base64"), { maxOutputLength: longestBytes });
		return JSON.parse(bytes.toString("utf8")) as Readonly<Record<string, unknown>>;
	} catch {
		return undefined;
	}
}

function areNames(value: unknown): value is readonly string[] {
	return Array.isArray(value) && value.every((one) => typeof one === "string");
}
