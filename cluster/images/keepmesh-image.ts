// The image of Keepmesh itself, from this checkout: its sources with the packages that they need, on top of Node, Envoy and the
// network tools. The last layer alone changes from one edit to the next.

import { globSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import type { Image } from "./image.ts";
import { keepmeshImage } from "./image-names.ts";
import { type ImageLayers, keepmeshBase } from "./image-recipes.ts";
import type { ImageSources } from "./image-sources.ts";
import type { Layer, LayerEntry } from "./layer.ts";
import { sharedLibraries } from "./shared-libraries.ts";

const place = "opt/keepmesh";
const program = ["node", "--no-warnings", "--max-semi-space-size=8", `/${place}/bin/keepmesh.ts`];
/** For hooks and probes of containers, and for people in one: they do not go through the entry point. */
const launcher = `#!/bin/sh\nexec ${program.join(" ")} "$@"\n`;
/** Packages that only the set-up uses. */
const setUpOnly = ["@bufbuild/protoc-gen-es"];

export function keepmeshRecipe(sources: ImageSources, shared: ImageLayers): Image {
	const base = keepmeshBase(shared);
	const entrypoint = program;
	const environment = [...(base.config.environment ?? []), "KEEPMESH_ENVOY=/usr/local/bin/envoy"];
	const layers = [...base.layers, userSwitchLayer(), programLayer(sources.checkout)];
	return { name: keepmeshImage, config: { entrypoint, environment, workingDirectory: `/${place}` }, layers };
}

/** Busybox has a setpriv that cannot change the user; the node's spare Envoy is started by util-linux's. */
function userSwitchLayer(): Layer {
	const source = "/usr/bin/setpriv";
	return [{ kind: "file", path: "usr/local/bin/setpriv", source, mode: 0o755 }, ...sharedLibraries([source])];
}

function programLayer(checkout: string): Layer {
	const sources = globSync(["bin/**/*.ts", "src/**/*", "samples/**/*"], { cwd: checkout, withFileTypes: true })
		.filter((entry) => entry.isFile() && !/\.(?:test|testing)\.ts$/.test(entry.name))
		.map((entry) => join(entry.parentPath, entry.name).slice(checkout.length + 1));
	const packages = runtimePackages(checkout).flatMap((directory) =>
		globSync("**/*", { cwd: join(checkout, directory), withFileTypes: true })
			.filter((entry) => entry.isFile() && isNeeded(entry.parentPath, entry.name))
			.map((entry) => join(entry.parentPath, entry.name).slice(checkout.length + 1)),
	);
	const files = [...new Set(["package.json", "LICENSE", ...sources, ...packages])].map((path) => file(checkout, path));
	return [...files, { kind: "text", path: "usr/local/bin/keepmesh", text: launcher, mode: 0o755 }];
}

const file = (checkout: string, path: string): LayerEntry => ({
	kind: "file",
	path: `${place}/${path}`,
	source: join(checkout, path),
});

/** Types, maps, documents and C sources run nowhere. */
const isNeeded = (directory: string, name: string): boolean =>
	!/\.(?:d\.[cm]?ts|map|md|cc|hh|h|c|cpp|S|asm|txt)$/.test(name) && !/\/koffi\/(?:vendor|doc)(?:\/|$)/.test(directory);

interface Lock {
	readonly packages: Readonly<
		Record<string, { readonly dependencies?: object; readonly optionalDependencies?: object; readonly dev?: boolean }>
	>;
}

/** Directories of the packages that the program needs when it runs, as npm has laid them out. */
function runtimePackages(checkout: string): readonly string[] {
	const { packages } = JSON.parse(readFileSync(join(checkout, "package-lock.json"), "utf8")) as Lock;
	const found = new Set<string>();
	const add = (name: string, from: string): void => {
		const path = nearest(packages, name, from);
		if (path === undefined || found.has(path) || setUpOnly.includes(name) || isNodeItself(name)) return;
		found.add(path);
		const { dependencies = {}, optionalDependencies = {} } = packages[path] ?? {};
		for (const next of Object.keys({ ...dependencies, ...optionalDependencies })) add(next, path);
	};
	for (const name of Object.keys(packages[""]?.dependencies ?? {})) add(name, "");
	return [...found].sort();
}

const isNodeItself = (name: string): boolean => basename(name).startsWith("node-linux-");

/** The package as Node would find it from `from`: in the closest node_modules upwards. */
function nearest(packages: Lock["packages"], name: string, from: string): string | undefined {
	for (let at = from; ; at = at.slice(0, Math.max(0, at.lastIndexOf("/node_modules/")))) {
		const path = `${at === "" ? "" : `${at}/`}node_modules/${name}`;
		if (packages[path]) return path;
		if (at === "") return undefined;
		if (!at.includes("/node_modules/")) at = "";
	}
}
