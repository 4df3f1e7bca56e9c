// Whether any control plane can be reached again, while none can. In: the addresses of those who wait. Out: one call at the moment in which one
// answers after all were silent. One attempt for a whole machine is cheap, so it may be made often; its proxies need not hurry.

import { connect } from "node:net";
import type { Cancel, Clock } from "../../runtime/clock.ts";

interface UpstreamWatchOptions {
	/** None: nobody waits for any of them any more. */
	readonly upstreams: () => readonly { readonly host: string; readonly port: number }[];
	/** Between attempts, and the most that one may take. Default 150. */
	readonly everyMs?: number;
	readonly clock: Clock;
	readonly onReached: () => void;
}

/** Begins to try, if it does not already; ends by itself. */
export interface UpstreamWatch {
	start(): void;
	stop(): void;
}

export function watchUpstreams(options: UpstreamWatchOptions): UpstreamWatch {
	const { upstreams, everyMs = 150, clock, onReached } = options;
	let cancel: Cancel | undefined;
	// One that accepts connections and serves nobody is no news.
	let wasSilent = false;

	function tries(to: { readonly host: string; readonly port: number }): Promise<boolean> {
		return new Promise((resolve) => {
			const socket = connect(to);
			const end = (reached: boolean): void => {
				cancelTime();
				socket.destroy();
				resolve(reached);
			};
			const cancelTime = clock.after(everyMs, () => end(false));
			socket.once("connect", () => end(true));
			socket.once("error", () => end(false));
		});
	}

	async function look(): Promise<void> {
		const reached = (await Promise.all(upstreams().map(tries))).includes(true);
		if (cancel === undefined) return;
		if (reached && wasSilent) onReached();
		wasSilent = !reached;
		cancel = upstreams().length > 0 ? clock.after(everyMs, () => void look()) : undefined;
	}

	return {
		start: () => {
			if (cancel) return;
			wasSilent = false;
			cancel = clock.after(0, () => void look());
		},
		stop: () => {
			cancel?.();
			cancel = undefined;
		},
	};
}
