// A pod and a fragment of one -> the pod with the fragment laid over it, by the rules of Kubernetes' strategic merge: maps field by
// field, the lists below item by item, other lists and scalars as a whole; null takes a field away, `$patch: delete` an item.
// https://github.com/kubernetes/community/blob/master/contributors/devel/sig-api-machinery/strategic-merge-patch.md

import { isObject } from "./pod-shape.ts";

/** Lists whose items have an identity, and the field that it is. */
const mergeKeys: Readonly<Record<string, string>> = {
	containers: "name",
	initContainers: "name",
	ephemeralContainers: "name",
	env: "name",
	volumes: "name",
	volumeMounts: "mountPath",
	volumeDevices: "devicePath",
	ports: "containerPort",
	imagePullSecrets: "name",
	// A list of its own for Kubernetes; no gate of the author's shall be lost.
	readinessGates: "conditionType",
	hostAliases: "ip",
	topologySpreadConstraints: "topologyKey",
};

/** Of one volume has one source, of one variable one value: the fragment's replaces the other kind. */
const replacedWhole: ReadonlySet<string> = new Set(["volumes", "env"]);

export function mergeStrategically<T>(base: T, fragment: unknown): T {
	return merge(base, fragment, "") as T;
}

function merge(base: unknown, fragment: unknown, field: string): unknown {
	if (isObject(fragment)) return isObject(base) ? mergeObjects(base, fragment) : withoutDirectives(fragment);
	const key = mergeKeys[field];
	if (Array.isArray(fragment) && Array.isArray(base) && key !== undefined && [...fragment, ...base].every(isObject))
		return mergeLists(base, fragment, field, key);
	return withoutDirectives(fragment);
}

type Fields = Readonly<Record<string, unknown>>;

function mergeObjects(base: Fields, fragment: Fields): Fields {
	if (fragment.$patch === "replace") return withoutDirectives(fragment) as Fields;
	const merged: Record<string, unknown> = { ...base };
	for (const [field, value] of Object.entries(fragment)) {
		if (field === "$patch") continue;
		if (value === null) delete merged[field];
		else merged[field] = merge(base[field], value, field);
	}
	return merged;
}

function mergeLists(base: readonly Fields[], fragment: readonly Fields[], field: string, key: string): unknown[] {
	const merged = [...base];
	for (const item of fragment) {
		const at = merged.findIndex((other) => other[key] === item[key] && protocolOf(other) === protocolOf(item));
		if (item.$patch === "delete") {
			if (at >= 0) merged.splice(at, 1);
		} else if (at < 0) merged.push(withoutDirectives(item) as Fields);
		else merged[at] = replacedWhole.has(field) ? item : mergeObjects(merged[at] ?? {}, item);
	}
	return merged;
}

/** A port is the same port only with the same protocol. */
function protocolOf(item: Fields): unknown {
	return "containerPort" in item ? (item.protocol ?? "TCP") : undefined;
}

function withoutDirectives(value: unknown): unknown {
	if (Array.isArray(value)) return value.filter((item) => item?.$patch !== "delete").map(withoutDirectives);
	if (!isObject(value)) return value;
	const kept = Object.entries(value).filter(([field, item]) => field !== "$patch" && item !== null);
	return Object.fromEntries(kept.map(([field, item]) => [field, withoutDirectives(item)]));
}
