// For tests: an authority, control planes that follow it late, and proxies that take what they are given in small steps, each
// as late as it likes. Every operation is one step; `violation` says what is broken at that moment.

import type { ReplicaReport } from "./find-blockers.ts";
import { type AuthorityFacts, noRotation, type RotationKind, type RotationState } from "./rotation-state.ts";
import { type RotationAction, stepRotation } from "./step-rotation.ts";

interface ModelBundle {
	readonly roots: readonly string[];
	readonly signing: string;
	readonly epoch: number;
}

interface ModelProxy {
	/** Replica of its stream; undefined: none. */
	replica?: number;
	/** What its session at the control plane believes to be confirmed. */
	acknowledged?: string;
	trusts: readonly string[];
	leaf: string;
	/** A bundle that it was given and has not confirmed. */
	applying?: { readonly bundle: ModelBundle; rootsDone: boolean; leafDone: boolean };
}

interface ModelReplica {
	view: ModelBundle;
	viewIssuers: readonly string[];
	heartbeat?: ReplicaReport;
}

export interface Fleet {
	readonly authority: { roots: readonly string[]; issuers: readonly string[]; signing: string };
	state: RotationState;
	readonly replicas: ModelReplica[];
	readonly proxies: ModelProxy[];
}

/** An issuer is named `root/number`. */
const rootOf = (issuer: string): string => issuer.split("/")[0] ?? "";
const versionOf = ({ roots, signing, epoch }: ModelBundle): string =>
	`${[...roots].sort().join("+")}@${signing}#${epoch}`;

export function newFleet(proxies: number, replicas: number): Fleet {
	const view = { roots: ["r0"], signing: "r0/0", epoch: 0 };
	return {
		authority: { roots: view.roots, signing: view.signing, issuers: ["r0/0"] },
		state: noRotation,
		replicas: Array.from({ length: replicas }, () => ({ view, viewIssuers: ["r0/0"] })),
		proxies: Array.from({ length: proxies }, (_, index) => ({
			replica: index % replicas,
			acknowledged: versionOf(view),
			trusts: ["r0"],
			leaf: "r0/0",
		})),
	};
}

export const copyOf = (fleet: Fleet): Fleet => JSON.parse(JSON.stringify(fleet)) as Fleet;

/** How far a driver gets before it dies. */
export type Crash = "none" | "afterNoting" | "afterActing";

export type Operation =
	| { readonly type: "request"; readonly kind: RotationKind }
	| { readonly type: "abort" }
	/** A driver looks; `late`: it knows the authority only as it was when it followed last. */
	| { readonly type: "drive"; readonly replica: number; readonly crash: Crash; readonly late: boolean }
	| { readonly type: "follow" | "heartbeat"; readonly replica: number }
	| { readonly type: "deliver" | "applyRoots" | "applyLeaf" | "confirm" | "leave"; readonly proxy: number }
	| { readonly type: "join" | "renew"; readonly proxy: number; readonly replica: number };

export function allOperations(fleet: Fleet): readonly Operation[] {
	const replicas = fleet.replicas.map((_, replica) => replica);
	const proxies = fleet.proxies.map((_, proxy) => proxy);
	const crashes: readonly Crash[] = ["none", "afterNoting", "afterActing"];
	return [
		{ type: "request", kind: "root" },
		{ type: "request", kind: "issuer" },
		{ type: "abort" },
		...replicas.flatMap((replica): readonly Operation[] => [
			{ type: "follow", replica },
			{ type: "heartbeat", replica },
			...crashes.flatMap((crash) => [true, false].map((late) => ({ type: "drive", replica, crash, late }) as const)),
		]),
		...proxies.flatMap((proxy): readonly Operation[] => [
			...(["deliver", "applyRoots", "applyLeaf", "confirm", "leave"] as const).map((type) => ({ type, proxy })),
			...replicas.flatMap((replica) => [
				{ type: "join", proxy, replica } as const,
				{ type: "renew", proxy, replica } as const,
			]),
		]),
	];
}

