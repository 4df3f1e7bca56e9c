// Gives an image to nodes that run: a docker archive from a file, or one of the test images by its name, made anew.

import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { ClusterError } from "./cluster-error.ts";
import type { Image } from "./images/image.ts";
import { readLayerDigests } from "./images/layer-digests.ts";
import { writeOciArchive } from "./images/oci-archive.ts";
import { findFirstProcess } from "./machine-processes.ts";
import { planSet } from "./plan/cluster-shape.ts";
import { containerdSocket } from "./plan/node-files.ts";
import type { SetRecord } from "./set-record.ts";

/** Of an image only the layers that nodes did not start with. Out: the nodes that have it now. */
export async function loadImage(record: SetRecord, what: string | Image): Promise<readonly string[]> {
	if (typeof what === "string") return loadArchive(record, what);
	const work = mkdtempSync(join(tmpdir(), "keepmesh-image-"));
	try {
		const archive = join(work, "image.tar");
		writeOciArchive(archive, what, readLayerDigests(record.imageStore));
		return await loadArchive(record, archive);
	} finally {
		rmSync(work, { recursive: true, force: true });
	}
}

async function loadArchive(record: SetRecord, archive: string): Promise<readonly string[]> {
	if (!existsSync(archive)) throw new ClusterError(`${archive} is not there`, "name an archive, or a test image");
	const nodes = planSet(record.size).clusters.flatMap((cluster) => cluster.nodes);
	const loaded = await Promise.all(
		nodes.map(async (node) => {
			const pid = findFirstProcess(node, record.hierarchies);
			if (pid === undefined) return [];
			const socket = `/proc/${pid}/root${containerdSocket}`;
			const args = ["-a", socket, "-n", "k8s.io", "images", "import", "--snapshotter", "overlayfs", archive];
			await promisify(execFile)("ctr", args);
			return [node.id];
		}),
	);
	return loaded.flat();
}
