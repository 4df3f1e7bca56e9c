// Where the programs are that Keepmesh starts. Out: path by name, undefined when it is not there.

import { existsSync } from "node:fs";
import { delimiter, join, resolve } from "node:path";
import { isExecutable } from "../is-executable.ts";

export function findPrograms(): ReadonlyMap<string, string | undefined> {
	const envoy = resolve(process.env.KEEPMESH_ENVOY ?? `${import.meta.dirname}/../../../.keepmesh/envoy`);
	return new Map([
		["envoy", existsSync(envoy) ? envoy : undefined],
		["nft", onPath("nft")],
	]);
}

function onPath(name: string): string | undefined {
	const directories = [...(process.env.PATH ?? "").split(delimiter), "/usr/sbin", "/sbin"];
	return directories.map((directory) => join(directory, name)).find(isExecutable);
}
