// Streams that nodes open for themselves, as `node~NAME`: they carry the trust bundle and nothing else. So a node learns of new
// roots, and proves that it has taken them, also while it has no pod. In: streams, and the bundle of the moment. Out: a source
// of configuration that serves nodes beside proxies.

import { nodeOfStream, nodeStreamId } from "../../identity/node-stream.ts";
import type { Identity } from "../../identity/spiffe-id.ts";
import { trustBundleTypeUrl } from "../../identity/trust-bundle.ts";
import type { ProxyConfig, ResourcePart } from "../../xds/resource.ts";
import type { ConfigSource } from "../../xds/wire/config-source.ts";

export interface NodeStreamRules {
	readonly trustDomain: string;
	readonly isRegistered: (node: string) => boolean;
}

const permissionDenied = 7;

export class NodeStreams {
	/** Open streams by id. */
	readonly #open = new Map<string, number>();
	readonly #publish: (ids: readonly string[]) => void;
	#config: ProxyConfig = new Map();

	constructor(publish: (ids: readonly string[]) => void) {
		this.#publish = publish;
	}

	setTrustBundle(part: ResourcePart): void {
		this.#config = new Map([[trustBundleTypeUrl, { typeUrl: trustBundleTypeUrl, parts: [part] }]]);
		this.#publish(this.connected());
	}

	connected(): readonly string[] {
		return [...this.#open.keys()];
	}

	/** `identityOf`: what the connection proved. */
	beside(
		proxies: ConfigSource,
		identityOf: (uri: string | undefined) => Identity | undefined,
		rules: NodeStreamRules,
	): ConfigSource {
		const own = new Set<string>();
		return {
			connect: (node, peer) => {
				const name = nodeOfStream(node.id);
				if (name === undefined) return proxies.connect(node, peer);
				const because = strangerIn(name, identityOf(peer.uri), rules);
				if (because !== undefined) return { ok: false, grpcStatus: permissionDenied, because };
				if (!own.has(node.id)) this.#open.set(node.id, (this.#open.get(node.id) ?? 0) + 1);
				own.add(node.id);
				return { ok: true, proxyId: node.id };
			},
			configFor: (id) => (nodeOfStream(id) === undefined ? proxies.configFor(id) : this.#config),
			disconnected: (id) => {
				if (!own.delete(id)) return proxies.disconnected(id);
				const left = (this.#open.get(id) ?? 1) - 1;
				if (left > 0) this.#open.set(id, left);
				else this.#open.delete(id);
			},
		};
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
