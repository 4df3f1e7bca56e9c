// Images for applications whose own cannot be had here: of a file of resources, each image that the lab's image map knows becomes one
// of the same name that runs the sample's program. So the file is applied as it is.

import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseAllDocuments } from "yaml";
import { builtInImages, resolveImage } from "../../src/lab/plan/image-map.ts";
import type { Image } from "./image.ts";
import type { ImageLayers } from "./image-recipes.ts";
import type { Layer } from "./layer.ts";

const place = "opt/sample";

/** Those of containers that no rule knows are left out: they have a name that can be pulled, or are test images. */
export function mappedImages(file: string, checkout: string, { base, net, node }: ImageLayers): readonly Image[] {
	const rules = builtInImages(["node", "--no-warnings", `/${place}/bookinfo.ts`]);
	const layers = [base, node, net, sampleLayer(checkout)];
	return imagesIn(readFileSync(file, "utf8")).flatMap((name): readonly Image[] => {
		const resolved = resolveImage({ name: "", image: name }, rules, "");
		if (!resolved.ok) return [];
		const environment = Object.entries({ PATH: "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/bin", ...resolved.env });
		return [
			{
				name: fullName(name),
				config: { command: resolved.command, environment: environment.map(([key, value]) => `${key}=${value}`) },
				layers,
			},
		];
	});
}

function sampleLayer(checkout: string): Layer {
	return globSync("samples/bookinfo/*.ts", { cwd: checkout })
		.sort()
		.map((path) => ({
			kind: "file",
			path: `${place}/${path.slice(path.lastIndexOf("/") + 1)}`,
			source: join(checkout, path),
			mode: 0o644,
		}));
}

/** Of all containers in all documents, each once. */
export function imagesIn(text: string): readonly string[] {
	const found = new Set<string>();
	const look = (value: unknown): void => {
		if (Array.isArray(value)) for (const item of value) look(item);
		else if (typeof value === "object" && value !== null)
			for (const [name, item] of Object.entries(value))
				if (name === "image" && typeof item === "string") found.add(item);
				else look(item);
	};
	for (const document of parseAllDocuments(text)) look(document.toJS());
	return [...found].sort();
}

/** As container runtimes write it: a name without a registry is of Docker's. */
export function fullName(name: string): string {
	const [first = "", ...rest] = name.split("/");
	if (rest.length === 0) return `docker.io/library/${name}`;
	return /[.:]/.test(first) || first === "localhost" ? name : `docker.io/${name}`;
}
