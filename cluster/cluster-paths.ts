// Where the files of the test clusters are: below .keepmesh of the checkout.

import { existsSync } from "node:fs";
import { join } from "node:path";
import type { ClusterShape, MachineShape } from "./plan/cluster-shape.ts";

export const checkout = join(import.meta.dirname, "..");
const state = join(checkout, ".keepmesh");

export const programsDirectory = join(state, "kubernetes");
export const imagesDirectory = join(state, "images");
export const envoyProgram = join(state, "envoy");
export const nodeProgram = join(state, "node");
export const setsDirectory = join(state, "cluster");

export const setDirectory = (set: string): string => join(setsDirectory, set);

export const clusterDirectory = (set: string, cluster: ClusterShape): string =>
	join(setDirectory(set), `cluster-${cluster.number}`);

export const machineDirectory = (set: string, cluster: ClusterShape, machine: MachineShape): string =>
	join(clusterDirectory(set, cluster), machine.name);

export const kubeconfigPath = (set: string, cluster: ClusterShape, user = "admin"): string =>
	join(clusterDirectory(set, cluster), `${user}.kubeconfig`);

export const namespacePath = (machine: MachineShape): string => `/run/netns/${machine.id}`;

/** Debian's place, or the upstream one. */
export const cniPluginsDirectory = (): string =>
	["/usr/lib/cni", "/opt/cni/bin"].find((path) => existsSync(join(path, "bridge"))) ?? "/usr/lib/cni";
