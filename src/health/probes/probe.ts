// What every probe is: started with a check, it says good or bad, and why, until it is closed. Probes run in this process; only
// a script starts another one.

import type { HostNetwork } from "../../kernel/host-network.ts";
import type { Clock } from "../../runtime/clock.ts";

export interface ProbeResult {
	readonly ok: boolean;
	/** For people: `HTTP 503`, `connection refused`, `exit code 1`. */
	readonly because: string;
	readonly tookMs: number;
	/** The number in a file. */
	readonly value?: number;
}

export interface ProbeContext {
	readonly clock: Clock;
	/** Never called after `close`. A probe that can tell at once calls it before its start returns. */
	readonly onResult: (result: ProbeResult) => void;
	/** Between 0 and 1. Default Math.random. */
	readonly random?: () => number;
	/** For links and routes. */
	readonly network?: Pick<HostNetwork, "link" | "links" | "routes" | "watch">;
	/** What scripts run with. */
	readonly scripts?: ScriptSettings;
}

export interface ScriptSettings {
	/** Who they run as unless the check names somebody. Default: this process. */
	readonly user?: string;
	readonly group?: string;
	/** Refuses a script that root would run and others can change (`enable_script_security`). */
	readonly security: boolean;
	/** Default: only PATH. */
	readonly environment?: Readonly<Record<string, string>>;
}

export interface Probe {
	/** The check will never run, as with a script that others can change: keepalived takes such a tracker off. */
	readonly refused?: string;
	/** Asks now and not at the next interval. */
	recheck(): void;
	close(): void;
}
