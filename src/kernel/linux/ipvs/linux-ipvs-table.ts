// IpvsTable on Linux, by generic netlink. In: changes. Out: what became of each; what the kernel holds. Schedulers are modules,
// which the kernel loads when a virtual server first names them.

import { type IpvsChange, type VirtualServerState, virtualServerName } from "../../../l4/ipvs/virtual-server.ts";
import type { Failure, Opened, Outcome } from "../../host-network.ts";
import type { IpvsApplied, IpvsRead, IpvsTable, IpvsTimeouts, SyncDaemon } from "../../ipvs-table.ts";
import { EEXIST, ENOENT, ESRCH } from "../abi/errno.ts";
import * as abi from "../abi/ip-vs.ts";
import { monotonicUs } from "../monotonic-us.ts";
import type { Answer } from "../netlink-socket.ts";
import { insideNamespace } from "../network-namespace.ts";
import { type GenericNetlink, openGenericNetlink } from "./generic-netlink.ts";
import {
	decodeDestination,
	decodeServer,
	writeDestination,
	writeDestinationKey,
	writeKey,
	writeServer,
} from "./ipvs-messages.ts";
import { decodeSyncDaemon, writeSyncDaemon, writeSyncRole } from "./sync-daemon-messages.ts";

/** `unsupported` when the kernel has no ip_vs: then nftables balances. `netns`: `/run/netns/NAME`; default: where the thread is. */
export function openIpvsTable(options: { readonly netns?: string } = {}): Opened<IpvsTable> {
	const namespace = insideNamespace(options.netns);
	try {
		const opened = namespace.run(() => openGenericNetlink(abi.IPVS_GENL_NAME, abi.IPVS_GENL_VERSION));
		if (opened.ok) return { ok: true, value: new LinuxIpvsTable(opened.value) };
		if (opened.failure.because !== "unsupported") return opened.failure;
		return { ok: false, because: "unsupported", message: "ip_vs is not in this kernel; nftables balances instead" };
	} finally {
		namespace.close();
	}
}

class LinuxIpvsTable implements IpvsTable {
	readonly #netlink: GenericNetlink;

	constructor(netlink: GenericNetlink) {
		this.#netlink = netlink;
	}

