// What proxies refused, and what is in force instead, for the process that comes after this one: without it a restart would
// lose the last good version of a resource whose file still holds a bad one. One file, JSON, for root alone.

import { readFileSync } from "node:fs";
import type { AnyObject, ObjectKey } from "../../resources/config-object.ts";
import type { Clock } from "../../runtime/clock.ts";
import { replaceFile } from "../../runtime/durable-file.ts";
import type { Log } from "../../runtime/log.ts";
import type { HeldObject, Refusal } from "./quarantine-machine.ts";

export interface QuarantineStore {
	load(): ReadonlyMap<ObjectKey, HeldObject>;
	/** Best effort. */
	save(held: ReadonlyMap<ObjectKey, HeldObject>): void;
}

/** Times are of the wall clock there. A file that cannot be read counts as nothing. */
export function quarantineFile(path: string, { clock, log }: { clock: Clock; log: Log }): QuarantineStore {
	const shifted = (held: HeldObject, byMs: number): HeldObject => ({
		...held,
		sinceMs: held.sinceMs + byMs,
		refusals: held.refusals.map((refusal): Refusal => ({ ...refusal, atMs: refusal.atMs + byMs })),
	});
	const offsetMs = (): number => clock.wallMs() - clock.monotonicMs();
	return {
		load: () => {
			let text: string;
			try {
				text = readFileSync(path, "utf8");
			} catch {
				return new Map();
			}
			try {
				const { held } = JSON.parse(text) as { readonly held: readonly (readonly [ObjectKey, HeldObject])[] };
				const known = held.filter(([, one]) => isObject(one.wanted) && isObject(one.inForce));
				return new Map(known.map(([key, one]) => [key, shifted(one, -offsetMs())]));
			} catch (error) {
				log.warn({ path, because: String(error) }, "what was refused before is not known: the file is not readable");
				return new Map();
			}
		},
		save: (held) => {
			try {
				const entries = [...held].map(([key, one]) => [key, shifted(one, offsetMs())]);
				replaceFile(path, JSON.stringify({ held: entries }), false);
			} catch (error) {
				log.warn({ path, because: String(error) }, "what was refused cannot be kept for a restart");
			}
		},
	};
}

function isObject(value: AnyObject | undefined): boolean {
	return value === undefined || (typeof value.kind === "string" && typeof value.metadata?.name === "string");
}
