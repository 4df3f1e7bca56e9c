// What the relay reads of responses and writes of requests. It never takes a message apart and puts it together again: of a
// field that occurs twice protobuf takes the last, so a nonce is replaced by appending another.
// envoy/service/discovery/v3/discovery.proto; https://protobuf.dev/programming-guides/encoding/#last-one-wins

import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { type RequestError, readFields } from "./request.ts";
import type { TypeUrl } from "./resource.ts";

export interface ResponseSummary {
	readonly typeUrl: TypeUrl;
	readonly nonce: string;
	readonly resources: readonly { readonly name: string; readonly version: string; readonly any: Uint8Array }[];
	readonly removed: readonly string[];
	/** What the control plane says of its state: `system_version_info`. */
	readonly systemVersion?: string;
}

/** Throws on bytes that are no DeltaDiscoveryResponse. */
export function summarizeDeltaResponse(bytes: Uint8Array): ResponseSummary {
	let typeUrl = "";
	let nonce = "";
	let systemVersion: string | undefined;
	const resources: { name: string; version: string; any: Uint8Array }[] = [];
	const removed: string[] = [];
	readFields(bytes, (reader, field) => {
		if (field === 1) systemVersion = reader.string();
		else if (field === 2) resources.push(summarizeResource(reader.bytes()));
		else if (field === 4) typeUrl = reader.string();
		else if (field === 5) nonce = reader.string();
		else if (field === 6) removed.push(reader.string());
		else return false;
		return true;
	});
	return { typeUrl, nonce, resources, removed, ...(systemVersion !== undefined && { systemVersion }) };
}

function summarizeResource(bytes: Uint8Array): { name: string; version: string; any: Uint8Array } {
	let name = "";
	let version = "";
	let any: Uint8Array = new Uint8Array();
	readFields(bytes, (reader, field) => {
		if (field === 1) version = reader.string();
		else if (field === 2) any = reader.bytes();
		else if (field === 3) name = reader.string();
		else return false;
		return true;
	});
	return { name, version, any };
}

/** The value inside an encoded google.protobuf.Any. */
export function valueOfAny(any: Uint8Array): Uint8Array {
	let value: Uint8Array = new Uint8Array();
	readFields(any, (reader, field) => {
		if (field !== 2) return false;
		value = reader.bytes();
		return true;
	});
	return value;
}

/** Appended to a DeltaDiscoveryResponse it replaces the nonce. */
export function responseNonceField(nonce: string): Uint8Array {
	return new BinaryWriter().tag(5, WireType.LengthDelimited).string(nonce).finish();
}

/** Appended to a DeltaDiscoveryRequest it replaces the nonce that is answered. */
export function requestNonceField(nonce: string): Uint8Array {
	return new BinaryWriter().tag(6, WireType.LengthDelimited).string(nonce).finish();
}

export interface DeltaRequestParts {
	readonly typeUrl: TypeUrl;
	readonly node?: Uint8Array;
	readonly subscribe?: Iterable<string>;
	readonly unsubscribe?: Iterable<string>;
	readonly initialVersions?: ReadonlyMap<string, string>;
	readonly nonce?: string;
	/** Makes it a refusal. */
	readonly error?: RequestError;
}

export function encodeDeltaRequest(parts: DeltaRequestParts): Uint8Array {
	const writer = new BinaryWriter();
	if (parts.node) writer.tag(1, WireType.LengthDelimited).bytes(parts.node);
	writer.tag(2, WireType.LengthDelimited).string(parts.typeUrl);
	for (const name of parts.subscribe ?? []) writer.tag(3, WireType.LengthDelimited).string(name);
	for (const name of parts.unsubscribe ?? []) writer.tag(4, WireType.LengthDelimited).string(name);
	for (const [name, version] of parts.initialVersions ?? []) {
		writer.tag(5, WireType.LengthDelimited).fork();
		writer.tag(1, WireType.LengthDelimited).string(name);
		writer.tag(2, WireType.LengthDelimited).string(version);
		writer.join();
	}
	if (parts.nonce !== undefined) writer.tag(6, WireType.LengthDelimited).string(parts.nonce);
	if (parts.error) {
		writer.tag(7, WireType.LengthDelimited).fork();
		writer.tag(1, WireType.Varint).int32(parts.error.code);
		writer.tag(2, WireType.LengthDelimited).string(parts.error.message);
		writer.join();
	}
	return writer.finish();
}
