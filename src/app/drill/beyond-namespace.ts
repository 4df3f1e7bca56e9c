// What drills on a cluster do to the mesh beyond their own namespace, in words that are said before they begin; and which of them are
// done only with an explicit yes, because their effects stay.

export interface BeyondNamespace {
	readonly does: string;
	/** It is done only when this flag is given. */
	readonly consent?: "--yes-rotate";
}

const effects: Readonly<Record<string, BeyondNamespace>> = {
	"control-planes-down": {
		does: "every control plane is killed once and refuses calls until the outage is over: until then no proxy gets changes, and no pod its proxy",
	},
	"leader-crash": { does: "the control plane that leads is killed; kubelet starts it again" },
	partition: {
		does: "the agent of one node hears no control plane for about 10 s: no proxy of that node gets changes",
	},
	"agent-and-sidecar": {
		does: "the agent of one node is killed, and kubelet starts it again: until then no pod of the mesh starts there, and no Envoy that ends is followed by another",
	},
	"agent-restart": {
		does: "the agents of the drill's nodes are killed, and kubelet starts them again: until then no pod of the mesh starts there, and no Envoy that ends is followed by another",
	},
	"agent-upgrade": {
		does: "the agents' Pods of the drill's nodes are deleted one after the other, as an update of their DaemonSet does on every node",
	},
	"control-upgrade": {
		does: "the Deployments of the control planes are rolled out anew, as by kubectl rollout restart",
	},
	"vip-crash": {
		does: "the vip process of the node that owns the drill's address is killed, and kubelet starts it again; where that node owns other addresses as well, only with --move-others",
	},
	"vip-stop": {
		does: "the vip Pod of the node that owns the drill's address is deleted, as an update of its DaemonSet does; where that node owns other addresses as well, only with --move-others",
	},
	"rotate-issuer": { does: "the mesh's issuer is replaced by a new one, for good", consent: "--yes-rotate" },
	"rotate-root": { does: "the mesh's root and issuer are replaced by new ones, for good", consent: "--yes-rotate" },
};

/** Undefined: nothing but what is in the namespace that it makes is touched. */
export function beyondNamespace(drill: string): BeyondNamespace | undefined {
	return effects[drill];
}
