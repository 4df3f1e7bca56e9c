// For tests: operations of RFC 6902, applied. Throws where a real server would refuse them.

import assert from "node:assert/strict";
import type { PatchOperation } from "./json-patch.ts";

type Fields = Record<string, unknown>;

export function applyJsonPatch(
	value: unknown,
	operations: readonly (PatchOperation | { readonly op: "test"; readonly path: string; readonly value: unknown })[],
): unknown {
	let result: unknown = structuredClone(value);
	for (const { op, path, value: given } of operations) {
		const fields = path
			.split("/")
			.slice(1)
			.map((field) => field.replaceAll("~1", "/").replaceAll("~0", "~"));
		const last = fields.pop();
		if (last === undefined) {
			result = given;
			continue;
		}
		const parent = fields.reduce((at: unknown, field) => (at as Fields)[field], result) as Fields | unknown[];
		assert.ok(typeof parent === "object" && parent !== null, `${path}: there is no such place`);
		const index = Array.isArray(parent) ? Number(last) : 0;
		if (op === "add" && Array.isArray(parent)) {
			assert.ok(index <= parent.length, `${path}: beyond the end`);
			parent.splice(index, 0, given);
			continue;
		}
		const isThere = Array.isArray(parent) ? index < parent.length : Object.hasOwn(parent, last);
		assert.ok(op === "add" || isThere, `${op} ${path}: it is not there`);
		if (op === "test") assert.deepEqual((parent as Fields)[last], given, `${path} differs`);
		else if (op !== "remove") (parent as Fields)[last] = given;
		else if (Array.isArray(parent)) parent.splice(index, 1);
		else delete parent[last];
	}
	return result;
}
