// What a kind's table of fields cannot say, by path: what a field is for, bounds and rules in CEL. A schema and notes come in, the
// schema with the notes in their places goes out.

import type { CelRule, OpenApiSchema } from "./open-api-schema.ts";

export interface FieldNote {
	/** What `kubectl explain` prints. */
	readonly says?: string;
	readonly rules?: readonly CelRule[];
	/** Bounds keep the estimated cost of rules below what the API server permits. */
	readonly maxItems?: number;
	readonly maxLength?: number;
	readonly listType?: "atomic" | "set";
}

/** Paths like `checks[].tcp.port`, from the spec; the empty path is the spec itself. */
export type FieldNotes = Readonly<Record<string, string | FieldNote>>;

/** The same notes, about the fields of the field `path`. */
export function under(path: string, notes: FieldNotes): FieldNotes {
	return Object.fromEntries(Object.entries(notes).map(([key, note]) => [key === "" ? path : `${path}.${key}`, note]));
}

/** Throws when a note is about a field that there is not. */
export function withNotes(schema: OpenApiSchema, notes: FieldNotes): OpenApiSchema {
	let noted = schema;
	for (const [path, note] of Object.entries(notes)) {
		const keys = path.replaceAll("[]", ".[]").split(".").filter(Boolean);
		noted = change(noted, keys, path, (field) => noteOn(field, typeof note === "string" ? { says: note } : note));
	}
	return noted;
}

function change(
	schema: OpenApiSchema,
	[key, ...rest]: readonly string[],
	path: string,
	edit: (field: OpenApiSchema) => OpenApiSchema,
): OpenApiSchema {
	if (key === undefined) return edit(schema);
	if (key === "[]" && schema.items) return { ...schema, items: change(schema.items, rest, path, edit) };
	const property = schema.properties?.[key];
	if (!property) throw new Error(`there is no field ${path} to write a note on`);
	return { ...schema, properties: { ...schema.properties, [key]: change(property, rest, path, edit) } };
}

function noteOn(field: OpenApiSchema, { says, rules, maxItems, maxLength, listType }: FieldNote): OpenApiSchema {
	return {
		...field,
		...(says === undefined ? {} : { description: says }),
		...(maxItems === undefined ? {} : { maxItems }),
		...(maxLength === undefined ? {} : { maxLength }),
		...(listType === undefined ? {} : { "x-kubernetes-list-type": listType }),
		...(rules ? { "x-kubernetes-validations": [...(field["x-kubernetes-validations"] ?? []), ...rules] } : {}),
	};
}

/** Paths of the fields below a schema, in the form of FieldNotes. */
export function* fieldsOf(schema: OpenApiSchema, path = ""): Generator<string> {
	for (const [key, property] of Object.entries(schema.properties ?? {})) {
		const at = path === "" ? key : `${path}.${key}`;
		yield at;
		yield* fieldsOf(property, at);
	}
	if (schema.items) yield* fieldsOf(schema.items, `${path}[]`);
}
