// The vocabulary in which the fields of each kind are written down: a shape says what a value must look like.
// The tables beside this file use it; check-shape.ts applies them.

export type Shape =
	| { readonly type: "text"; readonly choices?: readonly string[]; readonly maxLength?: number }
	| { readonly type: "whole"; readonly min: number; readonly max: number; readonly what: string }
	| { readonly type: "number"; readonly min: number; readonly max: number }
	/** A text that no message may show. */
	| { readonly type: "hidden" }
	| { readonly type: "flag" }
	| { readonly type: "duration"; readonly minMs: number }
	/** Whole number or text: Kubernetes' IntOrString. */
	| { readonly type: "wholeOrText" }
	| { readonly type: "list"; readonly of: Shape; readonly min: number; readonly max: number }
	/** Bytes, written in base64. */
	| { readonly type: "bytes" }
	| { readonly type: "map"; readonly of: Shape; readonly min: number }
	| {
			readonly type: "struct";
			readonly fields: ReadonlyMap<string, Shape>;
			readonly required: readonly string[];
			/** True: fields that the table does not name are let through (Kubernetes' own kinds have many). */
			readonly open: boolean;
	  }
	| { readonly type: "any" };

type Fields = Readonly<Record<string, Shape>>;

export const text: Shape = { type: "text" };
export const hidden: Shape = { type: "hidden" };
export const bytes: Shape = { type: "bytes" };
export const flag: Shape = { type: "flag" };
export const any: Shape = { type: "any" };
export const wholeOrText: Shape = { type: "wholeOrText" };
/** Istio refuses durations under a millisecond, 0 among them. */
export const duration: Shape = { type: "duration", minMs: 1 };
export const durationOrZero: Shape = { type: "duration", minMs: 0 };
export const port: Shape = { type: "whole", min: 1, max: 65535, what: "a port number from 1 to 65535" };
/** Where 0 stands for "none": Unix sockets. */
export const portOrZero: Shape = { type: "whole", min: 0, max: 65535, what: "a port number up to 65535" };
export const count: Shape = { type: "whole", min: 0, max: 4294967295, what: "a whole number from 0" };
/** Kubernetes' and protobuf's int32, not negative. */
export const smallCount: Shape = { type: "whole", min: 0, max: 2147483647, what: "a whole number from 0" };
export const percent: Shape = { type: "whole", min: 0, max: 100, what: "a whole number from 0 to 100" };

export const choice = (...choices: readonly string[]): Shape => ({ type: "text", choices });
export const whole = (min: number, max: number, what: string): Shape => ({ type: "whole", min, max, what });
export const number = (min: number, max: number): Shape => ({ type: "number", min, max });
export const list = (of: Shape, min = 0, max = Number.MAX_SAFE_INTEGER): Shape => ({ type: "list", of, min, max });
export const map = (of: Shape, min = 0): Shape => ({ type: "map", of, min });

export type StructShape = Extract<Shape, { type: "struct" }>;

export const struct = (fields: Fields, ...required: readonly string[]): StructShape => ({
	type: "struct",
	fields: new Map(Object.entries(fields)),
	required,
	open: false,
});

export const openStruct = (fields: Fields, ...required: readonly string[]): StructShape => ({
	...struct(fields, ...required),
	open: true,
});

export const texts: Shape = list(text);
export const someTexts: Shape = list(text, 1);
export const labels: Shape = map(text);
