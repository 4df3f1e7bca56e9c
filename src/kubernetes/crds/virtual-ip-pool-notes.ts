// VirtualIPPool: what its fields are for, and the rules that the API server itself holds.

import type { FieldNotes } from "./field-notes.ts";
import { authenticationNotes, checkNotes, leaseNotes } from "./virtual-ip-part-notes.ts";

export const virtualIpPoolNotes: FieldNotes = {
	"": "Addresses that Services of type LoadBalancer get, each held by one node at a time.",
	addresses: {
		says: "10.88.0.100-10.88.0.150, 10.88.0.160/28 or 10.88.0.7; both families may stand side by side.",
		maxItems: 255,
	},
	virtualRouterIds: {
		says: "VRRP ids of the routers that hold the addresses. Default 128 to 254.",
		rules: [{ rule: "self.from <= self.to", message: "from must not be above to" }],
	},
	"virtualRouterIds.from": "The first.",
	"virtualRouterIds.to": "The last.",
	autoAssign: "Services that ask for no pool and no address get one of these. Default true.",
	namespaces: "Only Services of these namespaces. Default: all.",
	serviceSelector: "Only Services with these labels.",
	nodeSelector: "Only nodes with these labels hold addresses.",
	interface: "Where the addresses go. Default: the node's interface whose network holds the address.",
	advertInterval:
		"Between two adverts, a third of how long a new address takes. Default 300ms; a fast heartbeat runs beside it.",
	fastHeartbeat: "Between Keepmesh's nodes: default finds a dead owner in 100 ms, fast in 45 ms.",
	preempt: "An address goes back to the node that comes first for it, once that one is there again. Default true.",
	preemptDelay: "How long that one must be there before. Default 10s.",
	openConnections:
		"When an address moves on while the node that had it lives: follow hands packets of its connections to that one, end resets them. Default follow.",
	...authenticationNotes,
	...checkNotes,
	...leaseNotes,
};
