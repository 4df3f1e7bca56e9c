// What the tour breaks of the mesh itself, made of a lab: a pod's Envoy by a signal, control planes that are held down.

import type { Lab, RunningPod } from "../../lab/lab.ts";
import type { TourMesh } from "../../lab/tour/tour-mesh.ts";
import type { MeshStatus } from "../api/api-types.ts";
import { agentPodOf } from "../drill/drill-pods.ts";
import { until } from "./applied-everywhere.ts";
import { askControl } from "./control-query.ts";

type TourOutages = Pick<TourMesh, "breakProxy" | "proxyRestored" | "killControlPlanes" | "reviveControlPlanes">;

export function labTourOutages(lab: Lab, podOf: (deployment: string) => Promise<RunningPod>): TourOutages {
	let broken: { readonly pod: RunningPod; readonly pid: number } | undefined;
	const hold = async (held: boolean): Promise<void> => {
		const { controls } = await lab.status();
		await Promise.all(controls.map(({ name }) => lab.holdProcess(name, held)));
	};
	return {
		breakProxy: async (deployment, signal) => {
			const pod = await podOf(deployment);
			const { pid } = await agentPodOf(lab, pod);
			if (pid === undefined) throw new Error(`no Envoy runs for ${pod.name}`);
			broken = { pod, pid };
			process.kill(pid, signal);
		},
		proxyRestored: async () => {
			const before = broken;
			if (!before) throw new Error("no Envoy was broken");
			await until(`${before.pod.name} has a new Envoy that serves`, async () => {
				const { pid, ready, servingStep } = await agentPodOf(lab, before.pod);
				return pid !== before.pid && ready && servingStep === "sidecar";
			});
		},
		killControlPlanes: () => hold(true),
		reviveControlPlanes: async () => {
			await hold(false);
			const { controls } = await lab.status();
			const proxied = (await lab.pods()).filter(({ proxy }) => proxy === "ready").length;
			await until("every proxy is connected and in sync", async () => {
				const asked = controls.map((control) => askControl<MeshStatus>(lab, control, "GET", "/api/v1/status"));
				const statuses = await Promise.all(asked).catch(() => []);
				const connected = statuses.reduce((sum, { proxies }) => sum + proxies.connected, 0);
				return connected >= proxied && statuses.every(({ proxies }) => proxies.stale === 0);
			});
		},
	};
}