	read(): IpvsRead | Failure {
		const found: Omit<VirtualServerState, "destinations">[] = [];
		const answer = this.#netlink.dump(
			abi.IPVS_CMD_GET_SERVICE,
			"the virtual servers",
			() => {},
			(attributes) => {
				const server = decodeServer(Buffer.from(attributes.get(abi.IPVS_CMD_ATTR_SERVICE) ?? []));
				if (server) found.push(server);
			},
		);
		if (!answer.ok) return answer.failure;
		const servers: VirtualServerState[] = [];
		for (const { server, counters } of found) {
			const destinations: VirtualServerState["destinations"][number][] = [];
			const listed = this.#netlink.dump(
				abi.IPVS_CMD_GET_DEST,
				`the destinations of ${virtualServerName(server.key)}`,
				(writer) => writer.nested(abi.IPVS_CMD_ATTR_SERVICE, () => writeKey(writer, server.key)),
				(attributes) => {
					const bytes = attributes.get(abi.IPVS_CMD_ATTR_DEST);
					if (bytes) destinations.push(decodeDestination(bytes, server.key.family));
				},
			);
			// Gone meanwhile by another hand.
			if (!listed.ok && listed.error !== ESRCH) return listed.failure;
			if (listed.ok) servers.push({ server, counters, destinations });
		}
		return { ok: true, servers };
	}

	apply(changes: readonly IpvsChange[]): IpvsApplied {
		const startedUs = monotonicUs();
		const failed: { change: IpvsChange; failure: Failure }[] = [];
		for (const change of changes) {
			const answer = this.#change(change);
			if (!answer.ok && !wasSo(change, answer.error))
				failed.push({ change, failure: schedulerMissing(change, answer) ?? answer.failure });
		}
		return { done: changes.length - failed.length, failed, tookMs: (monotonicUs() - startedUs) / 1000 };
	}

	timeouts(): { readonly ok: true; readonly value: IpvsTimeouts } | Failure {
		let value: IpvsTimeouts | undefined;
		const answer = this.#netlink.get(abi.IPVS_CMD_GET_CONFIG, "the time-outs of IPVS", (attributes) => {
			const seconds = (type: number) => attributes.get(type)?.readUInt32LE(0) ?? 0;
			value = {
				tcpSec: seconds(abi.IPVS_CMD_ATTR_TIMEOUT_TCP),
				tcpFinSec: seconds(abi.IPVS_CMD_ATTR_TIMEOUT_TCP_FIN),
				udpSec: seconds(abi.IPVS_CMD_ATTR_TIMEOUT_UDP),
			};
		});
		if (!answer.ok) return answer.failure;
		return value ? { ok: true, value } : { ok: false, because: "refused", message: "the kernel told no time-outs" };
	}

	setTimeouts({ tcpSec, tcpFinSec, udpSec }: IpvsTimeouts): Outcome {
		return outcome(
			this.#netlink.request(abi.IPVS_CMD_SET_CONFIG, "setting the time-outs of IPVS", (writer) =>
				writer
					.u32(abi.IPVS_CMD_ATTR_TIMEOUT_TCP, tcpSec)
					.u32(abi.IPVS_CMD_ATTR_TIMEOUT_TCP_FIN, tcpFinSec)
					.u32(abi.IPVS_CMD_ATTR_TIMEOUT_UDP, udpSec),
			),
		);
	}

	syncDaemons(): { readonly ok: true; readonly value: readonly SyncDaemon[] } | Failure {
		const value: SyncDaemon[] = [];
		const answer = this.#netlink.dump(
			abi.IPVS_CMD_GET_DAEMON,
			"the sync daemons",
			() => {},
			(attributes) => {
				const bytes = attributes.get(abi.IPVS_CMD_ATTR_DAEMON);
				if (bytes) value.push(decodeSyncDaemon(bytes));
			},
		);
		return answer.ok ? { ok: true, value } : answer.failure;
	}

	startSyncDaemon(daemon: SyncDaemon): Outcome {
		const answer = this.#netlink.request(
			abi.IPVS_CMD_NEW_DAEMON,
			`starting the sync ${daemon.role} on ${daemon.interface}`,
			(writer) => writer.nested(abi.IPVS_CMD_ATTR_DAEMON, () => writeSyncDaemon(writer, daemon)),
		);
		return outcome(answer, EEXIST);
	}

	stopSyncDaemon(role: SyncDaemon["role"]): Outcome {
		const answer = this.#netlink.request(abi.IPVS_CMD_DEL_DAEMON, `stopping the sync ${role}`, (writer) =>
			writer.nested(abi.IPVS_CMD_ATTR_DAEMON, () => writeSyncRole(writer, role)),
		);
		return outcome(answer, ESRCH);
	}

	close(): void {
		this.#netlink.close();
	}

	#change(change: IpvsChange): Answer {
		const what = `${sentences[change.type]} ${textOfChange(change)}`;
		switch (change.type) {
			case "addServer":
			case "editServer":
				return this.#netlink.request(commands[change.type], what, (writer) =>
					writer.nested(abi.IPVS_CMD_ATTR_SERVICE, () => writeServer(writer, change.server)),
				);
			case "deleteServer":
				return this.#netlink.request(commands[change.type], what, (writer) =>
					writer.nested(abi.IPVS_CMD_ATTR_SERVICE, () => writeKey(writer, change.key)),
				);
			case "addDestination":
			case "editDestination":
				return this.#netlink.request(commands[change.type], what, (writer) =>
					writer
						.nested(abi.IPVS_CMD_ATTR_SERVICE, () => writeKey(writer, change.key))
						.nested(abi.IPVS_CMD_ATTR_DEST, () => writeDestination(writer, change.destination)),
				);
			case "deleteDestination":
				return this.#netlink.request(commands[change.type], what, (writer) =>
					writer
						.nested(abi.IPVS_CMD_ATTR_SERVICE, () => writeKey(writer, change.key))
						.nested(abi.IPVS_CMD_ATTR_DEST, () => writeDestinationKey(writer, change.address, change.port)),
				);
			default:
				return change satisfies never;
		}
	}
}

const commands: Readonly<Record<IpvsChange["type"], number>> = {
	addServer: abi.IPVS_CMD_NEW_SERVICE,
	editServer: abi.IPVS_CMD_SET_SERVICE,
	deleteServer: abi.IPVS_CMD_DEL_SERVICE,
	addDestination: abi.IPVS_CMD_NEW_DEST,
	editDestination: abi.IPVS_CMD_SET_DEST,
	deleteDestination: abi.IPVS_CMD_DEL_DEST,
};

const sentences: Readonly<Record<IpvsChange["type"], string>> = {
	addServer: "adding",
	editServer: "changing",
	deleteServer: "removing",
	addDestination: "adding a destination of",
	editDestination: "changing a destination of",
	deleteDestination: "removing a destination of",
};

const textOfChange = (change: IpvsChange): string =>
	virtualServerName("server" in change ? change.server.key : change.key);

/** What is to be gone is gone. */
function wasSo(change: IpvsChange, error: number): boolean {
	if (change.type === "deleteServer") return error === ESRCH;
	return change.type === "deleteDestination" && (error === ENOENT || error === ESRCH);
}

/** The kernel says only "not found" when it has no module for a scheduler. */
function schedulerMissing(change: IpvsChange, answer: Answer & { readonly ok: false }): Failure | undefined {
	if (!("server" in change) || answer.error !== ENOENT) return undefined;
	const message = `${virtualServerName(change.server.key)}: this kernel has no scheduler ${change.server.scheduler} (module ip_vs_${change.server.scheduler})`;
	return { ok: false, because: "unsupported", message };
}

function outcome(answer: Answer, wasSoError?: number): Outcome {
	if (answer.ok) return { ok: true, changed: true };
	return answer.error === wasSoError ? { ok: true, changed: false } : answer.failure;
}