/** Changes the fleet; an operation that has no meaning now does nothing. */
export function operate(fleet: Fleet, operation: Operation): void {
	const proxy = "proxy" in operation ? fleet.proxies[operation.proxy] : undefined;
	const replica = "replica" in operation ? fleet.replicas[operation.replica] : undefined;
	switch (operation.type) {
		case "request":
			fleet.state = stepRotation(config, fleet.state, {
				type: "requested",
				kind: operation.kind,
				authority: factsOf({ ...fleet.authority, epoch: fleet.state.epoch }, fleet.authority.issuers),
				nowMs: 0,
			}).state;
			return;
		case "abort":
			fleet.state = stepRotation(config, fleet.state, { type: "abortRequested", nowMs: 0 }).state;
			return;
		case "drive":
			drive(fleet, operation.replica, operation.crash, operation.late);
			return;
		case "follow":
			follow(fleet, operation.replica);
			return;
		case "heartbeat":
			if (replica) replica.heartbeat = heartbeatOf(fleet, operation.replica);
			return;
		case "deliver": {
			const from = proxy?.replica === undefined ? undefined : fleet.replicas[proxy.replica];
			const newest = proxy?.applying ? versionOf(proxy.applying.bundle) : proxy?.acknowledged;
			if (!proxy || !from || newest === versionOf(from.view)) return;
			proxy.applying = { bundle: from.view, rootsDone: false, leafDone: false };
			return;
		}
		case "applyRoots":
			if (!proxy?.applying || proxy.applying.rootsDone) return;
			proxy.trusts = proxy.applying.bundle.roots;
			proxy.applying.rootsDone = true;
			return;
		case "applyLeaf": {
			const from = proxy?.replica === undefined ? undefined : fleet.replicas[proxy.replica];
			if (!proxy?.applying?.rootsDone || proxy.applying.leafDone || !from) return;
			if (proxy.leaf !== proxy.applying.bundle.signing) proxy.leaf = from.view.signing;
			proxy.applying.leafDone = proxy.leaf === proxy.applying.bundle.signing;
			return;
		}
		case "confirm":
			if (!proxy?.applying?.leafDone || proxy.replica === undefined) return;
			proxy.acknowledged = versionOf(proxy.applying.bundle);
			delete proxy.applying;
			return;
		case "leave":
			if (!proxy) return;
			delete proxy.applying;
			delete proxy.replica;
			return;
		case "join":
			if (proxy && proxy.replica === undefined) proxy.replica = operation.replica;
			return;
		case "renew":
			if (proxy && replica) proxy.leaf = replica.view.signing;
			return;
		default:
			operation satisfies never;
	}
}

/** What must never be. */
export function violation({ authority, replicas, proxies }: Fleet): string | undefined {
	if (authority.roots.length === 0) return "no root is left";
	if (!authority.issuers.includes(authority.signing)) return "the issuer that signs does not exist";
	for (const [index, { trusts }] of proxies.entries()) {
		if (!trusts.includes(rootOf(authority.signing)))
			return `${authority.signing} signs, and proxy ${index} trusts ${trusts}`;
		for (const { view } of replicas)
			if (!trusts.includes(rootOf(view.signing))) return `${view.signing} signs, and proxy ${index} trusts ${trusts}`;
		for (const [other, { leaf }] of proxies.entries())
			if (!trusts.includes(rootOf(leaf))) return `proxy ${other} shows ${leaf}, and proxy ${index} trusts ${trusts}`;
	}
	return undefined;
}

