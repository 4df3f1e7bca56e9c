// A table of fields (src/resources/shapes) comes in, the same as a structural OpenAPI schema goes out, as CustomResourceDefinitions
// have it: https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema

import type { Shape, StructShape } from "../../resources/shapes/shape.ts";

/** A rule in CEL, where `self` is the value. */
export interface CelRule {
	readonly rule: string;
	readonly message: string;
	/** The field that is at fault, relative to the value: `.version`. Default: the value. */
	readonly fieldPath?: string;
}

export interface OpenApiSchema {
	readonly type?: "object" | "array" | "string" | "integer" | "number" | "boolean";
	readonly description?: string;
	readonly format?: string;
	readonly enum?: readonly string[];
	readonly maxLength?: number;
	readonly minimum?: number;
	readonly maximum?: number;
	readonly items?: OpenApiSchema;
	readonly minItems?: number;
	readonly maxItems?: number;
	readonly properties?: Readonly<Record<string, OpenApiSchema>>;
	readonly required?: readonly string[];
	readonly additionalProperties?: OpenApiSchema;
	readonly minProperties?: number;
	readonly "x-kubernetes-int-or-string"?: true;
	readonly "x-kubernetes-preserve-unknown-fields"?: true;
	readonly "x-kubernetes-list-type"?: "atomic" | "set" | "map";
	readonly "x-kubernetes-list-map-keys"?: readonly string[];
	readonly "x-kubernetes-validations"?: readonly CelRule[];
}

export function schemaOf(shape: Shape): OpenApiSchema {
	switch (shape.type) {
		case "text":
			return {
				type: "string",
				...(shape.choices ? { enum: shape.choices } : {}),
				...(shape.maxLength === undefined ? {} : { maxLength: shape.maxLength }),
			};
		case "hidden":
			return { type: "string" };
		case "bytes":
			return { type: "string", format: "byte" };
		case "flag":
			return { type: "boolean" };
		case "whole":
			return {
				type: "integer",
				...(shape.max > 2147483647 ? { format: "int64" } : {}),
				minimum: shape.min,
				maximum: shape.max,
			};
		case "number":
			return {
				type: "number",
				minimum: shape.min,
				...(Number.isFinite(shape.max) ? { maximum: shape.max } : {}),
			};
		case "duration":
			return durationSchema(shape.minMs);
		case "wholeOrText":
			return { "x-kubernetes-int-or-string": true };
		case "list":
			return {
				type: "array",
				items: schemaOf(shape.of),
				...(shape.min > 0 ? { minItems: shape.min } : {}),
				...(shape.max < Number.MAX_SAFE_INTEGER ? { maxItems: shape.max } : {}),
			};
		case "map":
			return {
				type: "object",
				additionalProperties: schemaOf(shape.of),
				...(shape.min > 0 ? { minProperties: shape.min } : {}),
			};
		case "struct":
			return structSchema(shape);
		case "any":
			return { "x-kubernetes-preserve-unknown-fields": true };
		default:
			return shape satisfies never;
	}
}

function structSchema({ fields, required, open }: StructShape): OpenApiSchema {
	const properties = Object.fromEntries([...fields].map(([name, field]) => [name, schemaOf(field)]));
	return {
		type: "object",
		...(fields.size > 0 ? { properties } : {}),
		...(required.length > 0 ? { required } : {}),
		...(open ? { "x-kubernetes-preserve-unknown-fields": true } : {}),
	};
}

function durationSchema(minMs: number): OpenApiSchema {
	const example = 'such as "1.5s", "200ms" or "1m"';
	const rule: CelRule =
		minMs > 0
			? { rule: `duration(self) >= duration('${minMs}ms')`, message: `must be a duration from ${minMs}ms, ${example}` }
			: { rule: "duration(self) >= duration('0s')", message: `must be a duration, ${example}` };
	return { type: "string", "x-kubernetes-validations": [rule] };
}
