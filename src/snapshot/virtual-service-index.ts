// VirtualServices -> prepared ones: full host names, full gateway names, delegates merged in, oldest first.

import type { MeshSettings } from "../model/mesh-settings.ts";
import type { ConfigObject, ObjectKey } from "../resources/config-object.ts";
import { byAge, keyOf } from "../resources/config-object.ts";
import type { Destination, HttpMatch, HttpRoute, TcpRoute, TlsRoute } from "../resources/kinds/networking.ts";
import type { BuildProblem } from "./build-problem.ts";
import { mergeDelegate } from "./delegate-merge.ts";
import { fullHostname } from "./hostname.ts";
import { sameItems, sameValue } from "./same-value.ts";
import { isVisibleTo, resolveExportTo } from "./visibility.ts";

type VirtualService = ConfigObject<"VirtualService">;

export interface PreparedVirtualService {
	readonly object: VirtualService;
	readonly source: ObjectKey;
	readonly namespace: string;
	/** In lower case, each once. */
	readonly hosts: readonly string[];
	/** `mesh`, or `namespace/name` of Gateways. */
	readonly gateways: readonly string[];
	readonly exportTo: readonly string[];
	readonly http: readonly HttpRoute[];
	readonly tls: readonly TlsRoute[];
	readonly tcp: readonly TcpRoute[];
	/** Host names that its routes lead to. */
	readonly destinations: readonly string[];
	/** Delegates it was made with. */
	readonly delegates: readonly VirtualService[];
	readonly problems: readonly BuildProblem[];
}

export interface VirtualServiceIndex {
	readonly prepared: readonly PreparedVirtualService[];
	readonly byKey: ReadonlyMap<ObjectKey, PreparedVirtualService>;
	readonly settings: Settings | undefined;
}

type Settings = Pick<MeshSettings, "domainSuffix" | "virtualServiceExportTo">;

export const emptyVirtualServiceIndex: VirtualServiceIndex = { prepared: [], byKey: new Map(), settings: undefined };

/** Prepared ones whose VirtualService and delegates did not change keep their identity from `previous`. */
export function indexVirtualServices(
	objects: Iterable<VirtualService>,
	mesh: Settings,
	previous: VirtualServiceIndex,
): VirtualServiceIndex {
	const settings = { domainSuffix: mesh.domainSuffix, virtualServiceExportTo: mesh.virtualServiceExportTo };
	const known = sameValue(settings, previous.settings) ? previous.byKey : new Map<ObjectKey, PreparedVirtualService>();
	const all = [...objects].sort(byAge);
	const byKey = new Map(all.map((object) => [keyOf(object), object]));
	const prepared: PreparedVirtualService[] = [];
	for (const object of all) {
		// Without hosts it is a delegate: it acts only where a root names it.
		if ((object.spec.hosts ?? []).length === 0) continue;
		const delegates = delegatesOf(object, byKey, settings);
		const old = known.get(keyOf(object));
		const same = old !== undefined && old.object === object && sameItems(old.delegates, delegates);
		prepared.push(same ? old : prepare(object, delegates, settings));
	}
	return { prepared, byKey: new Map(prepared.map((one) => [one.source, one])), settings };
}

function delegatesOf(
	root: VirtualService,
	byKey: ReadonlyMap<ObjectKey, VirtualService>,
	settings: Settings,
): readonly VirtualService[] {
	const found: VirtualService[] = [];
	for (const route of root.spec.http ?? []) {
		const delegate = route.delegate === undefined ? undefined : byKey.get(delegateKey(root, route));
		if (delegate === undefined || (delegate.spec.hosts ?? []).length > 0) continue;
		const { namespace } = delegate.metadata;
		const exportTo = resolveExportTo(delegate.spec.exportTo, settings.virtualServiceExportTo, namespace);
		if (isVisibleTo(exportTo, root.metadata.namespace) && !found.includes(delegate)) found.push(delegate);
	}
	return found;
}

function delegateKey(root: VirtualService, route: HttpRoute): ObjectKey {
	const namespace = route.delegate?.namespace || root.metadata.namespace;
	return `VirtualService/${namespace}/${route.delegate?.name ?? ""}`;
}

