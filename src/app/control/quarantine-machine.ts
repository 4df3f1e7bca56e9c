// Which resources Envoys have refused, and what is in force in their place: the last good version, or nothing where there was
// none. Comes in: changed resources, refusals with their suspects, the end of a trial. Goes out: changes for the snapshot.
// If several could be to blame, all are held, and halves of them are tried again, one after another, until the one is found.

import { type AnyObject, keyOf, type ObjectKey } from "../../resources/config-object.ts";
import { type Change, keyOfChange, kindOfChange } from "../../snapshot/change.ts";
import { sameValue } from "../../snapshot/same-value.ts";

export interface QuarantineConfig {
	/** More than so many suspects are never held at once: that would break more than it saves. */
	readonly maxSuspects: number;
	/** Refusals that are remembered of one resource. */
	readonly maxRefusals: number;
}

export const defaultQuarantineConfig: QuarantineConfig = { maxSuspects: 16, maxRefusals: 20 };

/** What a proxy said against a resource, or what happened to it. */
export interface Refusal {
	readonly proxy: string;
	/** `RDS`; absent when the proxy became unwell. */
	readonly type?: string;
	readonly names: readonly string[];
	readonly message: string;
	/** On the monotonic clock. */
	readonly atMs: number;
}

export interface HeldObject {
	/** What the source says; undefined: that it is to be gone. */
	readonly wanted: AnyObject | undefined;
	/** The last good version; undefined: there was none. */
	readonly inForce: AnyObject | undefined;
	readonly refusals: readonly Refusal[];
	/** False while others may be to blame. */
	readonly isProven: boolean;
	readonly sinceMs: number;
}

interface Suspect {
	readonly before: AnyObject | undefined;
	readonly after: AnyObject | undefined;
}

export interface QuarantineState {
	/** Changed since proxies last agreed to everything. */
	readonly suspects: ReadonlyMap<ObjectKey, Suspect>;
	/** What they agreed to last, while it is watched what becomes of them with it. */
	readonly watched: ReadonlyMap<ObjectKey, Suspect>;
	readonly held: ReadonlyMap<ObjectKey, HeldObject>;
	/** Held resources that are to be tried again, one group after another. */
	readonly untried: readonly (readonly ObjectKey[])[];
	/** Let in by the operator: never held as they are now. */
	readonly insisted: ReadonlySet<ObjectKey>;
}

export const emptyQuarantine: QuarantineState = {
	suspects: new Map(),
	watched: new Map(),
	held: new Map(),
	untried: [],
	insisted: new Set(),
};

export type QuarantineEvent =
	/** `inForce`: the snapshot's version of each of them that it has. */
	| {
			readonly type: "changed";
			readonly changes: readonly Change[];
			readonly inForce: ReadonlyMap<ObjectKey, AnyObject>;
			/** False: nobody is asked about them, and nothing that happens is their fault. */
			readonly isTrial: boolean;
	  }
	/** `inForce` as above, for suspects that have not changed of late. */
	| {
			readonly type: "refused";
			readonly suspects: readonly ObjectKey[];
			readonly refusal: Refusal;
			readonly inForce: ReadonlyMap<ObjectKey, AnyObject>;
	  }
	/** Held by the process before this one; known before anything is read. */
	| { readonly type: "restored"; readonly held: ReadonlyMap<ObjectKey, HeldObject> }
	/** A proxy with what changed last is not what it was: all of that is held, and not tried again. */
	| { readonly type: "unwell"; readonly refusal: Refusal }
	/** Every proxy has answered about what it has now, or is not waited for. */
	| { readonly type: "agreed" }
	/** What was agreed to last has proved itself. */
	| { readonly type: "watchEnded" }
	/** The operator wants it in force whatever proxies say. */
	| { readonly type: "released"; readonly keys: readonly ObjectKey[] };

export interface QuarantineStep {
	readonly state: QuarantineState;
	/** For the snapshot, in place of what the event brought. */
	readonly changes: readonly Change[];
}

/** Endpoints, and what travels as a secret, are never held. */
const exempt: ReadonlySet<string> = new Set(["EndpointSlice", "Pod", "WorkloadEntry", "Secret", "Node"]);

/** Taken back only when a proxy refuses them: who may call whom does not change because a proxy fails. */
const onlyByRefusal: ReadonlySet<string> = new Set(["AuthorizationPolicy", "RequestAuthentication"]);

export function stepQuarantine(
	config: QuarantineConfig,
	state: QuarantineState,
	event: QuarantineEvent,
): QuarantineStep {
	switch (event.type) {
		case "changed":
			return onChanged(state, event);
		case "refused":
			return onRefused(config, state, event);
		case "restored": {
			const proven = [...event.held].map(([key, one]) => [key, { ...one, isProven: true }] as const);
			return { state: { ...state, held: new Map([...proven, ...state.held]) }, changes: [] };
		}
		case "unwell":
			return onUnwell(config, state, event.refusal);
		case "agreed":
			return onAgreed(state);
		case "watchEnded":
			return { state: { ...state, watched: new Map() }, changes: [] };
		case "released": {
			const keys = event.keys.filter((key) => state.held.has(key));
			const changes = keys.map((key) => changeTo(key, state.held.get(key)?.wanted));
			return { state: { ...without(state, keys), insisted: new Set([...state.insisted, ...keys]) }, changes };
		}
		default:
			return event satisfies never;
	}
}

