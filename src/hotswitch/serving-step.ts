// Where a pod's connections go: the steps that the hot-switch takes down, and up again.

/**
 * `sidecar`: its own Envoy. `spare`: the node's spare Envoy, with the same identity, mutual TLS and policy. `direct`: past
 * every proxy, in plaintext. `closed`: refused, and the endpoint is taken out.
 */
export type ServingStep = "sidecar" | "spare" | "direct" | "closed";

/** From the best to the last. */
export const servingSteps: readonly ServingStep[] = ["sidecar", "spare", "direct", "closed"];
