// The daemons that share connections between machines, as attributes of the IPVS family, and back.

import type { SyncDaemon } from "../../ipvs-table.ts";
import * as abi from "../abi/ip-vs.ts";
import { addressBytes, addressText } from "../ip-text.ts";
import { attributesIn, type NetlinkWriter, textOf } from "../netlink-message.ts";

export function writeSyncRole(writer: NetlinkWriter, role: SyncDaemon["role"]): void {
	writer.u32(abi.IPVS_DAEMON_ATTR_STATE, role === "master" ? abi.IP_VS_STATE_MASTER : abi.IP_VS_STATE_BACKUP);
}

export function writeSyncDaemon(writer: NetlinkWriter, daemon: SyncDaemon): void {
	writeSyncRole(writer, daemon.role);
	writer.text(abi.IPVS_DAEMON_ATTR_MCAST_IFN, daemon.interface);
	writer.u32(abi.IPVS_DAEMON_ATTR_SYNC_ID, daemon.syncId);
	if (daemon.group !== undefined)
		writer.attribute(
			daemon.group.includes(":") ? abi.IPVS_DAEMON_ATTR_MCAST_GROUP6 : abi.IPVS_DAEMON_ATTR_MCAST_GROUP,
			addressBytes(daemon.group),
		);
	if (daemon.port !== undefined)
		// The kernel reads this port in the machine's own order, unlike all others.
		writer.attribute(abi.IPVS_DAEMON_ATTR_MCAST_PORT, Uint8Array.of(daemon.port & 0xff, daemon.port >> 8));
	if (daemon.ttl !== undefined) writer.u8(abi.IPVS_DAEMON_ATTR_MCAST_TTL, daemon.ttl);
}

export function decodeSyncDaemon(bytes: Buffer): SyncDaemon {
	const attributes = attributesIn(bytes);
	const group = attributes.get(abi.IPVS_DAEMON_ATTR_MCAST_GROUP) ?? attributes.get(abi.IPVS_DAEMON_ATTR_MCAST_GROUP6);
	const port = attributes.get(abi.IPVS_DAEMON_ATTR_MCAST_PORT)?.readUInt16LE(0);
	const ttl = attributes.get(abi.IPVS_DAEMON_ATTR_MCAST_TTL)?.[0];
	const state = attributes.get(abi.IPVS_DAEMON_ATTR_STATE)?.readUInt32LE(0);
	return {
		role: state === abi.IP_VS_STATE_MASTER ? "master" : "backup",
		interface: textOf(attributes.get(abi.IPVS_DAEMON_ATTR_MCAST_IFN)) ?? "",
		syncId: attributes.get(abi.IPVS_DAEMON_ATTR_SYNC_ID)?.readUInt32LE(0) ?? 0,
		...(group && { group: addressText(group) }),
		...(port !== undefined && { port }),
		...(ttl !== undefined && { ttl }),
	};
}
