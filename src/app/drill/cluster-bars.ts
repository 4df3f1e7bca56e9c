// Bars of drills that on a cluster are not Keepmesh's alone to hold.

import type { Drill, DrillBars } from "../../lab/drill/drill.ts";

const clusterBars: Readonly<Record<string, DrillBars>> = {
	// An Envoy that was killed is started again by kubelet, which looks once a second, and needs as long for a container.
	"control-planes-down": { lost: 0, restoreMs: 5_000, wrong: 0 },
	// kubelet looks once a second whether containers run, and Kubernetes' controller gathers what it hears: a dead server of four is
	// sent a quarter of 500 connections a second for so long.
	"l4-backend-crash": { lost: 400, gapMaxMs: 1_000, detectMs: 3_000, wrong: 0 },
};

export function onCluster(drill: Drill): Drill {
	return { ...drill, bars: clusterBars[drill.name] ?? drill.bars };
}
