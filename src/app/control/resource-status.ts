// What became of each resource: which proxies it concerns (their view holds it), which of them confirmed what was made of
// it, which refused that, and why. Generated resources name the VirtualService or DestinationRule and the services they
// were made of in Istio's metadata; what is refused is traced back through it.

import { trustBundleTypeUrl } from "../../identity/trust-bundle.ts";
import type { ProxyView, ServiceView } from "../../model/view.ts";
import type { AnyObject, ObjectKey } from "../../resources/config-object.ts";
import { keyOf } from "../../resources/config-object.ts";
import type { Problem } from "../../resources/problem.ts";
import type { ProxyConfig } from "../../xds/resource.ts";
import type { SessionStatus } from "../../xds/wire/config-source.ts";
import type { Rejection, ResourceStatus } from "../api/api-types.ts";
import type { ControlPlane } from "./control-plane.ts";
import type { ProxyEntry } from "./proxy-entry.ts";
import { shortTypeName } from "./proxy-items.ts";
import { findResource, makersOf, makerText } from "./resource-makers.ts";

/** Kinds for which it is known which proxies use them. */
const countedKinds: ReadonlySet<string> = new Set([
	"Service",
	"ServiceEntry",
	"VirtualService",
	"DestinationRule",
	"Gateway",
	"PeerAuthentication",
	"AuthorizationPolicy",
	"RequestAuthentication",
]);

export class ResourceStatuses {
	readonly #control: ControlPlane;
	readonly #sessions: ReadonlyMap<string, readonly SessionStatus[]>;
	readonly #problems: ReadonlyMap<string, readonly Problem[]>;
	/** Object -> proxies whose view holds it. */
	readonly #concerned = new Map<ObjectKey, ProxyEntry[]>();
	readonly #wallMs: (monotonicMs: number) => number;

	/** A picture of this moment; make a new one for each request. `wallMs` translates the sessions' times. */
	constructor(
		control: ControlPlane,
		sessions: readonly SessionStatus[],
		problems: readonly Problem[],
		wallMs: (monotonicMs: number) => number,
	) {
		this.#control = control;
		this.#sessions = Map.groupBy(sessions, (session) => session.proxyId);
		this.#problems = problemsByResource(problems);
		this.#wallMs = wallMs;
		for (const entry of control.proxies.values()) {
			for (const key of entry.view ? objectsInView(entry.view) : []) {
				const entries = this.#concerned.get(key);
				if (entries) entries.push(entry);
				else this.#concerned.set(key, [entry]);
			}
		}
	}

	statusOf(object: AnyObject): ResourceStatus {
		const { kind, metadata } = object;
		const label = `${kind} ${metadata.namespace === "" ? "" : `${metadata.namespace}/`}${metadata.name}`;
		const problems = this.#problems.get(label) ?? [];
		// An error without one of the analysis codes means that the newest version was refused when it was read.
		const accepted = !problems.some((problem) => problem.severity === "error" && problem.code === undefined);
		if (!countedKinds.has(kind)) return { accepted, problems };
		const key = keyOf(object);
		const entries = this.#concerned.get(key) ?? [];
		const isPending = this.#control.isPending(key);
		const rejected: Rejection[] = this.#refusalsOf(key);
		let applied = 0;
		let withheld = 0;
		for (const entry of entries) {
			const rejection = this.#rejectionOf(entry, object);
			if (rejection) rejected.push(rejection);
			else if (entry.withheld) withheld++;
			else if (!isPending && this.#isInSync(entry)) applied++;
		}
		return { accepted, problems, proxies: { concerned: entries.length, applied, rejected, withheld } };
	}

	/** What has been taken back is refused no longer, and the refusals are why. */
	#refusalsOf(key: ObjectKey): Rejection[] {
		return (this.#control.safety.held.get(key)?.refusals ?? []).map(({ type = "", atMs, ...refusal }) => ({
			...refusal,
			type,
			atMs: this.#wallMs(atMs),
		}));
	}

	/** A type with a refused resource counts as in sync here: whose fault the refusal is was asked before. */
	#isInSync(entry: ProxyEntry): boolean {
		const sessions = this.#sessions.get(entry.proxy.id) ?? [];
		// The trust bundle is confirmed when Envoy has fetched its certificate again, which no resource waits for.
		const types = sessions.flatMap((session) => session.types).filter(({ typeUrl }) => typeUrl !== trustBundleTypeUrl);
		return types.length > 0 && types.every((type) => type.sync === "SYNCED" || type.sync === "ERROR");
	}

	#rejectionOf(entry: ProxyEntry, object: AnyObject): Rejection | undefined {
		for (const session of this.#sessions.get(entry.proxy.id) ?? []) {
			for (const { typeUrl, error } of session.types) {
				if (!error || !entry.published) continue;
				const names = error.names.filter((name) => this.#isMadeOf(entry.published, typeUrl, name, object));
				if (names.length === 0) continue;
				const type = shortTypeName(typeUrl);
				return { proxy: entry.proxy.id, type, names, message: error.message, atMs: this.#wallMs(error.atMs) };
			}
		}
		return undefined;
	}

	/** Does the refused resource carry the object? If it names none of its makers, all that changed last are suspected. */
	#isMadeOf(config: ProxyConfig | undefined, typeUrl: string, name: string, object: AnyObject): boolean {
		const resource = findResource(config, typeUrl, name);
		if (!resource) return false;
		const makers = makersOf(resource);
		if (makers.length > 0) return makers.includes(makerText(object));
		return this.#control.changedIn(keyOf(object)) === this.#control.generation;
	}
}

const objectsByPart = new WeakMap<object, ReadonlySet<ObjectKey>>();

/** The resources that a view was made of. */
function objectsInView(view: ProxyView): ReadonlySet<ObjectKey> {
	const all = new Set<ObjectKey>();
	for (const part of [view.outbound, view.inbound, view.gateway]) {
		if (part) for (const key of objectsInPart(part)) all.add(key);
	}
	return all;
}

type ViewPart = NonNullable<ProxyView["outbound"] | ProxyView["inbound"] | ProxyView["gateway"]>;

/** Parts are shared by many proxies: each is read once. */
function objectsInPart(part: ViewPart): ReadonlySet<ObjectKey> {
	const known = objectsByPart.get(part);
	if (known) return known;
	const keys = new Set<ObjectKey>();
	const addServices = (services: readonly ServiceView[]): void => {
		for (const { service, destination } of services) {
			keys.add(service.source);
			for (const source of destination?.sources ?? []) keys.add(source);
		}
	};
	const { mtls, authorization = [], authentication = [] } = ("security" in part && part.security) || {};
	for (const source of mtls?.sources ?? []) keys.add(source);
	for (const { source } of [...authorization, ...authentication]) keys.add(source);
	if ("rules" in part) {
		addServices(part.services);
		for (const rule of part.rules) keys.add(rule.source);
	} else if ("ports" in part) {
		for (const port of part.ports) if (port.service) keys.add(port.service.source);
	} else {
		addServices(part.services);
		for (const server of part.listeners.flatMap((listener) => listener.servers)) {
			keys.add(server.gateway);
			for (const rule of server.rules) keys.add(rule.source);
		}
	}
	objectsByPart.set(part, keys);
	return keys;
}

function problemsByResource(problems: readonly Problem[]): ReadonlyMap<string, readonly Problem[]> {
	const byResource = new Map<string, Problem[]>();
	for (const problem of problems) {
		for (const label of problem.keeps ?? [problem.resource]) {
			const known = byResource.get(label);
			if (known) known.push(problem);
			else byResource.set(label, [problem]);
		}
	}
	return byResource;
}
