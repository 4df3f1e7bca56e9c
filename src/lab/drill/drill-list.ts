// Every drill, in the order in which `keepmesh drill all` runs them.

import type { Drill } from "./drill.ts";
import { agentAndSidecarDrill } from "./drills/agent-and-sidecar.ts";
import { agentRestartDrill } from "./drills/agent-restart.ts";
import { agentUpgradeDrill } from "./drills/agent-upgrade.ts";
import { backendCrashDrill } from "./drills/backend-crash.ts";
import { badConfigDrill } from "./drills/bad-config.ts";
import { controlPlanesDownDrill } from "./drills/control-planes-down.ts";
import { controlUpgradeDrill } from "./drills/control-upgrade.ts";
import { l4BackendCrashDrill } from "./drills/l4-backend-crash.ts";
import { l4NodeLossDrill } from "./drills/l4-node-loss.ts";
import { leaderCrashDrill } from "./drills/leader-crash.ts";
import { noneDrill } from "./drills/none.ts";
import { partitionDrill } from "./drills/partition.ts";
import { podDrainDrill } from "./drills/pod-drain.ts";
import { proxyUpgradeDrill } from "./drills/proxy-upgrade.ts";
import { restoreDrill } from "./drills/restore.ts";
import { rotateIssuerDrill } from "./drills/rotate-issuer.ts";
import { rotateLeafDrill } from "./drills/rotate-leaf.ts";
import { rotateRootDrill } from "./drills/rotate-root.ts";
import { sidecarCrashDrill } from "./drills/sidecar-crash.ts";
import { sidecarHangDrill } from "./drills/sidecar-hang.ts";
import { spareBypassDrill } from "./drills/spare-bypass.ts";
import { spareTakeoverDrill } from "./drills/spare-takeover.ts";
import { vipCrashDrill } from "./drills/vip-crash.ts";
import { vipForgedDrill } from "./drills/vip-forged.ts";
import { vipHealthDrill } from "./drills/vip-health.ts";
import { vipSplitDrill } from "./drills/vip-split.ts";
import { vipStopDrill } from "./drills/vip-stop.ts";

export const drillList: readonly Drill[] = [
	noneDrill,
	rotateLeafDrill,
	rotateIssuerDrill,
	rotateRootDrill,
	sidecarCrashDrill,
	sidecarHangDrill,
	agentAndSidecarDrill,
	restoreDrill,
	spareTakeoverDrill,
	spareBypassDrill,
	controlPlanesDownDrill,
	leaderCrashDrill,
	agentRestartDrill,
	agentUpgradeDrill,
	controlUpgradeDrill,
	proxyUpgradeDrill,
	podDrainDrill,
	partitionDrill,
	backendCrashDrill,
	badConfigDrill,
	l4BackendCrashDrill,
	l4NodeLossDrill,
	vipCrashDrill,
	vipStopDrill,
	vipHealthDrill,
	vipSplitDrill,
	vipForgedDrill,
];
