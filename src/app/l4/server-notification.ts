// What scripts and FIFOs hear of real servers and quorums, in keepalived's words: `RS [10.0.0.5]:tcp:80 [10.0.0.1]:tcp:80 UP`,
// `VS [10.0.0.1]:tcp:80 DOWN`.

import type { VirtualServerAction } from "../../l4/virtual-server/virtual-server-machine.ts";
import type { VirtualServer } from "../../vip/keepalived-conf/virtual-servers.ts";
import type { Notification } from "../vip/notification.ts";

type Notify = Extract<VirtualServerAction, { type: "notify" }>;

export function serverNotification(config: VirtualServer, { notice, server, command }: Notify): Notification {
	const state = notice === "serverUp" || notice === "quorumUp" ? "UP" : "DOWN";
	const virtual = virtualServerText(config);
	const owner =
		command?.user === undefined
			? {}
			: { owner: { user: command.user, ...(command.group === undefined ? {} : { group: command.group }) } };
	return {
		commands: command ? [{ argv: command.argv, ...owner }] : [],
		line: server === undefined ? `VS ${virtual} ${state}` : `RS ${realServerText(server, config)} ${virtual} ${state}`,
	};
}

/** FMT_VS of keepalived. */
function virtualServerText({ target, protocol }: VirtualServer): string {
	if (target.type === "mark") return `FWM ${target.mark}`;
	if (target.type === "group") return `[${target.group}]:0`;
	return `[${target.address}]:${protocol.toLowerCase()}:${target.port ?? 0}`;
}

/** `[10.0.0.5]:80` -> `[10.0.0.5]:tcp:80` */
function realServerText(server: string, { protocol, target }: VirtualServer): string {
	if (target.type === "mark") return server.replace(/\]:.*/, "]:none:0");
	return server.replace(/\]:/, `]:${protocol.toLowerCase()}:`).replace(/#\d+$/, "");
}
