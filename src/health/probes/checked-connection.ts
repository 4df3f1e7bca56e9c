// Connections as checks of real servers make them: to an address and port of their own, from an address, a port, an interface, with a
// mark. In: a check and its target. Out: a connected socket, or why there is none.

import { connect, isIPv6, Socket } from "node:net";
import type { CheckOutcome } from "../../l4/virtual-server/check-machine.ts";
import type { CheckConnection } from "../../vip/keepalived-conf/virtual-servers.ts";
import { openMarkedSocket } from "./marked-socket.ts";
import type { CheckTarget } from "./real-server-check.ts";
import { drop } from "./tripwire.ts";
import { type Connected, untilConnected } from "./until-connected.ts";

export interface CheckedAddress {
	readonly address: string;
	readonly port: number;
}

export function addressOf(connection: CheckConnection, target: CheckTarget): CheckedAddress {
	return { address: connection.address ?? target.address, port: connection.port ?? target.port };
}

/** TCP_CHECK: good when the connection is there. */
export async function checkTcp(
	{ connection }: { readonly connection: CheckConnection },
	target: CheckTarget,
	signal: AbortSignal,
): Promise<CheckOutcome> {
	const opened = await openChecked(connection, target, signal);
	if (!opened.ok) return opened;
	drop(opened.socket);
	return { ok: true, because: "connected" };
}

export async function openChecked(
	connection: CheckConnection,
	target: CheckTarget,
	signal: AbortSignal,
): Promise<Connected> {
	const { address, port } = addressOf(connection, target);
	const { bindAddress, bindPort } = connection;
	const from = {
		...(bindAddress === undefined && bindPort === undefined
			? {}
			: { localAddress: bindAddress ?? (isIPv6(address) ? "::" : "0.0.0.0") }),
		...(bindPort === undefined ? {} : { localPort: bindPort }),
	};
	const order = { host: address, port, noDelay: true, ...from };
	const isSpecial = connection.mark !== undefined || connection.bindInterface !== undefined;
	if (!isSpecial) return untilConnected(connect(order), signal);
	const made = openMarkedSocket("tcp", isIPv6(address) ? "ipv6" : "ipv4", connection);
	if (!made.ok) return made;
	// Nothing can be read before it is connected.
	const options = { fd: made.fd, manualStart: true };
	return untilConnected(new Socket(options).connect(order), signal);
}
