// The shared libraries that programs of this machine need, with the loader, as entries of a layer at the same paths.

import { execFileSync } from "node:child_process";
import type { LayerEntry } from "./layer.ts";

/** Empty for programs that are linked statically. */
export function sharedLibraries(programs: readonly string[]): readonly LayerEntry[] {
	const paths = new Set(programs.flatMap(librariesOf));
	return [...paths].sort().map((path) => ({ kind: "file", path: path.slice(1), source: path, mode: 0o755 }));
}

function librariesOf(program: string): readonly string[] {
	let printed: string;
	try {
		printed = execFileSync("ldd", [program], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
	} catch {
		return [];
	}
	// "libm.so.6 => /lib/x86_64-linux-gnu/libm.so.6 (0x...)" and "/lib64/ld-linux-x86-64.so.2 (0x...)"
	return [...printed.matchAll(/(?:=> |^\s*)(\/\S+) \(0x/gm)]
		.map((found) => found[1] ?? "")
		.filter((path) => path !== "");
}