function onChanged(
	before: QuarantineState,
	{ changes: arriving, inForce, isTrial }: Extract<QuarantineEvent, { type: "changed" }>,
): QuarantineStep {
	let state = before;
	const changes: Change[] = [];
	const suspects = new Map(state.suspects);
	const insisted = new Set(state.insisted);
	for (const change of arriving) {
		const key = keyOfChange(change);
		const after = change.type === "objectApplied" ? change.object : undefined;
		const held = state.held.get(key);
		if (held && sameContent(held.wanted, after)) {
			// At the start nothing is in force yet.
			if (!isTrial && held.inForce) changes.push(changeTo(key, held.inForce));
			continue;
		}
		if (held) state = without(state, [key]);
		changes.push(change);
		insisted.delete(key);
		if (!isTrial || exempt.has(kindOfChange(change))) continue;
		// Of a resource that changes again before proxies agreed to it, the version before both is the last good one.
		const good = held ? held.inForce : suspects.has(key) ? suspects.get(key)?.before : inForce.get(key);
		suspects.set(key, { before: good, after });
	}
	// What was held at the end of the process before, and has been removed since.
	const mentioned = new Set(arriving.map(keyOfChange));
	const gone = isTrial || arriving.length === 0 ? [] : [...state.held.keys()].filter((key) => !mentioned.has(key));
	return { state: { ...without(state, gone), suspects, insisted }, changes };
}

function onRefused(
	config: QuarantineConfig,
	state: QuarantineState,
	{ suspects, refusal, inForce }: Extract<QuarantineEvent, { type: "refused" }>,
): QuarantineStep {
	const fresh = suspects.filter((key) => !state.held.has(key) && !state.insisted.has(key));
	if (fresh.length === 0)
		return { state: { ...state, held: withRefusal(config, state, suspects, refusal) }, changes: [] };
	if (fresh.length > config.maxSuspects) return { state, changes: [] };
	const held = new Map(state.held);
	for (const key of fresh) {
		const suspect = state.suspects.get(key) ?? { before: undefined, after: inForce.get(key) };
		const { before: good, after: wanted } = suspect;
		const isProven = fresh.length === 1;
		held.set(key, { wanted, inForce: good, refusals: [refusal], isProven, sinceMs: refusal.atMs });
	}
	const half = Math.ceil(fresh.length / 2);
	const untried = fresh.length === 1 ? state.untried : [fresh.slice(0, half), fresh.slice(half), ...state.untried];
	const left = { suspects: withoutKeys(state.suspects, fresh), watched: withoutKeys(state.watched, fresh) };
	return {
		state: { ...state, ...left, held, untried },
		changes: fresh.map((key) => changeTo(key, held.get(key)?.inForce)),
	};
}

function onUnwell({ maxSuspects }: QuarantineConfig, state: QuarantineState, refusal: Refusal): QuarantineStep {
	const recent = [...state.watched, ...state.suspects];
	const suspects = new Map(recent.filter(([key]) => !onlyByRefusal.has(key.slice(0, key.indexOf("/")))));
	if (suspects.size > maxSuspects) return { state, changes: [] };
	const held = new Map(state.held);
	for (const [key, { before, after }] of suspects)
		held.set(key, { wanted: after, inForce: before, refusals: [refusal], isProven: true, sinceMs: refusal.atMs });
	const changes = [...suspects].map(([key, { before }]) => changeTo(key, before));
	return { state: { ...state, suspects: new Map(), watched: new Map(), held }, changes };
}

/** What was tried is good; the next group of those held together is tried. */
function onAgreed(state: QuarantineState): QuarantineStep {
	const [next = [], ...untried] = state.untried;
	const suspects = new Map<ObjectKey, Suspect>();
	const changes: Change[] = [];
	for (const key of next) {
		const held = state.held.get(key);
		if (!held || held.isProven) continue;
		suspects.set(key, { before: held.inForce, after: held.wanted });
		changes.push(changeTo(key, held.wanted));
	}
	const held = withoutKeys(state.held, suspects.keys());
	return { state: { ...state, suspects, watched: state.suspects, held, untried }, changes };
}

function withRefusal(
	{ maxRefusals }: QuarantineConfig,
	{ held }: QuarantineState,
	keys: readonly ObjectKey[],
	refusal: Refusal,
): QuarantineState["held"] {
	const next = new Map(held);
	for (const key of keys) {
		const one = next.get(key);
		if (!one || one.refusals.length >= maxRefusals || one.refusals.some(({ proxy }) => proxy === refusal.proxy))
			continue;
		next.set(key, { ...one, refusals: [...one.refusals, refusal] });
	}
	return next;
}

function without(state: QuarantineState, keys: readonly ObjectKey[]): QuarantineState {
	const untried = state.untried.map((group) => group.filter((key) => !keys.includes(key)));
	return {
		...state,
		held: withoutKeys(state.held, keys),
		untried: untried.filter((group) => group.length > 0),
	};
}

function withoutKeys<T>(map: ReadonlyMap<ObjectKey, T>, keys: Iterable<ObjectKey>): ReadonlyMap<ObjectKey, T> {
	const next = new Map(map);
	for (const key of keys) next.delete(key);
	return next;
}

function changeTo(key: ObjectKey, object: AnyObject | undefined): Change {
	return object ? { type: "objectApplied", object } : { type: "objectRemoved", key };
}

/** Where it stands, and how often it was written, is not what it says. */
function sameContent(a: AnyObject | undefined, b: AnyObject | undefined): boolean {
	if (!a || !b) return a === b;
	const { generation: _a, uid: _u, ...metadata } = a.metadata;
	const { generation: _b, uid: _v, ...other } = b.metadata;
	return keyOf(a) === keyOf(b) && sameValue(a.spec, b.spec) && sameValue(metadata, other);
}
