// Streams that nodes open for themselves, as `node~NAME`. They carry the trust bundle, so that a node learns of new roots, and
// proves that it has taken them, also while it has no pod; the Services for its layer 4; and the list of control planes. In:
// streams, and these as they are at the moment. Out: a source of configuration that serves nodes beside proxies.

import { nodeOfStream, nodeStreamId } from "../../identity/node-stream.ts";
import type { Identity } from "../../identity/spiffe-id.ts";
import { trustBundleTypeUrl } from "../../identity/trust-bundle.ts";
import type { ProxyConfig, ResourcePart, ResourceSet } from "../../xds/resource.ts";
import type { ConfigSource } from "../../xds/wire/config-source.ts";

export interface NodeStreamRules {
	readonly trustDomain: string;
	readonly isRegistered: (node: string) => boolean;
	/** Plaintext: nothing is proved, so nodes are who they say, and get no trust bundle. Default false. */
	readonly nothingIsProved?: boolean;
}

const permissionDenied = 7;

export class NodeStreams {
	/** Open streams by id, of nodes that proved who they are. */
	readonly #proved = new Map<string, number>();
	/** Of nodes that nobody asked. */
	readonly #unproved = new Map<string, number>();
	readonly #publish: (ids: readonly string[]) => void;
	/** Services as they are now; the same set when they did not change. */
	readonly #services: () => ResourceSet | undefined;
	#trustBundle: ResourceSet | undefined;
	#controlPlanes: ResourceSet | undefined;
	#sent: ResourceSet | undefined;
	#proven: ProxyConfig = new Map();
	#open: ProxyConfig = new Map();

	constructor(publish: (ids: readonly string[]) => void, services: () => ResourceSet | undefined = () => undefined) {
		this.#publish = publish;
		this.#services = services;
	}

	setTrustBundle(part: ResourcePart): void {
		this.#trustBundle = { typeUrl: trustBundleTypeUrl, parts: [part] };
		this.#compose();
		this.#publish(this.connected());
	}

	/** What nodes are told of the replicas of the control plane. */
	setControlPlanes(set: ResourceSet): void {
		this.#controlPlanes = set;
		this.#compose();
		this.#publish(this.connected());
	}

	/** The Services may have changed. While no node is connected nothing is made of them. */
	servicesMayHaveChanged(): void {
		if (this.#proved.size + this.#unproved.size === 0) return;
		if (this.#takeServices()) this.#publish([...this.#proved.keys(), ...this.#unproved.keys()]);
	}

	/** Nodes that proved who they are. */
	connected(): readonly string[] {
		return [...this.#proved.keys()];
	}

	/** `identityOf`: what the connection proved. */
	beside(
		proxies: ConfigSource,
		identityOf: (uri: string | undefined) => Identity | undefined,
		rules: NodeStreamRules,
	): ConfigSource {
		const own = new Set<string>();
		const streams = rules.nothingIsProved ? this.#unproved : this.#proved;
		return {
			connect: (node, peer) => {
				const name = nodeOfStream(node.id);
				if (name === undefined) return proxies.connect(node, peer);
				const because = rules.nothingIsProved ? undefined : strangerIn(name, identityOf(peer.uri), rules);
				if (because !== undefined) return { ok: false, grpcStatus: permissionDenied, because };
				if (!own.has(node.id)) streams.set(node.id, (streams.get(node.id) ?? 0) + 1);
				own.add(node.id);
				this.#takeServices();
				return { ok: true, proxyId: node.id };
			},
			...(proxies.endOf ? { endOf: proxies.endOf } : {}),
			revision: () => proxies.revision?.(),
			configFor: (id) => {
				if (nodeOfStream(id) === undefined) return proxies.configFor(id);
				return rules.nothingIsProved ? this.#open : this.#proven;
			},
			disconnected: (id) => {
				if (!own.delete(id)) return proxies.disconnected(id);
				const left = (streams.get(id) ?? 1) - 1;
				if (left > 0) streams.set(id, left);
				else streams.delete(id);
			},
		};
	}

	/** True when they are others than before. */
	#takeServices(): boolean {
		const services = this.#services();
		if (services === this.#sent) return false;
		this.#sent = services;
		this.#compose();
		return true;
	}

	#compose(): void {
		const sets = (this.#sent ? [this.#sent] : []).map((set) => [set.typeUrl, set] as const);
		this.#open = new Map(sets);
		const proved = [this.#trustBundle, this.#controlPlanes].flatMap((set) =>
			set ? [[set.typeUrl, set] as const] : [],
		);
		this.#proven = new Map([...proved, ...sets]);
	}
}

function strangerIn(name: string, caller: Identity | undefined, rules: NodeStreamRules): string | undefined {
	const isOwn =
		caller !== undefined &&
		"part" in caller &&
		caller.part === "node" &&
		caller.name === name &&
		caller.trustDomain === rules.trustDomain;
	if (!isOwn) return `${nodeStreamId(name)} is for the certificate of node ${name} of ${rules.trustDomain} only`;
	return rules.isRegistered(name) ? undefined : `node ${name} is not registered (any more): join again`;
}
