// Bytes of a DiscoveryRequest or DeltaDiscoveryRequest -> the few fields that a session needs. The node stays bytes: it is
// read once for each stream. envoy/service/discovery/v3/discovery.proto has the field numbers.

import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";

export interface RequestError {
	/** google.rpc.Code */
	readonly code: number;
	readonly message: string;
}

interface AnyRequest {
	readonly typeUrl: string;
	/** An encoded envoy.config.core.v3.Node; only the first request of a stream must have it. */
	readonly node?: Uint8Array;
	/** Empty on a request that answers no response. */
	readonly nonce: string;
	/** Present on a NACK. */
	readonly error?: RequestError;
}

export interface DeltaRequest extends AnyRequest {
	readonly protocol: "delta";
	readonly subscribe: readonly string[];
	readonly unsubscribe: readonly string[];
	/** Name -> version of what the client holds from earlier streams. */
	readonly initialVersions: ReadonlyMap<string, string>;
}

export interface SotwRequest extends AnyRequest {
	readonly protocol: "sotw";
	/** Everything the client wants of this type. */
	readonly names: readonly string[];
	readonly version: string;
}

export type XdsRequest = DeltaRequest | SotwRequest;

export type DecodedRequest<Request> =
	| { readonly ok: true; readonly request: Request }
	| { readonly ok: false; readonly because: string };

const noVersions: ReadonlyMap<string, string> = new Map();

export function decodeDeltaRequest(bytes: Uint8Array): DecodedRequest<DeltaRequest> {
	return decoded(() => {
		let node: Uint8Array | undefined;
		let typeUrl = "";
		let nonce = "";
		let error: RequestError | undefined;
		let initialVersions: Map<string, string> | undefined;
		const subscribe: string[] = [];
		const unsubscribe: string[] = [];
		readFields(bytes, (reader, field) => {
			if (field === 1) node = reader.bytes();
			else if (field === 2) typeUrl = reader.string();
			else if (field === 3) subscribe.push(reader.string());
			else if (field === 4) unsubscribe.push(reader.string());
			else if (field === 5) {
				const [name, version] = decodeEntry(reader.bytes());
				initialVersions ??= new Map();
				initialVersions.set(name, version);
			} else if (field === 6) nonce = reader.string();
			else if (field === 7) error = decodeStatus(reader.bytes());
			else return false;
			return true;
		});
		return {
			protocol: "delta",
			typeUrl,
			...(node && { node }),
			nonce,
			...(error && { error }),
			subscribe,
			unsubscribe,
			initialVersions: initialVersions ?? noVersions,
		};
	});
}

export function decodeSotwRequest(bytes: Uint8Array): DecodedRequest<SotwRequest> {
	return decoded(() => {
		let node: Uint8Array | undefined;
		let typeUrl = "";
		let nonce = "";
		let version = "";
		let error: RequestError | undefined;
		const names: string[] = [];
		readFields(bytes, (reader, field) => {
			if (field === 1) version = reader.string();
			else if (field === 2) node = reader.bytes();
			else if (field === 3) names.push(reader.string());
			else if (field === 4) typeUrl = reader.string();
			else if (field === 5) nonce = reader.string();
			else if (field === 6) error = decodeStatus(reader.bytes());
			else return false;
			return true;
		});
		return { protocol: "sotw", typeUrl, ...(node && { node }), nonce, ...(error && { error }), names, version };
	});
}

function decoded<Request extends XdsRequest>(read: () => Request): DecodedRequest<Request> {
	try {
		const request = read();
		if (request.typeUrl === "") return { ok: false, because: "the request names no type_url" };
		return { ok: true, request };
	} catch (error) {
		return {
			ok: false,
			because: `the request is no valid protobuf: ${error instanceof Error ? error.message : error}`,
		};
	}
}

/** Calls `take` for each length-delimited field; what it does not take, and every other wire type, is skipped. */
export function readFields(bytes: Uint8Array, take: (reader: BinaryReader, field: number) => boolean): void {
	const reader = new BinaryReader(bytes);
	while (reader.pos < reader.len) {
		const [field, wireType] = reader.tag();
		if (wireType === WireType.LengthDelimited && take(reader, field)) continue;
		reader.skip(wireType, field);
	}
	if (reader.pos !== reader.len) throw new Error("the last field is cut off");
}

function decodeEntry(bytes: Uint8Array): [string, string] {
	let key = "";
	let value = "";
	readFields(bytes, (reader, field) => {
		if (field === 1) key = reader.string();
		else if (field === 2) value = reader.string();
		else return false;
		return true;
	});
	return [key, value];
}

function decodeStatus(bytes: Uint8Array): RequestError {
	const reader = new BinaryReader(bytes);
	let code = 0;
	let message = "";
	while (reader.pos < reader.len) {
		const [field, wireType] = reader.tag();
		if (field === 1 && wireType === WireType.Varint) code = reader.int32();
		else if (field === 2 && wireType === WireType.LengthDelimited) message = reader.string();
		else reader.skip(wireType, field);
	}
	return { code, message };
}
