// Services for the nodes' layer 4 as xDS resources. In: the snapshot of the moment. Out: one resource set, the same for every
// node, in a part for each bucket of services, so that a change costs the bytes of its own bucket, once for all streams.

import { encodedFromBytes, resourcePart } from "../../envoy/encode-resource.ts";
import { type Layer4Service, layer4Key } from "../../l4/layer4-service.ts";
import { encodeLayer4Service, layer4ServiceTypeUrl } from "../../l4/service-codec.ts";
import { type Layer4State, noLayer4Services, updateLayer4Services } from "../../snapshot/layer4-services.ts";
import type { Snapshot } from "../../snapshot/snapshot.ts";
import type { EncodedResource, ResourcePart, ResourceSet } from "../../xds/resource.ts";

type Bucket = ReadonlyMap<string, Layer4Service>;

export class Layer4Feed {
	readonly #encoded = new WeakMap<Layer4Service, EncodedResource>();
	readonly #parts = new WeakMap<Bucket, ResourcePart>();
	#state: Layer4State = noLayer4Services;
	#set: ResourceSet = { typeUrl: layer4ServiceTypeUrl, parts: [] };

	/** The same set as before when no Service changed. */
	update(snapshot: Snapshot): ResourceSet {
		const before = this.#state.services;
		this.#state = updateLayer4Services(this.#state, snapshot);
		const { services } = this.#state;
		if (services === before) return this.#set;
		const parts = services.buckets.filter(({ size }) => size > 0).map((bucket) => this.#partOf(bucket));
		this.#set = { typeUrl: layer4ServiceTypeUrl, parts };
		return this.#set;
	}

	#partOf(bucket: Bucket): ResourcePart {
		const known = this.#parts.get(bucket);
		if (known) return known;
		const part = resourcePart([...bucket.values()].map((service) => this.#resourceOf(service)));
		this.#parts.set(bucket, part);
		return part;
	}

	#resourceOf(service: Layer4Service): EncodedResource {
		const known = this.#encoded.get(service);
		if (known) return known;
		const made = encodedFromBytes(layer4Key(service), layer4ServiceTypeUrl, encodeLayer4Service(service));
		this.#encoded.set(service, made);
		return made;
	}
}
