// Holds the rule of the folders: pure ones compute, effects ones act, and only app/ puts effects together.
// Prints each breach as file:line; exits 1 if there is one.

import { globSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";

/** Folders whose code takes values and returns values: no I/O, no clock, no randomness. */
const pureFolders = [
	"src/resources",
	"src/model",
	"src/snapshot",
	"src/envoy",
	"src/xds",
	"src/identity",
	"src/policy",
	"src/vip",
	"src/l4",
	"src/hotswitch",
	"src/inject",
	"src/install",
	"src/multicluster",
	"src/health",
	"src/replicas",
	"src/host-check",
	"src/kubernetes/vip",
	"src/kubernetes/admission",
	"src/kubernetes/crds",
	"src/kubernetes/status",
	"src/kubernetes/nodes-alive",
	"src/lab/plan",
	"src/node/plan",
	"src/node/dns",
];

/** Folders inside pure ones that hold the effects of their part. */
const effectFolders = [
	"src/xds/wire",
	"src/identity/authority",
	"src/health/probes",
	"src/host-check/probe",
	"src/kubernetes/status/writer",
	"src/kubernetes/nodes-alive/wire",
];

const forbiddenInPure: readonly (readonly [RegExp, string])[] = [
	[/\bfrom "node:|\bimport\("node:/, "imports a node: module"],
	[/\bfrom "(?:koffi|pino|prom-client|commander)"/, "imports a library with effects"],
	[/\b(?:setTimeout|setInterval|setImmediate|queueMicrotask)\s*\(/, "uses a timer; return an action, or take a Clock"],
	[/\bDate\.now\b|\bnew Date\(\)|\bperformance\.now\b/, "reads the clock; take the time as a value"],
	[/\bMath\.random\b/, "is random; take the number as a value"],
	[/\bprocess\./, "reads the process"],
];

const isPure = (path: string): boolean =>
	pureFolders.some((folder) => path.startsWith(`${folder}/`)) &&
	!effectFolders.some((folder) => path.startsWith(`${folder}/`));

const breaches: string[] = [];
for (const path of globSync("src/**/*.ts").sort()) {
	if (path.startsWith("src/envoy/gen/") || path.endsWith(".test.ts") || path.endsWith(".testing.ts")) continue;
	readFileSync(path, "utf8")
		.split("\n")
		.forEach((line, index) => {
			for (const breach of breachesOf(path, line)) breaches.push(`${path}:${index + 1}: ${breach}`);
		});
}
for (const breach of breaches) console.error(breach);
if (breaches.length > 0) process.exit(1);
console.log("layers: clean");

function breachesOf(path: string, line: string): readonly string[] {
	const found: string[] = [];
	const code = line.replace(/^\s*(?:\/\/|\*|\/\*).*$/, "");
	const imported = code.match(/(?:from|import) "(\.[^"]+)"|import\("(\.[^"]+)"\)/);
	const target = imported ? normalize(join(dirname(path), imported[1] ?? imported[2] ?? "")) : undefined;
	if (target?.startsWith("src/app/") && !path.startsWith("src/app/"))
		found.push("imports app/, which only entry points may");
	if (!isPure(path)) return found;
	if (target?.startsWith("src/") && !isPure(target)) found.push(`is pure but imports ${target}, which is not`);
	for (const [pattern, why] of forbiddenInPure) if (pattern.test(code)) found.push(`is pure but ${why}`);
	return found;
}
