// An image: a name, what it runs, and layers. Its configuration as Docker and OCI have it.
// https://github.com/opencontainers/image-spec/blob/main/config.md

import type { Layer } from "./layer.ts";

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

/** `digests`: of the layers, in their order. */
export function renderImageConfig(config: ImageConfig, digests: readonly string[]): object {
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
