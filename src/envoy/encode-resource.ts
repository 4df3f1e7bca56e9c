// Envoy message -> EncodedResource, and the small shapes that every generator needs.

import { create, type DescMessage, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { type Any, AnySchema, anyPack, type Duration, DurationSchema } from "@bufbuild/protobuf/wkt";
import { contentHash } from "../xds/content-hash.ts";
import type { EncodedResource, ResourcePart } from "../xds/resource.ts";

/** An Any of a message given by its fields, for typed_config and the like. */
export function packAny<Desc extends DescMessage>(schema: Desc, init: MessageInitShape<Desc>): Any {
	return anyPack(schema, create(schema, init));
}

export function encodeResource<Desc extends DescMessage>(
	schema: Desc,
	name: string,
	init: MessageInitShape<Desc>,
): EncodedResource {
	return encodedFromBytes(name, `type.googleapis.com/${schema.typeName}`, toBinary(schema, create(schema, init)));
}

/** For resources whose bytes were put together by hand (endpoints). */
export function encodedFromBytes(name: string, typeUrl: string, value: Uint8Array): EncodedResource {
	const any = toBinary(AnySchema, create(AnySchema, { typeUrl, value }));
	return { name, version: contentHash(any), any };
}

/** A part from resources in any order. Throws on a name given twice: a generator that does so is broken. */
export function resourcePart(resources: readonly EncodedResource[]): ResourcePart {
	const sorted = [...resources].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
	const byName = new Map<string, EncodedResource>();
	for (const resource of sorted) {
		if (byName.has(resource.name)) throw new Error(`generated twice: ${resource.name}`);
		byName.set(resource.name, resource);
	}
	return { resources: byName };
}

export function durationFromMs(ms: number): Duration {
	const seconds = Math.floor(ms / 1000);
	return create(DurationSchema, { seconds: BigInt(seconds), nanos: Math.round((ms - seconds * 1000) * 1e6) });
}
