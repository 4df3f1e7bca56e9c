// The image store: containerd's directory with every test image unpacked, made once and kept under a stamp of what went into it.
// A node starts with a copy whose layers are hard links, which takes a tenth of a second instead of ten.

import { execFile, execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { writeDockerArchive } from "./docker-archive.ts";
import type { Image } from "./image.ts";
import { stampOfLayer, writeLayerDigests } from "./layer-digests.ts";

/** Bump when what this file writes changes. */
const format = 2;

/** The directory of the store, made when it is not there; stores of other content are removed. */
export async function ensureImageStore(
	directory: string,
	images: readonly Image[],
	say: (text: string) => void,
): Promise<string> {
	const store = join(directory, `store-${stampOf(images)}`);
	if (existsSync(store)) return store;
	mkdirSync(directory, { recursive: true });
	say("images are made and unpacked, once");
	const work = `${store}.${process.pid}`;
	rmSync(work, { recursive: true, force: true });
	mkdirSync(join(work, "archives"), { recursive: true });
	try {
		const digests: Record<string, string> = {};
		const archives = images.map((image, index) => {
			const file = join(work, "archives", `${index}.tar`);
			for (const [at, digest] of writeDockerArchive(file, image).entries())
				digests[stampOfLayer(image.layers[at] ?? [])] = digest;
			return file;
		});
		writeFileSync(join(work, "containerd.toml"), configurationFor(join(work, "containerd")));
		writeFileSync(join(work, "import.sh"), importScript(work, archives));
		await promisify(execFile)("unshare", [
			...["--mount", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc"],
			...["bash", join(work, "import.sh")],
		]);
		writeLayerDigests(join(work, "containerd"), digests);
		for (const name of readdirSync(directory))
			if (name.startsWith("store-") && !name.startsWith(`store-${stampOf(images)}`) && !/\.\d+$/.test(name))
				rmSync(join(directory, name), { recursive: true, force: true });
		// Another process may have been first: its store is as good.
		if (!existsSync(store)) renameSync(join(work, "containerd"), store);
	} finally {
		rmSync(work, { recursive: true, force: true });
	}
	return store;
}

/** A node's own copy: blobs and layers as hard links, which nobody writes to; the databases as files of its own. */
export function copyImageStore(store: string, target: string): void {
	execFileSync("cp", ["-al", store, target]);
	for (const path of readdirSync(target, { recursive: true, encoding: "utf8" })) {
		if (!path.endsWith(".db")) continue;
		const file = join(target, path);
		execFileSync("cp", ["--remove-destination", join(store, path), file]);
	}
}

/** Changes with anything that goes into an image. */
function stampOf(images: readonly Image[]): string {
	const stamps = images.map(({ name, config, layers }) => [name, config, layers.map(stampOfLayer)]);
	return createHash("sha256")
		.update(JSON.stringify([format, stamps]))
		.digest("hex")
		.slice(0, 16);
}

const configurationFor = (root: string): string => `version = 2
root = "${root}"
state = "/run/containerd"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.native"]
[grpc]
  address = "/run/containerd.sock"
`;

const importScript = (work: string, archives: readonly string[]): string => `set -eu
mount --make-rprivate /
mount -t tmpfs tmpfs /run
containerd --config ${work}/containerd.toml >${work}/log 2>&1 &
server=$!
for _ in $(seq 100); do ctr -a /run/containerd.sock version >/dev/null 2>&1 && break; sleep 0.1; done
for archive in ${archives.join(" ")}; do
  ctr -a /run/containerd.sock -n k8s.io images import --snapshotter overlayfs "$archive" || { tail -20 ${work}/log >&2; exit 1; }
done
kill "$server"
wait "$server" || true
`;
