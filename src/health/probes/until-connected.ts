// A TCP connection that is being made. In: its socket, and a signal that gives it up. Out: the socket once it is connected, or why it
// is not; then it is closed.

import type { Socket } from "node:net";
import { describeSocketError } from "./socket-error.ts";
import { drop } from "./tripwire.ts";

export type Connected =
	| { readonly ok: true; readonly socket: Socket }
	| { readonly ok: false; readonly because: string };

/** The connected socket forgets its errors: who uses it listens for its own. */
export function untilConnected(socket: Socket, signal: AbortSignal): Promise<Connected> {
	return new Promise((resolve) => {
		const fail = (because: string): void => {
			signal.removeEventListener("abort", aborted);
			drop(socket);
			resolve({ ok: false, because });
		};
		const aborted = (): void => fail("given up");
		if (signal.aborted) return aborted();
		signal.addEventListener("abort", aborted, { once: true });
		socket.once("error", (error) => fail(describeSocketError(error)));
		socket.once("connect", () => {
			signal.removeEventListener("abort", aborted);
			socket.removeAllListeners("error");
			socket.on("error", () => undefined);
			resolve({ ok: true, socket });
		});
	});
}
