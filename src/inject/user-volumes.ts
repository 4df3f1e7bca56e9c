// The annotations sidecar.istio.io/userVolume and userVolumeMount -> lists of volumes and mounts. Both forms are read: a list, and
// a map from name to the rest.

import { isObject } from "./pod-shape.ts";

export function parseUserVolumes(
	text: string | undefined,
	key: string,
	wrong: (message: string) => void,
): readonly Readonly<Record<string, unknown>>[] {
	if (text === undefined || text.trim() === "") return [];
	let value: unknown;
	try {
		value = JSON.parse(text);
	} catch (error) {
		wrong(`it is no JSON: ${error instanceof Error ? error.message : "unreadable"}`);
		return [];
	}
	const items = Array.isArray(value)
		? value
		: isObject(value)
			? Object.entries(value).map(([name, item]): unknown => (isObject(item) ? { [key]: name, ...item } : item))
			: undefined;
	if (items?.every((item) => isObject(item) && typeof item[key] === "string")) return items;
	wrong(`it is neither a list of objects with "${key}" nor a map of such objects`);
	return [];
}
