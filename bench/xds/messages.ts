// What the processes of the xds benchmark say to each other. Times are of the machine's monotonic clock.

export interface Usage {
	readonly cpuSeconds: number;
	readonly rssMb: number;
	readonly peakRssMb: number;
}

export type ControlCommand =
	| { readonly type: "changeEndpoint"; readonly round: number }
	| { readonly type: "usage" }
	| { readonly type: "stop" };

export type ControlReply =
	| { readonly type: "listening"; readonly port: number; readonly loadSeconds: number; readonly usage: Usage }
	| { readonly type: "usage"; readonly usage: Usage };

export type ClientsCommand =
	| { readonly type: "connect"; readonly port: number; readonly clients: number }
	/** Reports when all clients got endpoints again. */
	| { readonly type: "awaitChange" }
	| { readonly type: "reconnect" }
	| { readonly type: "stop" };

export type ClientsReply =
	| { readonly type: "connecting"; readonly atMs: number }
	| { readonly type: "complete"; readonly atMs: number; readonly bytes: number; readonly resources: number }
	| { readonly type: "awaiting" }
	| { readonly type: "changed"; readonly atMs: number; readonly firstAtMs: number }
	| { readonly type: "reconnected"; readonly bytes: number; readonly sentBytes: number };

/** Milliseconds on the clock that all processes of the machine share. */
export const machineMs = (): number => Number(process.hrtime.bigint()) / 1e6;
