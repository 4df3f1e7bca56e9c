// What one pod's sidecar has accepted -> what the node's spare Envoy needs to serve that pod from outside: every name with the
// pod's prefix, every socket in the pod's network namespace. Many pods' outcomes together are the spare's configuration.

import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { reflect } from "@bufbuild/protobuf/reflect";
import { AnySchema } from "@bufbuild/protobuf/wkt";
import { encodedFromBytes, resourcePart } from "../../envoy/encode-resource.ts";
import { ClusterSchema } from "../../envoy/gen/envoy/config/cluster/v3/cluster_pb.ts";
import { type Listener, ListenerSchema } from "../../envoy/gen/envoy/config/listener/v3/listener_pb.ts";
import { typedConfigs } from "../../envoy/typed-configs.ts";
import {
	type EncodedResource,
	type ProxyConfig,
	type ResourceSet,
	type TypeUrl,
	typeUrls,
} from "../../xds/resource.ts";
import { resourcesOf } from "./accepted-config.ts";
import { connectFromInside, listenInside, sparePortOf } from "./inside-pod.ts";
import { joinOutbound } from "./join-outbound.ts";
import { CannotRename, type Renaming, renameReferences } from "./rename-references.ts";

export interface SparePod {
	readonly uid: string;
	/** File of the pod's network namespace, as the spare may open it. */
	readonly netns: string;
}

/** `because` is a sentence about the resource that the spare cannot take over. */
export type SpareOutcome =
	| { readonly ok: true; readonly config: ProxyConfig }
	| { readonly ok: false; readonly because: string };

/** The name that the spare knows a pod's resource by: `UID|default` is the workload's certificate. */
export function spareName(uid: string, name: string): string {
	return `${uid}|${name}`;
}

const served: readonly TypeUrl[] = [typeUrls.cluster, typeUrls.endpoints, typeUrls.route, typeUrls.secret];

/** One pod's. Remembers what it made of each resource, so that only changed ones cost anything and the others stay the same. */
export class SpareConfig {
	readonly #pod: SparePod;
	readonly #renaming: Renaming;
	readonly #made = new WeakMap<EncodedResource, EncodedResource>();
	readonly #sets = new Map<TypeUrl, { readonly from: ResourceSet | undefined; readonly made: ResourceSet }>();
	#listeners: { readonly from: readonly EncodedResource[]; readonly made: readonly EncodedResource[] } | undefined;

	constructor(pod: SparePod) {
		this.#pod = pod;
		this.#renaming = { prefix: spareName(pod.uid, ""), types: typedConfigs };
	}

	of(config: ProxyConfig): SpareOutcome {
		const made = new Map<TypeUrl, ResourceSet>();
		/** A set that did not change stays the same, so that nobody compares it. */
		const add = (typeUrl: TypeUrl, make: () => readonly EncodedResource[]): void => {
			const from = config.get(typeUrl);
			const known = this.#sets.get(typeUrl);
			const set = known && known.from === from ? known.made : { typeUrl, parts: [resourcePart(make())] };
			this.#sets.set(typeUrl, { from, made: set });
			if (set.parts.some(({ resources }) => resources.size > 0)) made.set(typeUrl, set);
		};
		let current = "";
		try {
			for (const typeUrl of served)
				add(typeUrl, () =>
					resourcesOf(config, typeUrl).map((resource) => {
						current = resource.name;
						return this.#resource(typeUrl, resource);
					}),
				);
			current = "a listener";
			add(typeUrls.listener, () => this.#listenersOf(resourcesOf(config, typeUrls.listener)));
		} catch (error) {
			if (error instanceof CannotRename) return { ok: false, because: `${current} ${error.message}` };
			throw error;
		}
		if (!made.has(typeUrls.listener)) return { ok: false, because: "it has no listener for redirected connections" };
		return { ok: true, config: made };
	}

	#resource(typeUrl: TypeUrl, resource: EncodedResource): EncodedResource {
		const known = this.#made.get(resource);
		if (known) return known;
		const made = this.#rename(typeUrl, resource.name, valueIn(resource));
		this.#made.set(resource, made);
		return made;
	}

	#rename(typeUrl: TypeUrl, name: string, value: Uint8Array): EncodedResource {
		const typeName = typeUrl.slice(typeUrl.lastIndexOf("/") + 1);
		const schema = typedConfigs.getMessage(typeName);
		if (!schema) throw new CannotRename(`is a ${typeName}, which is not known here`);
		const message = fromBinary(schema, value);
		renameReferences(reflect(schema, message), this.#renaming);
		let bytes = toBinary(schema, message);
		if (typeUrl === typeUrls.cluster) {
			const cluster = fromBinary(ClusterSchema, bytes);
			connectFromInside(cluster, this.#pod.netns);
			bytes = toBinary(ClusterSchema, cluster);
		}
		return encodedFromBytes(spareName(this.#pod.uid, name), typeUrl, bytes);
	}

	/** Those that are bound, with the ones they hand connections to joined in: one change makes the listener anew. */
	#listenersOf(from: readonly EncodedResource[]): readonly EncodedResource[] {
		const before = this.#listeners;
		if (before?.from.length === from.length && before.from.every((one, index) => one === from[index]))
			return before.made;
		const listeners = from.map((resource) => fromBinary(ListenerSchema, valueIn(resource)));
		const handedTo = listeners.filter((listener) => listener.bindToPort === false);
		const made = listeners.flatMap((listener) => {
			const port = sparePortOf(listener);
			return port === undefined || listener.bindToPort === false ? [] : [this.#listener(listener, port, handedTo)];
		});
		const kept = made.map(
			(one) => before?.made.find(({ name, version }) => name === one.name && version === one.version) ?? one,
		);
		this.#listeners = { from, made: kept };
		return kept;
	}

	#listener(listener: Listener, port: number, handedTo: readonly Listener[]): EncodedResource {
		if (listener.useOriginalDst) joinOutbound(listener, handedTo);
		listenInside(listener, this.#pod.netns, port);
		return this.#rename(typeUrls.listener, listener.name, toBinary(ListenerSchema, listener));
	}
}

function valueIn({ any }: EncodedResource): Uint8Array {
	return fromBinary(AnySchema, any).value;
}
