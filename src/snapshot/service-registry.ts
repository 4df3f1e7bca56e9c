// Shares of all resources -> the services of the mesh, by key and by host name, with virtual addresses for those without.

import type { MeshService, ServiceKey } from "../model/service.ts";
import type { ObjectKey } from "../resources/config-object.ts";
import { byAge, compareText, keyOf } from "../resources/config-object.ts";
import { allocateAddresses } from "./address-allocation.ts";
import type { BuildProblem } from "./build-problem.ts";
import type { SelectorEntry, SelectorIndex } from "./label-selector.ts";
import { indexSelectors } from "./label-selector.ts";
import { keepIdentity, sameItems } from "./same-value.ts";
import type { ServiceShare } from "./service-share.ts";

export interface RegisteredService {
	readonly service: MeshService;
	/** The winner first; the others are ServiceEntries that add ports and endpoints to it. */
	readonly shares: readonly ServiceShare[];
}

export interface ServiceRegistry {
	readonly byKey: ReadonlyMap<ServiceKey, RegisteredService>;
	/** Host names in order; services of one host from several namespaces in order of precedence. */
	readonly byHost: ReadonlyMap<string, readonly MeshService[]>;
	readonly selectors: SelectorIndex<ServiceKey>;
	readonly problems: readonly BuildProblem[];
}

export const emptyRegistry: ServiceRegistry = {
	byKey: new Map(),
	byHost: new Map(),
	selectors: { byFirstPair: new Map() },
	problems: [],
};

/** Services that did not change keep their identity from `previous`. */
export function buildRegistry(
	sharesByObject: ReadonlyMap<ObjectKey, readonly ServiceShare[]>,
	previous: ServiceRegistry,
): ServiceRegistry {
	const problems: BuildProblem[] = [];
	const groups = [...groupByKey(sharesByObject)].map(([, shares]) => joinShares(shares.sort(byPrecedence), problems));
	groups.sort((a, b) => byPrecedence(a[0], b[0]));
	const joined = groups.map((shares) => ({ shares, service: joinedService(shares) }));
	const addresses = allocateAddresses(
		joined.filter(wantsAddress).map((one) => one.service.key),
		joined.flatMap((one) => one.service.addresses),
	);
	const byKey = new Map<ServiceKey, RegisteredService>();
	const byHost = new Map<string, MeshService[]>();
	for (const one of joined) {
		const key = one.service.key;
		const registered = keepRegistered(previous.byKey.get(key), withAddress(one, addresses.get(key)));
		byKey.set(key, registered);
		const list = byHost.get(registered.service.hostname);
		if (list === undefined) byHost.set(registered.service.hostname, [registered.service]);
		else list.push(registered.service);
	}
	return {
		byKey,
		byHost: new Map([...byHost].sort(([a], [b]) => compareText(a, b))),
		selectors: indexSelectors(selectorEntries(byKey.values())),
		problems,
	};
}

/** Kubernetes Services before ServiceEntries, so that nobody can take over a Service's name; then the oldest. */
function byPrecedence(a: ServiceShare, b: ServiceShare): number {
	return (
		Number(a.service.registry !== "kubernetes") - Number(b.service.registry !== "kubernetes") ||
		byAge(a.object, b.object) ||
		compareText(a.service.key, b.service.key)
	);
}

type Shares = readonly [ServiceShare, ...ServiceShare[]];

interface Joined {
	readonly shares: Shares;
	readonly service: MeshService;
}

function groupByKey(sharesByObject: ReadonlyMap<ObjectKey, readonly ServiceShare[]>): Map<ServiceKey, ServiceShare[]> {
	const groups = new Map<ServiceKey, ServiceShare[]>();
	for (const shares of sharesByObject.values()) {
		for (const share of shares) {
			const group = groups.get(share.service.key);
			if (group === undefined) groups.set(share.service.key, [share]);
			else if (!group.some((other) => other.object === share.object)) group.push(share);
		}
	}
	return groups;
}

function joinShares(sorted: readonly ServiceShare[], problems: BuildProblem[]): Shares {
	const [winner, ...others] = sorted;
	if (winner === undefined) throw new Error("a service without a resource");
	const joined: [ServiceShare, ...ServiceShare[]] = [winner];
	for (const other of others) {
		const because = whyNotJoined(winner, other);
		if (because === undefined) joined.push(other);
		else problems.push({ object: keyOf(other.object), because, winner: keyOf(winner.object) });
	}
	return joined;
}

function whyNotJoined(winner: ServiceShare, other: ServiceShare): string | undefined {
	const host = winner.service.hostname;
	if (winner.service.registry === "kubernetes") return `host ${host} belongs to a Kubernetes Service`;
	if (winner.service.discovery !== other.service.discovery)
		return `host ${host} is already declared with another resolution`;
	return undefined;
}

function joinedService(shares: Shares): MeshService {
	const [first, ...others] = shares;
	if (others.length === 0) return first.service;
	const ports = new Map(first.service.ports.map((port) => [port.number, port]));
	const addresses = new Set(first.service.addresses);
	const subjectAltNames = new Set(first.service.subjectAltNames);
	for (const { service } of others) {
		for (const port of service.ports) if (!ports.has(port.number)) ports.set(port.number, port);
		for (const address of service.addresses) addresses.add(address);
		for (const name of service.subjectAltNames) subjectAltNames.add(name);
	}
	return {
		...first.service,
		ports: [...ports.values()],
		addresses: [...addresses],
		subjectAltNames: [...subjectAltNames],
	};
}

function wantsAddress(one: Joined): boolean {
	return one.service.addresses.length === 0 && one.shares.some((share) => share.wantsAddress);
}

function withAddress(one: Joined, address: string | undefined): RegisteredService {
	if (address === undefined) return one;
	return { shares: one.shares, service: { ...one.service, addresses: [address], allocated: true } };
}

function keepRegistered(previous: RegisteredService | undefined, next: RegisteredService): RegisteredService {
	if (previous === undefined) return next;
	const service = keepIdentity(previous.service, next.service);
	return service === previous.service && sameItems(previous.shares, next.shares)
		? previous
		: { service, shares: next.shares };
}

function* selectorEntries(services: Iterable<RegisteredService>): Iterable<SelectorEntry<ServiceKey>> {
	for (const { shares } of services) {
		for (const { service } of shares) {
			const { namespace, selector } = service;
			if (selector !== undefined) yield { namespace, selector, value: service.key };
		}
	}
}
