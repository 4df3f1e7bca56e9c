// The kernel's table of tracked connections, by netlink (ctnetlink). In: filters. Out: flows; flows that are gone.

import type { ConntrackTable, DeletedFlows, Flow, FlowFilter, ListedFlows } from "../../conntrack-table.ts";
import { flowMatches } from "../../flow-matches.ts";
import type { AddressFamily, Failure, Opened } from "../../host-network.ts";
import { IPCTNL_MSG_CT_DELETE, IPCTNL_MSG_CT_GET, IPCTNL_MSG_CT_NEW } from "../abi/conntrack.ts";
import { ENOENT } from "../abi/errno.ts";
import { NLM_F_ACK, NLM_F_DUMP } from "../abi/netlink.ts";
import { NFNL_SUBSYS_CTNETLINK, NFPROTO_IPV4, NFPROTO_IPV6 } from "../abi/nfnetlink.ts";
import { addressBytes, addressText, familyOf } from "../ip-text.ts";
import type { NetlinkMessage } from "../netlink-message.ts";
import { insideNamespace } from "../network-namespace.ts";
import { NfnetlinkSocket } from "../nfnetlink-socket.ts";
import { BatchWriter } from "../nftables/batch-writer.ts";
import { systemFailure } from "../system-error.ts";
import { decodeFlow, writeFilter, writeFlowName } from "./flow-messages.ts";

export interface ConntrackOptions {
	/** `/run/netns/NAME`; absent: where the calling thread is. */
	readonly netns?: string;
}

/** Needs CAP_NET_ADMIN. */
export function openConntrackTable({ netns }: ConntrackOptions = {}): Opened<ConntrackTable> {
	const namespace = insideNamespace(netns);
	const [opened, later] = namespace.run(() => [NfnetlinkSocket.open(), NfnetlinkSocket.open()] as const);
	namespace.close();
	if (opened.ok && later.ok) return { ok: true, value: new LinuxConntrackTable(opened.value, later.value) };
	for (const one of [opened, later]) if (one.ok) one.value.close();
	return opened.ok ? (later as Failure) : opened;
}

/** Deletions go to the kernel so many at once. */
const deletionsAtOnce = 1000;

class LinuxConntrackTable implements ConntrackTable {
	readonly #socket: NfnetlinkSocket;
	/** Of what another thread waits for. */
	readonly #later: NfnetlinkSocket;
	readonly #writer = new BatchWriter();

	constructor(socket: NfnetlinkSocket, later: NfnetlinkSocket) {
		this.#socket = socket;
		this.#later = later;
	}

	list(filter: FlowFilter = {}): ListedFlows {
		const flows: Flow[] = [];
		const failure = this.#forEach(filter, (flow) => flows.push(flow));
		return failure ?? { ok: true, flows };
	}

	deleteWhere(filter: FlowFilter, isStale: (flow: Flow) => boolean): DeletedFlows {
		const found = new StaleFlows(isStale);
		const failure = this.#forEach(filter, (flow) => found.look(flow));
		return failure ?? this.#deleteAll(found);
	}

