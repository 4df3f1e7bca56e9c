// How eagerly a draining Envoy closes connections. In: what is open, how many may close until the next look, and how many
// responses there were since the last. Out: the probability with which a response ends its connection (GOAWAY, Connection: close).

export interface ClosingInput {
	readonly open: number;
	/** Until the next look; may be less than one. */
	readonly mayClose: number;
	/** Since the last look; undefined at the first. */
	readonly responses: number | undefined;
}

/** 0 to 1. Nothing is closed before it is known how many responses there are. */
export function closingPressure({ open, mayClose, responses }: ClosingInput): number {
	if (responses === undefined || open <= 0) return 0;
	// As many responses come on average until a connection has one that closes it, however busy they are.
	return Math.min(1, mayClose / Math.max(responses, 1));
}
