// Writes an image as an archive of OCI's image layout, for a node that has most of its layers already: those are named by their
// digests and left out. https://github.com/opencontainers/image-spec/blob/main/image-layout.md

import { createHash } from "node:crypto";
import { ArchiveFile } from "./archive-file.ts";
import { type Image, renderImageConfig } from "./image.ts";
import { digestOfLayer, type LayerDigests, stampOfLayer } from "./layer-digests.ts";
import { tarOfLayer } from "./layer-tar.ts";

const mediaType = (name: string): string => `application/vnd.oci.image.${name}`;

interface Blob {
	readonly mediaType: string;
	readonly digest: string;
	readonly size: number;
}

/** `known`: layers that those who import it have already. */
export function writeOciArchive(path: string, image: Image, known: LayerDigests): void {
	using archive = new ArchiveFile(path);
	const layers = image.layers.map((layer) => ({ layer, tar: tarOfLayer(layer), kept: known[stampOfLayer(layer)] }));
	const blobs = layers.map(({ layer, tar, kept }): Blob => {
		const digest = kept ?? digestOfLayer(layer);
		if (kept === undefined) archive.add(blobPath(digest), tar.sizeBytes, (write) => tar.writeTo(write));
		return { mediaType: mediaType("layer.v1.tar"), digest, size: tar.sizeBytes };
	});
	const addJson = (type: string, content: object): Blob => {
		const text = JSON.stringify(content);
		const digest = `sha256:${createHash("sha256").update(text).digest("hex")}`;
		archive.addText(blobPath(digest), text);
		return { mediaType: mediaType(type), digest, size: Buffer.byteLength(text) };
	};
	const digests = blobs.map(({ digest }) => digest);
	const config = addJson("config.v1+json", renderImageConfig(image.config, digests));
	const schema = { schemaVersion: 2 };
	const manifestType = "manifest.v1+json";
	const manifest = addJson(manifestType, { ...schema, mediaType: mediaType(manifestType), config, layers: blobs });
	const annotations = { "io.containerd.image.name": image.name };
	archive.addText("oci-layout", JSON.stringify({ imageLayoutVersion: "1.0.0" }));
	archive.addText("index.json", JSON.stringify({ ...schema, manifests: [{ ...manifest, annotations }] }));
}

const blobPath = (digest: string): string => `blobs/${digest.replace(":", "/")}`;
