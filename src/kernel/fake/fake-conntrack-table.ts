// Tracked connections in memory, for tests.

import type { ConntrackTable, DeletedFlows, Flow, FlowFilter, ListedFlows } from "../conntrack-table.ts";
import { flowMatches } from "../flow-matches.ts";

export class FakeConntrackTable implements ConntrackTable {
	readonly flows: Flow[] = [];
	#nextId = 1;

	/** What is not said is that of a UDP flow with one answer, without translation. */
	add(flow: Partial<Flow> & Pick<Flow, "original">): Flow {
		const { original } = flow;
		const added: Flow = {
			family: original.source.includes(":") ? "ipv6" : "ipv4",
			protocol: "udp",
			reply: {
				source: original.destination,
				destination: original.source,
				sourcePort: original.destinationPort,
				destinationPort: original.sourcePort,
			},
			status: { seenReply: true, assured: false, sourceTranslated: false, destinationTranslated: false },
			mark: 0,
			zone: 0,
			id: this.#nextId++,
			timeoutSec: 30,
			...flow,
		};
		this.flows.push(added);
		return added;
	}

	list(filter: FlowFilter = {}): ListedFlows {
		return { ok: true, flows: this.flows.filter((flow) => flowMatches(flow, filter)) };
	}

	deleteWhere(filter: FlowFilter, isStale: (flow: Flow) => boolean): DeletedFlows {
		const looked = this.flows.filter((flow) => flowMatches(flow, filter));
		const stale = new Set(looked.filter((flow) => typeof flow.protocol === "string" && isStale(flow)));
		const kept = this.flows.filter((flow) => !stale.has(flow));
		this.flows.splice(0, this.flows.length, ...kept);
		return { ok: true, looked: looked.length, deleted: stale.size };
	}

	async deleteWhereLater(filter: FlowFilter, isStale: (flow: Flow) => boolean): Promise<DeletedFlows> {
		await Promise.resolve();
		return this.deleteWhere(filter, isStale);
	}

	deleteStaleUdp(isStale: (flow: Flow) => boolean): DeletedFlows {
		return this.deleteWhere({ protocol: "udp", destinationTranslated: true }, isStale);
	}

	close(): void {}
}
