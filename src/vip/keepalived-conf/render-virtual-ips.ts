// Imported VirtualIPs as YAML, with comments for what was not carried over.

import type { ImportedVirtualIp } from "./import-virtual-ip.ts";

export function renderVirtualIps(imported: readonly ImportedVirtualIp[], namespace: string): string {
	return imported.map((one) => renderOne(one, namespace)).join("---\n");
}

function renderOne({ name, spec, notCarried, keyFile }: ImportedVirtualIp, namespace: string): string {
	const comments = [
		...notCarried.map((what) => `# not carried over: ${what}`),
		...(keyFile === undefined
			? []
			: [`# the key is not written here: put it into ${keyFile}, mode 0600, on every node`]),
		"# once every node runs Keepmesh: fastHeartbeat: default finds a dead owner in 100 ms, and whenAllFail: hold keeps the addresses",
	];
	const document = { apiVersion: "keepmesh.io/v1alpha1", kind: "VirtualIP", metadata: { name, namespace }, spec };
	return `${comments.join("\n")}\n${renderMapping(document, "")}`;
}

function renderMapping(mapping: object, indent: string): string {
	return Object.entries(mapping)
		.filter(([, value]) => value !== undefined)
		.map(([key, value]) => `${indent}${key}:${renderValue(value, indent)}`)
		.join("");
}

function renderValue(value: unknown, indent: string): string {
	if (Array.isArray(value)) {
		if (value.length === 0) return " []\n";
		return `\n${value.map((item) => renderItem(item, `${indent}  `)).join("")}`;
	}
	if (typeof value === "object" && value !== null)
		return Object.keys(value).length === 0 ? " {}\n" : `\n${renderMapping(value, `${indent}  `)}`;
	return ` ${renderScalar(value)}\n`;
}

function renderItem(item: unknown, indent: string): string {
	if (typeof item !== "object" || item === null) return `${indent}- ${renderScalar(item)}\n`;
	const lines = renderMapping(item, `${indent}  `);
	return `${indent}- ${lines.slice(indent.length + 2)}`;
}

/** Plain where that is safe, in quotes else. */
function renderScalar(value: unknown): string {
	if (typeof value !== "string") return JSON.stringify(value);
	const isPlain = /^[A-Za-z_/][-A-Za-z0-9_./]*$/.test(value) && !/^(?:true|false|yes|no|on|off|null|y|n)$/i.test(value);
	return isPlain || /^\d+(?:\.\d+)?m?s$/.test(value) ? value : JSON.stringify(value);
}
