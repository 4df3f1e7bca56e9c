// What the tour breaks of the mesh itself, made of a lab: a pod's Envoy by a signal, control planes that are held down.

import type { Lab, RunningPod } from "../../lab/lab.ts";
import type { TourMesh } from "../../lab/tour/tour-mesh.ts";
import { SwitchedPod } from "../drill/switched-pod.ts";
import { untilInSync } from "./applied-everywhere.ts";

type TourOutages = Pick<TourMesh, "breakProxy" | "proxyRestored" | "killControlPlanes" | "reviveControlPlanes">;

const limitMs = 20_000;

export function labTourOutages(lab: Lab, podOf: (deployment: string) => Promise<RunningPod>): TourOutages {
	let broken: SwitchedPod | undefined;
	const hold = async (held: boolean): Promise<void> => {
		const { controls } = await lab.status();
		await Promise.all(controls.map(({ name }) => lab.holdProcess(name, held)));
	};
	return {
		breakProxy: async (deployment, signal) => {
			const workload = new SwitchedPod(lab, await podOf(deployment), limitMs);
			workload.break(await workload.envoyPid(), signal);
			broken = workload;
		},
		proxyRestored: async () => {
			if (!broken) throw new Error("no Envoy was broken");
			await broken.untilOnSidecar();
		},
		killControlPlanes: () => hold(true),
		reviveControlPlanes: async () => {
			await hold(false);
			await untilInSync(lab);
		},
	};
}
