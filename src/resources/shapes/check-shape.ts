// Applies a shape to a value: every field that is unknown, missing or of the wrong type becomes an error, all of them at
// once. Says too whether the value holds nulls, which count as "not set" and are taken out by withoutNulls.

import { type Findings, renderValue } from "../findings.ts";
import { parseDurationMs } from "../text/duration.ts";
import { nearestName } from "../text/nearest-name.ts";
import type { Shape, StructShape } from "./shape.ts";

type Stack = (string | number)[];

interface Check {
	readonly findings: Findings;
	readonly path: Stack;
	sawNull: boolean;
}

/** Checks `value` found at `path`. `hasNulls`: at least one field is null, as in `labels:` with nothing after it. */
export function checkShape(
	shape: Shape,
	value: unknown,
	path: readonly (string | number)[],
	findings: Findings,
): { readonly hasNulls: boolean } {
	const check: Check = { findings, path: [...path], sawNull: false };
	checkValue(check, shape, value);
	return { hasNulls: check.sawNull };
}

function checkValue(check: Check, shape: Shape, value: unknown): void {
	switch (shape.type) {
		case "text":
			checkText(check, shape, value);
			return;
		case "whole":
			if (typeof value !== "number" || !Number.isInteger(value) || value < shape.min || value > shape.max)
				wrong(
					check,
					`must be ${shape.what}`,
					value,
					typeof value === "string" && /^\d+$/.test(value) ? "write it without quotes" : "",
				);
			return;
		case "number":
			if (typeof value !== "number" || !Number.isFinite(value)) wrong(check, "must be a number", value);
			else if (value < shape.min || value > shape.max)
				wrong(
					check,
					`must be a number from ${shape.min}${Number.isFinite(shape.max) ? ` to ${shape.max}` : ""}`,
					value,
				);
			return;
		case "flag":
			if (typeof value !== "boolean")
				wrong(check, "must be true or false", value, "write true or false, without quotes");
			return;
		case "duration":
			checkDuration(check, shape.minMs, value);
			return;
		case "wholeOrText":
			if (typeof value !== "string" && !Number.isInteger(value))
				wrong(check, "must be a whole number or a name", value);
			return;
		case "list":
			checkList(check, shape, value);
			return;
		case "hidden":
			if (typeof value !== "string")
				wrong(check, "must be a text (the value is not shown)", undefined, "put it in quotes");
			return;
		case "bytes":
			if (typeof value !== "string" || !isBase64(value)) wrong(check, "must be bytes in base64", value);
			return;
		case "map":
			checkMap(check, shape, value);
			return;
		case "struct":
			checkStruct(check, shape, value);
			return;
		case "any":
			return;
		default:
			shape satisfies never;
	}
}

function checkText(check: Check, shape: Extract<Shape, { type: "text" }>, value: unknown): void {
	if (typeof value !== "string") {
		const plain = typeof value === "number" || typeof value === "boolean";
		const hint = isMapping(value) ? "put it in quotes if it holds a colon" : "";
		wrong(check, "must be a text", value, plain ? `put it in quotes: "${value}"` : hint);
	} else if (shape.choices && !shape.choices.includes(value)) {
		const near = nearestName(value, shape.choices);
		const hint = near ? `did you mean ${near}?` : "";
		wrong(check, `must be one of ${shape.choices.join(", ")}`, value, hint);
	} else if (shape.maxLength !== undefined && value.length > shape.maxLength)
		check.findings.error(check.path, `has ${value.length} characters`, `use at most ${shape.maxLength}`);
}

function checkDuration(check: Check, minMs: number, value: unknown): void {
	const hint = 'write a number with a unit, such as "1.5s", "200ms" or "1m"';
	if (typeof value !== "string") {
		wrong(check, "must be a duration", value, hint);
		return;
	}
	const ms = parseDurationMs(value);
	if (ms === undefined) wrong(check, "is not a duration", value, hint);
	else if (ms < minMs) wrong(check, minMs > 0 ? "must be at least 1ms" : "must not be negative", value, hint);
	else if (minMs > 0 && !Number.isInteger(ms)) wrong(check, "must be a multiple of 1ms", value, hint);
}

