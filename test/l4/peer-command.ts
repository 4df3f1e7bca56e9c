// What a test tells the process that it has inside a namespace.

import type { Probe } from "./probe.ts";

export type PeerCommand =
	/** TCP and UDP on each address and port. */
	| { readonly op: "serve"; readonly addresses: readonly string[]; readonly ports: readonly number[] }
	/** All at once; the results come in their order. */
	| { readonly op: "probe"; readonly probes: readonly Probe[] };
