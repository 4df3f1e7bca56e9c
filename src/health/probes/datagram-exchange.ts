// Sends one datagram and hears what comes back, until somebody has had enough. In: a connection as checks have it, bytes. Out: each
// answer, or the error that ICMP brought.

import { createSocket, type Socket } from "node:dgram";
import { isIPv6 } from "node:net";
import type { CheckConnection } from "../../vip/keepalived-conf/virtual-servers.ts";
import { addressOf } from "./checked-connection.ts";
import { openMarkedSocket } from "./marked-socket.ts";
import type { CheckTarget } from "./real-server-check.ts";
import { describeSocketError } from "./socket-error.ts";

export interface Exchange<Result> {
	readonly connection: CheckConnection;
	readonly target: CheckTarget;
	readonly payload: Uint8Array;
	/** undefined: not what is waited for. */
	readonly onAnswer: (bytes: Buffer) => Result | undefined;
	readonly onError: (because: string) => Result;
	readonly signal: AbortSignal;
}

export function exchangeDatagrams<Result>(exchange: Exchange<Result>): Promise<Result> {
	const { connection, signal } = exchange;
	const { address, port } = addressOf(connection, exchange.target);
	const isIpv6 = isIPv6(address);
	return new Promise((resolve) => {
		let socket: Socket | undefined;
		const finish = (result: Result): void => {
			signal.removeEventListener("abort", aborted);
			socket?.removeAllListeners();
			socket?.on("error", () => undefined);
			socket?.close();
			socket = undefined;
			resolve(result);
		};
		const aborted = (): void => finish(exchange.onError("given up"));
		if (signal.aborted) return aborted();
		signal.addEventListener("abort", aborted, { once: true });
		const made = openMarkedSocketIfAsked(connection, isIpv6);
		if (made && !made.ok) return finish(exchange.onError(made.because));
		const opened = createSocket(isIpv6 ? "udp6" : "udp4");
		socket = opened;
		const failed = (error: Error): void => finish(exchange.onError(describeSocketError(error)));
		opened.on("error", failed);
		opened.on("message", (bytes) => {
			const result = exchange.onAnswer(bytes);
			if (result !== undefined) finish(result);
		});
		opened.once("connect", () =>
			opened.send(exchange.payload, (error) => {
				if (error && socket) failed(error);
			}),
		);
		const { bindAddress, bindPort } = connection;
		const local = {
			...(bindAddress === undefined ? {} : { address: bindAddress }),
			...(bindPort === undefined ? {} : { port: bindPort }),
		};
		opened.bind(made ? { fd: made.fd } : local, () => opened.connect(port, address));
	});
}

function openMarkedSocketIfAsked(connection: CheckConnection, isIpv6: boolean) {
	if (connection.mark === undefined && connection.bindInterface === undefined) return undefined;
	return openMarkedSocket("udp", isIpv6 ? "ipv6" : "ipv4", connection);
}