function isBase64(text: string): boolean {
	return text.length % 4 === 0 && /^[A-Za-z0-9+/_-]*={0,2}$/.test(text);
}

function checkList(check: Check, { of, min, max }: Extract<Shape, { type: "list" }>, value: unknown): void {
	if (!Array.isArray(value)) {
		wrong(check, "must be a list", value, 'put "- " before each entry, or write [a, b]');
		return;
	}
	const items: readonly unknown[] = value;
	if (items.length < min) check.findings.error(check.path, "is empty", "add at least one entry");
	if (items.length > max) check.findings.error(check.path, `has ${items.length} entries`, `${max} at the most`);
	const depth = check.path.length;
	check.path.push(0);
	for (let index = 0; index < items.length; index++) {
		check.path[depth] = index;
		const item = items[index];
		if (item === null) wrong(check, "must not be empty", item, 'remove the "-", or give the entry its fields');
		else checkValue(check, of, item);
	}
	check.path.pop();
}

function checkMap(check: Check, { of, min }: Extract<Shape, { type: "map" }>, value: unknown): void {
	if (!isMapping(value)) {
		wrong(check, "must be a mapping", value, "write one `name: value` for each entry");
		return;
	}
	if (min > 0 && Object.keys(value).length < min)
		check.findings.error(check.path, "is empty", "add at least one entry");
	const depth = check.path.length;
	check.path.push("");
	for (const key in value) {
		check.path[depth] = key;
		const item = value[key];
		if (key === "__proto__") wrong(check, "is a reserved name", undefined, "use another name");
		else if (item === null)
			wrong(
				check,
				"must have a value",
				item,
				of.type === "struct" ? "write {} for an empty one" : 'write "" for an empty text',
			);
		else checkValue(check, of, item);
	}
	check.path.pop();
}

function checkStruct(check: Check, shape: StructShape, value: unknown): void {
	if (!isMapping(value)) {
		wrong(check, "must be a mapping with fields", value);
		return;
	}
	const depth = check.path.length;
	check.path.push("");
	for (const key in value) {
		const item = value[key];
		const field = shape.fields.get(key);
		check.path[depth] = key;
		if (item === null) check.sawNull = true;
		if (field !== undefined) {
			if (item !== null) checkValue(check, field, item);
		} else if (!shape.open || key === "__proto__") unknownField(check, shape, key);
	}
	check.path.pop();
	for (const key of shape.required)
		if (value[key] === undefined || value[key] === null)
			check.findings.error(
				[...check.path, key],
				`${key} is missing`,
				`add ${key}: ${exampleOf(shape.fields.get(key))}`,
			);
}

function unknownField(check: Check, shape: StructShape, key: string): void {
	const near = nearestName(key, shape.fields.keys());
	const known = [...shape.fields.keys()].sort().join(", ");
	check.findings.error(
		check.path,
		`there is no field ${key} here`,
		near ? `did you mean ${near}?` : `the fields are ${known}`,
	);
}

function exampleOf(shape: Shape | undefined): string {
	switch (shape?.type) {
		case "list":
			return "[...]";
		case "map":
		case "struct":
			return "{...}";
		case "whole":
			return String(shape.min);
		case "duration":
			return "1s";
		default:
			return "...";
	}
}

function wrong(check: Check, must: string, value: unknown, hint = ""): void {
	const found = value === undefined ? "" : `, found ${value === null ? "nothing" : renderValue(value)}`;
	check.findings.error(check.path, `${must}${found}`, hint);
}

export function isMapping(value: unknown): value is Readonly<Record<string, unknown>> {
	return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The same value without fields that are null. */
export function withoutNulls(value: unknown): unknown {
	if (Array.isArray(value)) return value.map(withoutNulls);
	if (!isMapping(value)) return value;
	const entries = Object.entries(value).filter(([, item]) => item !== null);
	return Object.fromEntries(entries.map(([key, item]) => [key, withoutNulls(item)]));
}