function prepare(
	object: VirtualService,
	delegates: readonly VirtualService[],
	settings: Settings,
): PreparedVirtualService {
	const { namespace } = object.metadata;
	const names = resolverFor(namespace, settings);
	const problems: BuildProblem[] = [];
	const http = (object.spec.http ?? []).flatMap((route, index): readonly HttpRoute[] => {
		const own = resolveHttpRoute(route, names);
		if (route.delegate === undefined) return [own];
		const key = delegateKey(object, route);
		const delegate = delegates.find((one) => keyOf(one) === key);
		if (delegate === undefined) {
			problems.push({ object: keyOf(object), because: `http[${index}]: no delegate ${key} that it may use` });
			return [];
		}
		return delegatedRoutes(object, index, own, delegate, settings, problems);
	});
	const tls = (object.spec.tls ?? []).map((route) => resolveL4Route(route, names));
	const tcp = (object.spec.tcp ?? []).map((route) => resolveL4Route(route, names));
	return {
		object,
		source: keyOf(object),
		namespace,
		hosts: [...new Set((object.spec.hosts ?? []).map((host) => names.host(host.toLowerCase())))],
		gateways: names.gateways(object.spec.gateways) ?? ["mesh"],
		exportTo: resolveExportTo(object.spec.exportTo, settings.virtualServiceExportTo, namespace),
		http,
		tls,
		tcp,
		destinations: [...destinationHosts(http, tls, tcp)].sort(),
		delegates,
		problems,
	};
}

function delegatedRoutes(
	root: VirtualService,
	index: number,
	rootRoute: HttpRoute,
	delegate: VirtualService,
	settings: Settings,
	problems: BuildProblem[],
): readonly HttpRoute[] {
	const names = resolverFor(delegate.metadata.namespace, settings);
	const routes = (delegate.spec.http ?? []).map((route) => resolveHttpRoute(route, names));
	const merged = mergeDelegate(rootRoute, routes);
	return merged.flatMap((route, at) => {
		if (route !== undefined && routes[at]?.delegate === undefined) return [route];
		const why = routes[at]?.delegate === undefined ? "its match lies outside the root's" : "a delegate cannot delegate";
		problems.push({ object: keyOf(delegate), because: `http[${at}] is dropped: ${why}`, winner: keyOf(root) });
		if (merged.length === 1)
			problems.push({ object: keyOf(root), because: `http[${index}] is dropped: ${keyOf(delegate)}: ${why}` });
		return [];
	});
}

interface NameResolver {
	host(host: string): string;
	/** Undefined when none are named. */
	gateways(names: readonly string[] | undefined): readonly string[] | undefined;
}

function resolverFor(namespace: string, settings: Settings): NameResolver {
	return {
		host: (host) => fullHostname(host, namespace, settings.domainSuffix),
		gateways: (names) => {
			if (names === undefined || names.length === 0) return undefined;
			return [...new Set(names.map((name) => fullGatewayName(name, namespace)))];
		},
	};
}

/** `gw`, `./gw`, `ns/gw` and the old `gw.ns.svc.cluster.local` -> `ns/gw`. */
export function fullGatewayName(name: string, namespace: string): string {
	if (name === "mesh") return name;
	const slash = name.indexOf("/");
	if (slash >= 0) {
		const owner = name.slice(0, slash);
		return `${owner === "." ? namespace : owner}/${name.slice(slash + 1)}`;
	}
	const [first = "", second] = name.split(".");
	return second === undefined ? `${namespace}/${name}` : `${second}/${first}`;
}

function resolveHttpRoute(route: HttpRoute, names: NameResolver): HttpRoute {
	return {
		...route,
		...(route.match === undefined ? {} : { match: route.match.map((match) => resolveMatch(match, names)) }),
		...(route.route === undefined
			? {}
			: { route: route.route.map((one) => ({ ...one, destination: resolveDestination(one.destination, names) })) }),
		...(route.mirror === undefined ? {} : { mirror: resolveDestination(route.mirror, names) }),
		...(route.mirrors === undefined
			? {}
			: { mirrors: route.mirrors.map((one) => ({ ...one, destination: resolveDestination(one.destination, names) })) }),
	};
}

function resolveL4Route<R extends TlsRoute | TcpRoute>(route: R, names: NameResolver): R {
	return {
		...route,
		...(route.match === undefined ? {} : { match: route.match.map((match) => resolveMatch(match, names)) }),
		...(route.route === undefined
			? {}
			: { route: route.route.map((one) => ({ ...one, destination: resolveDestination(one.destination, names) })) }),
	};
}

function resolveMatch<M extends Pick<HttpMatch, "gateways">>(match: M, names: NameResolver): M {
	const gateways = names.gateways(match.gateways);
	return gateways === undefined ? match : { ...match, gateways };
}

function resolveDestination(destination: Destination, names: NameResolver): Destination {
	const host = names.host(destination.host);
	return host === destination.host ? destination : { ...destination, host };
}

function destinationHosts(
	http: readonly HttpRoute[],
	tls: readonly TlsRoute[],
	tcp: readonly TcpRoute[],
): ReadonlySet<string> {
	const hosts = new Set<string>();
	for (const route of [...http, ...tls, ...tcp]) for (const one of route.route ?? []) hosts.add(one.destination.host);
	for (const route of http) {
		if (route.mirror !== undefined) hosts.add(route.mirror.host);
		for (const one of route.mirrors ?? []) hosts.add(one.destination.host);
	}
	return hosts;
}
