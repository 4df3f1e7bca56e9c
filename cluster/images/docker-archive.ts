// Writes an image as the archive that `docker save` makes and containerd imports: one tar per layer, the configuration, the
// manifest. Nothing is compressed. https://github.com/moby/docker-image-spec/blob/main/v1.2.md

import { createHash } from "node:crypto";
import { closeSync, openSync, readSync, statSync, writeSync } from "node:fs";
import { type Layer, type LayerEntry, orderLayer } from "./layer.ts";
import { renderTarHeader, type TarEntry, tarBlockBytes, tarEnd, tarPaddingBytes } from "./tar-header.ts";

export interface ImageConfig {
	readonly entrypoint?: readonly string[];
	readonly command?: readonly string[];
	readonly environment?: readonly string[];
	/** `1337` or `1337:1337`. */
	readonly user?: string;
	readonly workingDirectory?: string;
}

export interface Image {
	/** `registry/name:tag` */
	readonly name: string;
	readonly config: ImageConfig;
	readonly layers: readonly Layer[];
}

const epoch = "1970-01-01T00:00:00Z";
const architectures: Readonly<Record<string, string>> = { x64: "amd64", arm64: "arm64" };

export function writeDockerArchive(file: string, image: Image): void {
	const output = openSync(file, "w");
	try {
		const names: string[] = [];
		const digests: string[] = [];
		for (const [index, layer] of image.layers.entries()) {
			const ordered = orderLayer(layer).map(measured);
			const name = `${index}/layer.tar`;
			const hash = createHash("sha256");
			writeSync(output, renderTarHeader({ kind: "file", path: name, mode: 0o644, sizeBytes: layerBytes(ordered) }));
			const write = (bytes: Uint8Array): void => {
				hash.update(bytes);
				writeAll(output, bytes);
			};
			for (const entry of ordered) writeEntry(entry, write);
			write(tarEnd);
			names.push(name);
			digests.push(`sha256:${hash.digest("hex")}`);
		}
		const config = Buffer.from(JSON.stringify(renderConfig(image.config, digests)));
		const configName = `${createHash("sha256").update(config).digest("hex")}.json`;
		writeFile(output, configName, config);
		const manifest = [{ Config: configName, RepoTags: [image.name], Layers: names }];
		writeFile(output, "manifest.json", Buffer.from(JSON.stringify(manifest)));
		writeAll(output, tarEnd);
	} finally {
		closeSync(output);
	}
}

function renderConfig(config: ImageConfig, digests: readonly string[]): object {
	return {
		architecture: architectures[process.arch] ?? process.arch,
		os: "linux",
		created: epoch,
		config: {
			Env: config.environment ?? [],
			...(config.entrypoint ? { Entrypoint: config.entrypoint } : {}),
			...(config.command ? { Cmd: config.command } : {}),
			...(config.user ? { User: config.user } : {}),
			...(config.workingDirectory ? { WorkingDir: config.workingDirectory } : {}),
		},
		rootfs: { type: "layers", diff_ids: digests },
		history: digests.map(() => ({ created: epoch })),
	};
}

interface Measured {
	readonly entry: LayerEntry;
	readonly header: TarEntry;
}

function measured(entry: LayerEntry): Measured {
	const { path } = entry;
	switch (entry.kind) {
		case "file": {
			const { size, mode } = statSync(entry.source);
			const header = { kind: "file", path, mode: entry.mode ?? mode & 0o777, sizeBytes: size } as const;
			return { entry, header: { ...header, uid: entry.uid ?? 0, gid: entry.uid ?? 0 } };
		}
		case "text":
			return {
				entry,
				header: { kind: "file", path, mode: entry.mode ?? 0o644, sizeBytes: Buffer.byteLength(entry.text) },
			};
		case "link":
			return { entry, header: { kind: "link", path, mode: 0o777, sizeBytes: 0, target: entry.target } };
		case "directory": {
			const owner = { uid: entry.uid ?? 0, gid: entry.uid ?? 0 };
			return { entry, header: { kind: "directory", path, mode: entry.mode ?? 0o755, sizeBytes: 0, ...owner } };
		}
		default:
			return entry satisfies never;
	}
}

function layerBytes(entries: readonly Measured[]): number {
	const sizes = entries.map(
		({ header }) => renderTarHeader(header).length + header.sizeBytes + tarPaddingBytes(header.sizeBytes),
	);
	return sizes.reduce((sum, size) => sum + size, tarEnd.length);
}

function writeEntry({ entry, header }: Measured, write: (bytes: Uint8Array) => void): void {
	write(renderTarHeader(header));
	if (entry.kind === "text") write(Buffer.from(entry.text));
	if (entry.kind === "file") copyContent(entry.source, header.sizeBytes, write);
	write(new Uint8Array(tarPaddingBytes(header.sizeBytes)));
}

function copyContent(source: string, sizeBytes: number, write: (bytes: Uint8Array) => void): void {
	const input = openSync(source, "r");
	const buffer = Buffer.allocUnsafe(2048 * tarBlockBytes);
	try {
		for (let left = sizeBytes; left > 0; ) {
			const count = readSync(input, buffer, 0, Math.min(buffer.length, left), null);
			if (count === 0) throw new Error(`${source} became shorter while it was read`);
			write(buffer.subarray(0, count));
			left -= count;
		}
	} finally {
		closeSync(input);
	}
}

function writeFile(output: number, path: string, content: Uint8Array): void {
	writeAll(output, renderTarHeader({ kind: "file", path, mode: 0o644, sizeBytes: content.length }));
	writeAll(output, content);
	writeAll(output, new Uint8Array(tarPaddingBytes(content.length)));
}

function writeAll(output: number, bytes: Uint8Array): void {
	for (let at = 0; at < bytes.length; ) at += writeSync(output, bytes, at);
}
