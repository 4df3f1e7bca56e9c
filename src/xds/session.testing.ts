// Resources, configurations and requests for tests of xDS sessions, and a client that does what the protocol asks of one.

import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { encodedFromBytes, resourcePart } from "../envoy/encode-resource.ts";
import { encodeResponse, type Response } from "./encode-response.ts";
import { summarizeDeltaResponse } from "./relay-message.ts";
import type { DeltaRequest, SotwRequest } from "./request.ts";
import type { EncodedResource, ProxyConfig, ResourcePart, ResourceSet, TypeUrl } from "./resource.ts";

export const resource = (typeUrl: TypeUrl, name: string, content: string): EncodedResource =>
	encodedFromBytes(name, typeUrl, new TextEncoder().encode(`${name}=${content}`));

/** `{a: "1"}`: resource `a` with content 1. */
export const part = (typeUrl: TypeUrl, contents: Readonly<Record<string, string>>): ResourcePart =>
	resourcePart(Object.entries(contents).map(([name, content]) => resource(typeUrl, name, content)));

export const resourceSet = (typeUrl: TypeUrl, ...parts: readonly Readonly<Record<string, string>>[]): ResourceSet => ({
	typeUrl,
	parts: parts.map((contents) => part(typeUrl, contents)),
});

export const proxyConfig = (...sets: readonly ResourceSet[]): ProxyConfig =>
	new Map(sets.map((set) => [set.typeUrl, set]));

export const deltaRequest = (typeUrl: TypeUrl, fields: Partial<DeltaRequest> = {}): DeltaRequest => ({
	protocol: "delta",
	typeUrl,
	nonce: "",
	subscribe: [],
	unsubscribe: [],
	initialVersions: new Map(),
	...fields,
});

export const sotwRequest = (typeUrl: TypeUrl, fields: Partial<SotwRequest> = {}): SotwRequest => ({
	protocol: "sotw",
	typeUrl,
	nonce: "",
	names: [],
	version: "",
	...fields,
});

/** The message of a response, put together from its buffers and without its gRPC header. */
export function messageOf(response: Response): Uint8Array {
	const buffers = encodeResponse(response);
	const bytes = new Uint8Array(buffers.reduce((sum, buffer) => sum + buffer.length, 0));
	let at = 0;
	for (const buffer of buffers) {
		bytes.set(buffer, at);
		at += buffer.length;
	}
	const length = new DataView(bytes.buffer).getUint32(1);
	if (length !== bytes.length - 5) throw new Error(`the frame says ${length} bytes, there are ${bytes.length - 5}`);
	return bytes.subarray(5);
}

/** Name -> version, and what was removed, as a delta client reads them from the bytes. Throws on a name given twice. */
export function readDelta(response: Response): { upserts: ReadonlyMap<string, string>; removed: readonly string[] } {
	const { resources, removed } = summarizeDeltaResponse(messageOf(response));
	const upserts = new Map<string, string>();
	for (const { name, version } of resources) {
		if (upserts.has(name) || removed.includes(name)) throw new Error(`${name} is twice in one response`);
		upserts.set(name, version);
	}
	return { upserts, removed };
}

/** `name=content` of each resource of a state-of-the-world response. */
export function readSotw(response: Response): readonly string[] {
	const reader = new BinaryReader(messageOf(response));
	const found: string[] = [];
	while (reader.pos < reader.len) {
		const [field, wireType] = reader.tag();
		if (field === 2 && wireType === WireType.LengthDelimited) {
			const any = new BinaryReader(reader.bytes());
			while (any.pos < any.len) {
				const [inner, innerType] = any.tag();
				if (inner === 2) found.push(new TextDecoder().decode(any.bytes()));
				else any.skip(innerType, inner);
			}
		} else reader.skip(wireType, field);
	}
	return found;
}
