// The hot-switch policy of one proxy in the relay's session: it is for the node, so what reads as a policy is reported and
// confirmed as soon as it comes, and what does not is refused.

import type { HotSwitchPolicy } from "../hotswitch/hot-switch-policy.ts";
import {
	decodeHotSwitchPolicy,
	hotSwitchPolicyName,
	hotSwitchPolicyTypeUrl,
} from "../hotswitch/hot-switch-policy-codec.ts";
import { encodeDeltaRequest, type ResponseSummary, valueOfAny } from "./relay-message.ts";

export interface HotSwitchStep {
	/** Version that the node has, by resource name. */
	readonly versions: ReadonlyMap<string, string>;
	/** A request for the control plane. */
	readonly answer: Uint8Array;
	/** Absent when the response brings no policy that can be read: the one before holds. */
	readonly policy?: HotSwitchPolicy;
}

const invalidArgument = 3;

export function takeHotSwitchPolicy(versions: ReadonlyMap<string, string>, response: ResponseSummary): HotSwitchStep {
	const { nonce, resources, removed } = response;
	const request = { typeUrl: hotSwitchPolicyTypeUrl, nonce };
	const found = resources.find(({ name }) => name === hotSwitchPolicyName);
	if (!found) {
		const isGone = removed.includes(hotSwitchPolicyName);
		return { versions: isGone ? new Map() : versions, answer: encodeDeltaRequest(request) };
	}
	const policy = decoded(found.any);
	if (policy)
		return { versions: new Map([[hotSwitchPolicyName, found.version]]), answer: encodeDeltaRequest(request), policy };
	const error = { code: invalidArgument, message: "this is no HotSwitchPolicy that this node can read" };
	return { versions, answer: encodeDeltaRequest({ ...request, error }) };
}

/** Undefined for bytes that are no policy. */
function decoded(any: Uint8Array): HotSwitchPolicy | undefined {
	try {
		return decodeHotSwitchPolicy(valueOfAny(any));
	} catch {
		return undefined;
	}
}
