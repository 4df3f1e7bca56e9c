// An encoded envoy.config.core.v3.Node -> who asks. Metadata becomes a plain JSON object, bounded in size, because it comes
// from a machine that is not trusted yet.

import { fromBinary, type JsonObject, toJson } from "@bufbuild/protobuf";
import { StructSchema } from "@bufbuild/protobuf/wkt";
import { readFields } from "./request.ts";

export interface XdsNode {
	/** `sidecar~10.0.0.7~reviews-v1-abc.default~default.svc.cluster.local` */
	readonly id: string;
	readonly cluster: string;
	readonly metadata: JsonObject;
	readonly locality: { readonly region: string; readonly zone: string; readonly subZone: string };
	readonly userAgentName: string;
	readonly userAgentVersion: string;
}

/** Labels and annotations of a pod take a few kilobytes. */
export const maxNodeBytes = 1024 * 1024;

export type DecodedNode =
	| { readonly ok: true; readonly node: XdsNode }
	| { readonly ok: false; readonly because: string };

export function decodeNode(bytes: Uint8Array): DecodedNode {
	if (bytes.length > maxNodeBytes)
		return { ok: false, because: `the node takes ${bytes.length} bytes; at most ${maxNodeBytes} are read` };
	const texts = new Map<number, string>();
	let metadata: JsonObject = {};
	let locality = { region: "", zone: "", subZone: "" };
	try {
		readFields(bytes, (reader, field) => {
			if (field === 3) metadata = toJson(StructSchema, fromBinary(StructSchema, reader.bytes())) as JsonObject;
			else if (field === 4) locality = decodeLocality(reader.bytes());
			else if (field === 1 || field === 2 || field === 6 || field === 7) texts.set(field, reader.string());
			else return false;
			return true;
		});
	} catch (error) {
		// Nesting too deep for the stack ends here as well.
		return { ok: false, because: `the node cannot be read: ${error instanceof Error ? error.message : error}` };
	}
	const id = texts.get(1) ?? "";
	if (id === "") return { ok: false, because: "the node has no id" };
	return {
		ok: true,
		node: {
			id,
			cluster: texts.get(2) ?? "",
			metadata,
			locality,
			userAgentName: texts.get(6) ?? "",
			userAgentVersion: texts.get(7) ?? "",
		},
	};
}

function decodeLocality(bytes: Uint8Array): XdsNode["locality"] {
	const texts = new Map<number, string>();
	readFields(bytes, (reader, field) => {
		if (field > 3) return false;
		texts.set(field, reader.string());
		return true;
	});
	return { region: texts.get(1) ?? "", zone: texts.get(2) ?? "", subZone: texts.get(3) ?? "" };
}
