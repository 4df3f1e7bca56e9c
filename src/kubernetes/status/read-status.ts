// What stands under `status` of an object of the API comes in; what the mesh itself wrote there goes out, or undefined.

import { isMapping } from "../../resources/shapes/check-shape.ts";
import type { Condition, ResourceStatus } from "./resource-status.ts";

export function readStatus(status: unknown): ResourceStatus | undefined {
	if (!isMapping(status) || !Array.isArray(status.conditions)) return undefined;
	const conditions = status.conditions.filter(isOwnCondition);
	// Others may have written a status of theirs: Istio's control plane does.
	if (!conditions.some(({ type }) => type === "Accepted")) return undefined;
	const { applied, observedGeneration, problems, proxies } = status;
	return {
		observedGeneration: typeof observedGeneration === "number" ? observedGeneration : -1,
		conditions,
		...(typeof applied === "string" ? { applied } : {}),
		...(isMapping(proxies) ? { proxies: readCounts(proxies) } : {}),
		reason: textOf(status.reason),
		message: textOf(status.message),
		problems: Array.isArray(problems) ? problems.map(textOf) : [],
	};
}

function isOwnCondition(value: unknown): value is Condition {
	if (!isMapping(value) || (value.type !== "Accepted" && value.type !== "Applied")) return false;
	return ["status", "reason", "message", "lastTransitionTime"].every((field) => typeof value[field] === "string");
}

function readCounts(counts: Readonly<Record<string, unknown>>): NonNullable<ResourceStatus["proxies"]> {
	const count = (value: unknown): number => (typeof value === "number" ? value : -1);
	return {
		concerned: count(counts.concerned),
		applied: count(counts.applied),
		rejected: count(counts.rejected),
		withheld: count(counts.withheld),
	};
}

function textOf(value: unknown): string {
	return typeof value === "string" ? value : "";
}
