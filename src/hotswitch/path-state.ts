// What a pod's redirect is told, as members of four sets in its kernel table. The kernel takes the first path that is open:
// the sidecar while it is admitted and its lease runs, then the spare, then direct, else connections are refused.

export interface PathState {
	/** The sidecar may take connections while it holds its lease. */
	readonly sidecar: boolean;
	/** The node's spare Envoy listens for this pod. */
	readonly spare: boolean;
	/** Connections may go past every proxy: outbound all, inbound on the ports that take plaintext. */
	readonly direct: boolean;
	/** Nobody watches: a sidecar that is late, but was heard within the last second, comes before direct. */
	readonly patient: boolean;
}

export const closedPath: PathState = { sidecar: false, spare: false, direct: false, patient: false };
