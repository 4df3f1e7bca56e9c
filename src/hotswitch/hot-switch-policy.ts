// What may be done for one workload whose proxy fails: the HotSwitch resources that hold for it, resolved.

/**
 * `never`: no connection passes the proxies by. `permissive`: where the mutual-TLS policy in force permits plaintext.
 * `always`: also under STRICT.
 */
export type FailOpen = "never" | "permissive" | "always";

export interface HotSwitchPolicy {
	/** Off: a failed proxy is started again, and nothing else is done. */
	readonly enabled: boolean;
	readonly spare: boolean;
	readonly direct: boolean;
	readonly failOpen: FailOpen;
	/** The workload's own mutual TLS is not STRICT, so its calls may leave in plaintext when `failOpen` is permissive. */
	readonly permitsPlaintext: boolean;
	/** How long the kernel goes on redirecting without a sign of life. */
	readonly leaseMs: number;
	/** Between two signs of life. */
	readonly heartbeatMs: number;
	/** Without a sign of life for so long the proxy hangs, and is killed. At least `leaseMs`. */
	readonly hangMs: number;
	/** Good in a row for so long before it gets connections back. */
	readonly proveMs: number;
	/** Failures within `flapWindowMs` from which on proving takes longer, doubled each time up to `proveMaxMs`. */
	readonly flapCount: number;
	readonly flapWindowMs: number;
	readonly proveMaxMs: number;
	/** `direct` ends after so long, and is closed; absent: no limit. */
	readonly directLimitMs?: number;
}

export const defaultHotSwitchPolicy: HotSwitchPolicy = {
	enabled: true,
	spare: true,
	direct: true,
	failOpen: "permissive",
	permitsPlaintext: false,
	leaseMs: 90,
	heartbeatMs: 30,
	hangMs: 130,
	proveMs: 500,
	flapCount: 3,
	flapWindowMs: 60_000,
	proveMaxMs: 60_000,
};

const leastHangMs = 20;

/** From the moment that its lease was over until a silent proxy hangs. */
export function hangAfterLeaseMs({ leaseMs, hangMs }: Pick<HotSwitchPolicy, "leaseMs" | "hangMs">): number {
	return Math.max(leastHangMs, hangMs - leaseMs);
}
