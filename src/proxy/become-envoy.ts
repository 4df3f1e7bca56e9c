// What the node hands out for a pod's proxy -> its Envoy, in this very process: the id stays, so the node, which saw who asked,
// has it already. Comes back only when it cannot.

import { accessSync, constants, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";

export interface HandedOut {
	readonly bootstrap: object;
	/** Of Envoy's command line, beside the bootstrap's path. */
	readonly args: readonly string[];
}

/** Throws a sentence that says what is wrong with it. */
export function parseHandedOut(text: string): HandedOut {
	const value = JSON.parse(text) as { readonly bootstrap?: unknown; readonly args?: unknown } | null;
	const { args = [], bootstrap } = value ?? {};
	if (typeof bootstrap !== "object" || bootstrap === null) throw new Error("the node handed out no bootstrap");
	if (!Array.isArray(args) || !args.every((arg): arg is string => typeof arg === "string"))
		throw new Error("the node handed out arguments that are no texts");
	return { bootstrap, args };
}

export interface BecomeEnvoyOptions {
	/** Where the bootstrap is written: the one directory of the container that can be. */
	readonly directory: string;
	/** Path of the program, or its name, to be found in `path`. */
	readonly envoy: string;
	readonly environment: Readonly<Record<string, string | undefined>>;
}

export function becomeEnvoy({ args, bootstrap }: HandedOut, options: BecomeEnvoyOptions): never {
	const file = join(options.directory, "envoy-rev.json");
	writeFileSync(file, JSON.stringify(bootstrap), { mode: 0o600 });
	const program = findProgram(options.envoy, options.environment.PATH ?? "");
	const environment = Object.entries(options.environment).filter(
		(entry): entry is [string, string] => entry[1] !== undefined,
	);
	if (!process.execve) throw new Error("this Node has no execve");
	process.execve(program, [program, "--config-path", file, ...args], Object.fromEntries(environment));
	throw new Error(`${program} did not start`);
}

function findProgram(name: string, path: string): string {
	if (name.includes("/")) return name;
	for (const directory of path.split(delimiter)) {
		const candidate = join(directory, name);
		try {
			accessSync(candidate, constants.X_OK);
			return candidate;
		} catch {}
	}
	throw new Error(`there is no ${name} in ${path}`);
}
