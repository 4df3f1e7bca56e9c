// Starts a pod's Envoy. In: the pod, its bootstrap and its paths. Out: the process, or why there is none.

import { readFileSync, realpathSync } from "node:fs";
import { chmod, chown, mkdir } from "node:fs/promises";
import { proxyUid } from "../hotswitch/render-redirect.ts";
import { writeFileAtomic } from "./atomic-file.ts";
import { blockedDirectories } from "./blocked-directories.ts";
import { envoyCommand, programInDescriptor3 } from "./plan/envoy-command.ts";
import { leaseClusterName } from "./plan/lease-cluster.ts";
import type { PodPaths } from "./plan/pod-paths.ts";
import type { PodSpec } from "./plan/pod-spec.ts";
import { type Launched, launchSurviving } from "./surviving-process.ts";

export interface EnvoyStart {
	readonly pod: PodSpec;
	readonly paths: PodPaths;
	readonly bootstrap: object;
	/** Path of the binary. */
	readonly envoy: string;
	readonly onExit: (because: string) => void;
}

export async function startEnvoy({ pod, paths, bootstrap, envoy, onExit }: EnvoyStart): Promise<Launched> {
	try {
		// What root reads and writes lies where Envoy's user cannot put anything in its place.
		await mkdir(paths.sockets, { recursive: true });
		await chown(paths.directory, 0, proxyUid);
		await chmod(paths.directory, 0o710);
		await chown(paths.sockets, proxyUid, proxyUid);
		await chmod(paths.sockets, 0o700);
		await mkdir(paths.pressureDirectory, { recursive: true });
		await chown(paths.pressureDirectory, 0, proxyUid);
		await chmod(paths.pressureDirectory, 0o750);
		await writeFileAtomic(paths.pressureFile, "0\n", 0o644);
		await writeFileAtomic(paths.bootstrap, `${JSON.stringify(bootstrap, undefined, 1)}\n`, 0o640);
		await chown(paths.bootstrap, 0, proxyUid);
	} catch (error) {
		return { ok: false, because: String(error) };
	}
	const isReachable = blockedDirectories(realpathSync(envoy)).length === 0;
	const command = envoyCommand({
		envoy: isReachable ? envoy : programInDescriptor3,
		netns: pod.netns,
		bootstrap: paths.bootstrap,
		concurrency: pod.concurrency,
		transparent: pod.interceptionMode === "TPROXY",
	});
	return launchSurviving({ ...command, log: paths.log, ...(isReachable ? {} : { descriptor3: envoy }), onExit });
}

/** Whether the pod's Envoy keeps its lease; one that an earlier version of the agent started does not. */
export function givesSignsOfLife(paths: PodPaths): boolean {
	try {
		return readFileSync(paths.bootstrap, "utf8").includes(`"${leaseClusterName}"`);
	} catch {
		return false;
	}
}
