// Time as a value that is passed in. Protocols and timeouts use monotonic time; certificates and logs wall time.

export type Cancel = () => void;

export interface Clock {
	/** Milliseconds since some fixed moment; never goes back. */
	monotonicMs(): number;
	/** Milliseconds since the epoch. */
	wallMs(): number;
	/** Runs once, not before `ms` have passed. */
	after(ms: number, run: () => void): Cancel;
}

export const realClock: Clock = {
	monotonicMs: () => performance.now(),
	wallMs: () => Date.now(),
	after: (ms, run) => {
		const timer = setTimeout(run, ms);
		return () => clearTimeout(timer);
	},
};