/** Everything happens that was held up, fairly, until nothing more is to do. False when it does not end. */
export function settles(fleet: Fleet): boolean {
	for (let round = 0; round < 40; round++) {
		for (const [index, proxy] of fleet.proxies.entries())
			if (proxy.replica === undefined) operate(fleet, { type: "join", proxy: index, replica: 0 });
		for (let replica = 0; replica < fleet.replicas.length; replica++) {
			operate(fleet, { type: "follow", replica });
			for (let proxy = 0; proxy < fleet.proxies.length; proxy++)
				for (const type of ["deliver", "applyRoots", "applyLeaf", "confirm"] as const) operate(fleet, { type, proxy });
		}
		for (let replica = 0; replica < fleet.replicas.length; replica++) operate(fleet, { type: "heartbeat", replica });
		if (fleet.state.phase === "idle") return true;
		operate(fleet, { type: "drive", replica: round % fleet.replicas.length, crash: "none", late: false });
	}
	return false;
}

const config = { settleMs: 0 };

function factsOf(view: ModelBundle, issuers: readonly string[]): AuthorityFacts {
	return {
		roots: view.roots,
		issuers: issuers.map((keyId) => ({ keyId, rootFingerprint: rootOf(keyId) })),
		signing: view.signing,
		bundleVersion: versionOf(view),
	};
}

function follow({ authority, replicas, state }: Fleet, index: number): void {
	const replica = replicas[index];
	if (!replica) return;
	replica.view = { roots: authority.roots, signing: authority.signing, epoch: state.epoch };
	replica.viewIssuers = authority.issuers;
}

function heartbeatOf(fleet: Fleet, index: number): ReplicaReport {
	const view = fleet.replicas[index]?.view;
	return {
		replica: String(index),
		fresh: true,
		bundleVersion: view ? versionOf(view) : "",
		connected: fleet.proxies.flatMap((proxy, name) =>
			proxy.replica === index
				? [
						{
							proxy: String(name),
							...(proxy.acknowledged === undefined ? {} : { acknowledged: proxy.acknowledged }),
						},
					]
				: [],
		),
		expected: fleet.proxies.map((_, name) => String(name)),
	};
}

/** As the real driver does: note the state down, act, look again, until nothing is to do. */
function drive(fleet: Fleet, index: number, crash: Crash, late: boolean): void {
	for (let turn = 0; turn < 10; turn++) {
		const replica = fleet.replicas[index];
		if (!replica || fleet.replicas.some(({ heartbeat }) => !heartbeat)) return;
		if (!late) follow(fleet, index);
		const authority = factsOf({ ...replica.view, epoch: fleet.state.epoch }, replica.viewIssuers);
		const reports = fleet.replicas.flatMap(({ heartbeat }) => (heartbeat ? [heartbeat] : []));
		const before = fleet.state;
		const { state, actions } = stepRotation(config, before, { type: "observed", authority, fleet: reports, nowMs: 0 });
		fleet.state = state;
		if (crash === "afterNoting") return;
		for (const action of actions) act(fleet, action);
		if (crash === "afterActing" || late) return;
		if (actions.length === 0 && JSON.stringify(state) === JSON.stringify(before)) return;
	}
}

function act({ authority }: Fleet, action: RotationAction): void {
	switch (action.type) {
		case "addRoot": {
			const root = `r${authority.issuers.length + authority.roots.length}`;
			authority.roots = [...authority.roots, root];
			authority.issuers = [...authority.issuers, `${root}/0`];
			return;
		}
		case "addIssuer":
			authority.issuers = [...authority.issuers, `${rootOf(authority.signing)}/${authority.issuers.length}`];
			return;
		case "signWith":
			if (authority.issuers.includes(action.issuerKeyId)) authority.signing = action.issuerKeyId;
			return;
		case "dropRoot":
			authority.roots = authority.roots.filter((root) => root !== action.fingerprint);
			authority.issuers = authority.issuers.filter((issuer) => rootOf(issuer) !== action.fingerprint);
			return;
		case "dropIssuer":
			authority.issuers = authority.issuers.filter((issuer) => issuer !== action.issuerKeyId);
			return;
		case "refuse":
			return;
		default:
			action satisfies never;
	}
}
