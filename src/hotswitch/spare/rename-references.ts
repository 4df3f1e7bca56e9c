// An Envoy message -> the same message with every name of a resource prefixed, in every Any within it. Walks by protobuf
// reflection, so that a new place for a known message needs no new code.

import { fromBinary, type Message, type Registry, toBinary } from "@bufbuild/protobuf";
import { type ReflectMessage, reflect } from "@bufbuild/protobuf/reflect";
import { type Any, AnySchema } from "@bufbuild/protobuf/wkt";
import { referenceFields, sharedClusters, unrenamableFields } from "./reference-fields.ts";

export interface Renaming {
	/** Put before every name. */
	readonly prefix: string;
	/** Every message that an Any may hold. */
	readonly types: Registry;
}

/** What the spare cannot take over; its message is a clause: `holds a x.Y, which is not known here`. */
export class CannotRename extends Error {}

/** Changes the message. Throws CannotRename. */
export function renameReferences(message: ReflectMessage, renaming: Renaming): void {
	if (message.desc.typeName === AnySchema.typeName) {
		renameInAny(message.message as Any, renaming);
		return;
	}
	for (const field of message.fields) {
		if (!message.isSet(field)) continue;
		const name = `${message.desc.typeName}.${field.name}`;
		if (unrenamableFields.has(name)) throw new CannotRename(`chooses a cluster for each request (${field.name})`);
		const isReference = referenceFields.has(name);
		switch (field.fieldKind) {
			case "scalar":
				if (isReference) message.set(field, renamed(String(message.get(field)), renaming));
				break;
			case "message":
				renameReferences(message.get(field), renaming);
				break;
			case "list": {
				const list = message.get(field);
				if (isReference)
					for (const [index, value] of [...list].entries()) list.set(index, renamed(String(value), renaming));
				else if (field.listKind === "message")
					for (const item of list) renameReferences(item as ReflectMessage, renaming);
				break;
			}
			case "map":
				if (field.mapKind === "message")
					for (const item of message.get(field).values()) renameReferences(item as ReflectMessage, renaming);
				break;
			case "enum":
				break;
			default:
				field satisfies never;
		}
	}
}

function renamed(name: string, { prefix }: Renaming): string {
	return name === "" || sharedClusters.has(name) ? name : prefix + name;
}

function renameInAny(any: Any, renaming: Renaming): void {
	// A filter that is only switched off for a route has an Any without a type.
	if (any.typeUrl === "") return;
	const typeName = any.typeUrl.slice(any.typeUrl.lastIndexOf("/") + 1);
	const schema = renaming.types.getMessage(typeName);
	if (!schema) throw new CannotRename(`holds a ${typeName}, which is not known here`);
	const inner: Message = fromBinary(schema, any.value);
	renameReferences(reflect(schema, inner), renaming);
	any.value = toBinary(schema, inner);
}