	async deleteWhereLater(filter: FlowFilter, isStale: (flow: Flow) => boolean): Promise<DeletedFlows> {
		const normal = normalized(filter);
		const found = new StaleFlows(isStale);
		for (const family of familiesOf(normal)) {
			const answer = await this.#later.dumpLater(
				this.#question(family, normal),
				(message) => {
					const flow = flowOf(message, family, normal);
					if (flow) found.look(flow);
				},
				() => {},
			);
			if (!answer.ok) return systemFailure(answer.error, "list tracked connections");
		}
		return this.#isClosed ? { ok: true, looked: found.looked, deleted: 0 } : this.#deleteAll(found);
	}

	deleteStaleUdp(isStale: (flow: Flow) => boolean): DeletedFlows {
		return this.deleteWhere({ protocol: "udp", destinationTranslated: true }, isStale);
	}

	close(): void {
		this.#isClosed = true;
		this.#socket.close();
		this.#later.close();
	}
	#isClosed = false;

	#deleteAll({ looked, stale }: StaleFlows): DeletedFlows {
		let deleted = 0;
		for (let start = 0; start < stale.length; start += deletionsAtOnce) {
			const part = this.#delete(stale.slice(start, start + deletionsAtOnce));
			if (typeof part !== "number") return part;
			deleted += part;
		}
		return { ok: true, looked, deleted };
	}

	#question(family: AddressFamily, filter: FlowFilter): Buffer {
		const writer = this.#writer;
		writer.clear();
		const number = family === "ipv6" ? NFPROTO_IPV6 : NFPROTO_IPV4;
		writer.startMessage((NFNL_SUBSYS_CTNETLINK << 8) | IPCTNL_MSG_CT_GET, NLM_F_DUMP, 0, number);
		writeFilter(writer, family, filter);
		writer.endMessage();
		return writer.written();
	}

	#forEach(filter: FlowFilter, visit: (flow: Flow) => void): Failure | undefined {
		const normal = normalized(filter);
		for (const family of familiesOf(normal)) {
			const answer = this.#socket.dump(
				this.#question(family, normal),
				(message) => {
					const flow = flowOf(message, family, normal);
					if (flow) visit(flow);
				},
				() => {},
			);
			if (!answer.ok) return systemFailure(answer.error, "list tracked connections");
		}
		return undefined;
	}

	/** How many were there still. */
	#delete(flows: readonly Flow[]): number | Failure {
		const writer = this.#writer;
		writer.clear();
		const first = this.#socket.takeSequences(flows.length);
		for (const [index, flow] of flows.entries()) {
			const number = flow.family === "ipv6" ? NFPROTO_IPV6 : NFPROTO_IPV4;
			writer.startMessage((NFNL_SUBSYS_CTNETLINK << 8) | IPCTNL_MSG_CT_DELETE, 0, first + index, number);
			writeFlowName(writer, flow);
			if (index === flows.length - 1) writer.addFlags(NLM_F_ACK);
			writer.endMessage();
		}
		const answer = this.#socket.sendBatch(writer.written(), "forget tracked connections");
		if (answer.ok) return flows.length;
		if ("failure" in answer) return answer.failure;
		const refused = answer.refusals.find(({ error }) => error !== ENOENT);
		if (refused) return systemFailure(refused.error, "forget tracked connections", refused.kernelSays);
		return flows.length - answer.refusals.length;
	}
}

class StaleFlows {
	readonly stale: Flow[] = [];
	looked = 0;
	readonly #isStale: (flow: Flow) => boolean;

	constructor(isStale: (flow: Flow) => boolean) {
		this.#isStale = isStale;
	}

	look(flow: Flow): void {
		this.looked++;
		if (typeof flow.protocol === "string" && this.#isStale(flow)) this.stale.push(flow);
	}
}

function flowOf({ body, type }: NetlinkMessage, family: AddressFamily, filter: FlowFilter): Flow | undefined {
	if (type !== ((NFNL_SUBSYS_CTNETLINK << 8) | IPCTNL_MSG_CT_NEW)) return undefined;
	const flow = decodeFlow(body);
	return flow?.family === family && flowMatches(flow, filter) ? flow : undefined;
}

/** A dump is of one family. */
function familiesOf({ family, destination }: FlowFilter): readonly AddressFamily[] {
	if (family) return [family];
	return destination ? [familyOf(destination)] : ["ipv4", "ipv6"];
}

/** The destination as the kernel's answers have it. */
function normalized(filter: FlowFilter): FlowFilter {
	if (filter.destination === undefined || familyOf(filter.destination) === "ipv4") return filter;
	return { ...filter, destination: addressText(addressBytes(filter.destination)) };
}
