// Writes an image as the archive that `docker save` makes and containerd imports: one tar per layer, the configuration, the
// manifest. Nothing is compressed. https://github.com/moby/docker-image-spec/blob/main/v1.2.md

import { createHash } from "node:crypto";
import { ArchiveFile } from "./archive-file.ts";
import { type Image, renderImageConfig } from "./image.ts";
import { tarOfLayer } from "./layer-tar.ts";

/** Out: the digests of its layers, `sha256:...`. */
export function writeDockerArchive(path: string, image: Image): readonly string[] {
	using archive = new ArchiveFile(path);
	const names = image.layers.map((_, index) => `${index}/layer.tar`);
	const digests = image.layers.map((layer, index) => {
		const tar = tarOfLayer(layer);
		const hash = createHash("sha256");
		archive.add(names[index] ?? "", tar.sizeBytes, (write) =>
			tar.writeTo((bytes) => {
				hash.update(bytes);
				write(bytes);
			}),
		);
		return `sha256:${hash.digest("hex")}`;
	});
	const config = JSON.stringify(renderImageConfig(image.config, digests));
	const configName = `${createHash("sha256").update(config).digest("hex")}.json`;
	archive.addText(configName, config);
	archive.addText("manifest.json", JSON.stringify([{ Config: configName, RepoTags: [image.name], Layers: names }]));
	return digests;
}
