// Whether a call over the xDS port is the node's that it says it is.

import { type Identity, parseIdentity } from "../../identity/spiffe-id.ts";

export interface NodeCallerRules {
	readonly trustDomain: string;
	/** Plaintext: nodes are who they say. Default false. */
	readonly nothingIsProved?: boolean;
	readonly isRegistered: (node: string) => boolean;
}

/** Why the caller with this certificate may not speak for the node; undefined when it may. `what` it came with, for the reason. */
export function strangerIn(
	what: string,
	node: string,
	uri: string | undefined,
	rules: NodeCallerRules,
): string | undefined {
	if (rules.nothingIsProved) return undefined;
	const caller: Identity | undefined = parseIdentity(uri ?? "");
	const isOwn =
		caller !== undefined &&
		"part" in caller &&
		caller.part === "node" &&
		caller.name === node &&
		caller.trustDomain === rules.trustDomain;
	if (!isOwn) return `a ${what} of node ${node} needs the certificate of that node of ${rules.trustDomain}`;
	return rules.isRegistered(node) ? undefined : `node ${node} is not registered (any more): join again`;
}
