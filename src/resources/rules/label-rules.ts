// Labels and the selectors that match them: keys with an optional DNS prefix, short values.
// https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set

import type { Findings, Path } from "../findings.ts";
import { isDnsSubdomain } from "./host-rules.ts";

const namePart = /^[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;

export function checkLabels(
	labels: Readonly<Record<string, string>> | undefined,
	path: Path,
	findings: Findings,
): void {
	for (const key in labels) {
		const value = labels[key] ?? "";
		if (!isLabelKey(key))
			findings.error(
				[...path, key],
				`${JSON.stringify(key)} is not a valid label name`,
				"use letters, digits, -, _ and ., at most 63, after an optional prefix/",
			);
		if (value !== "" && !namePart.test(value))
			findings.error(
				[...path, key],
				`${JSON.stringify(value)} is not a valid label value`,
				"use letters, digits, -, _ and ., at most 63",
			);
	}
}

function isLabelKey(key: string): boolean {
	const slash = key.indexOf("/");
	if (slash < 0) return namePart.test(key);
	return isDnsSubdomain(key.slice(0, slash)) && namePart.test(key.slice(slash + 1));
}

/** Istio's workload selectors: no wildcards, no empty names; an empty selector selects everything, which may surprise. */
export function checkSelector(
	labels: Readonly<Record<string, string>> | undefined,
	path: Path,
	findings: Findings,
): void {
	for (const key in labels) {
		if (key === "") findings.error(path, "a selector must not have an empty name", "name the label");
		if (`${key}${labels[key]}`.includes("*"))
			findings.error(
				[...path, key],
				`wildcards are not supported in selectors, found ${key}=${labels[key]}`,
				"name one value",
			);
	}
	if (labels === undefined || Object.keys(labels).length === 0)
		findings.warning(
			path,
			"the selector has no labels: it applies to all workloads of the namespace",
			"remove the selector, or add labels",
		);
}
