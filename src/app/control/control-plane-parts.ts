// What the control plane is told at its start, and what it needs of others.

import type { Clock } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";
import type { Change } from "../../snapshot/change.ts";
import type { SnapshotOptions } from "../../snapshot/snapshot.ts";
import type { ControlMetrics } from "../../telemetry/control-metrics.ts";
import type { KeySetFetching } from "./key-wait.ts";
import type { PublishConfig } from "./publish-machine.ts";
import type { PushGuardConfig } from "./push-guard.ts";
import type { ProxyAnswers, PushSafetyConfig } from "./push-safety.ts";
import type { QuarantineStore } from "./quarantine-store.ts";

export interface ControlPlaneOptions {
	readonly publish?: PublishConfig;
	readonly guard?: PushGuardConfig;
	readonly safety?: PushSafetyConfig;
	readonly snapshot?: Partial<SnapshotOptions>;
}

export interface ControlPlaneParts {
	readonly clock: Clock;
	readonly log: Log;
	readonly metrics: ControlMetrics;
	/** These proxies have a new configuration. */
	readonly onPublished: (proxyIds: readonly string[]) => void;
	/** These changes came and are published now, though one that proxies refuse is taken back. */
	readonly onApplied?: (changes: readonly Change[]) => void;
	/** The snapshot may be another one: before proxies are given what follows from it. */
	readonly onSnapshot?: () => void;
	/** What fetches keys for tokens, and gives them back by `setKeySets`; those known already at once. */
	readonly keySets?: KeySetFetching;
	/** Without it every proxy gets everything at once, and nothing is taken back. */
	readonly answers?: ProxyAnswers;
	/** Keeps what proxies refused for the next process. */
	readonly quarantine?: QuarantineStore;
}
