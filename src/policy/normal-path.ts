// A request's path as policies see it, after what Envoy does to it under each of Istio's pathNormalization settings.

import type { PathNormalization } from "../model/security.ts";

export function normalPath(target: string, normalization: PathNormalization): string {
	const path = target.replace(/[?#].*$/s, "");
	switch (normalization) {
		case "NONE":
			return path;
		case "BASE":
			return withoutDots(path);
		case "MERGE_SLASHES":
			return withoutDots(path).replace(/\/{2,}/g, "/");
		case "DECODE_AND_MERGE_SLASHES":
			return withoutDots(path.replace(/%2f/gi, "/").replace(/%5c/gi, "\\")).replace(/\/{2,}/g, "/");
		default:
			return normalization satisfies never;
	}
}

/** RFC 3986 6.2.2.2 and 6.2.2.3, with `\` for `/` as browsers have it. */
function withoutDots(path: string): string {
	const segments: string[] = [];
	const parts = path.replaceAll("\\", "/").replace(/%2e/gi, ".").replace(/^\//, "").split("/");
	for (const [index, part] of parts.entries()) {
		const isLast = index === parts.length - 1;
		if (part === "..") segments.pop();
		else if (part !== ".") segments.push(part);
		if (isLast && (part === "." || part === "..")) segments.push("");
	}
	return `/${segments.join("/")}`;
}
