// The trust bundle of one proxy in the relay's session: delivered at once, answered when somebody has proved that the proxy
// uses it, and told to the next control plane in the version that was proved last.

import { trustBundleName, trustBundleTypeUrl } from "../identity/trust-bundle.ts";
import { encodeDeltaRequest, type ResponseSummary, valueOfAny } from "./relay-message.ts";

export interface RelayTrustBundle {
	/** Version that the proxy uses, by resource name. */
	readonly confirmed: ReadonlyMap<string, string>;
	/** Delivered and neither confirmed nor refused yet. */
	readonly pending?: { readonly epoch: number; readonly nonce: string; readonly version: string };
}

export interface TrustBundleStep {
	readonly trustBundle: RelayTrustBundle;
	/** A request for the control plane. */
	readonly answer?: Uint8Array;
	/** An encoded TrustBundle that is to be put into force. */
	readonly delivered?: { readonly version: string; readonly bytes: Uint8Array };
}

const invalidArgument = 3;

export function takeTrustBundle(before: RelayTrustBundle, epoch: number, response: ResponseSummary): TrustBundleStep {
	const { nonce } = response;
	const bundle = response.resources.find(({ name }) => name === trustBundleName);
	if (bundle) {
		const { version } = bundle;
		const trustBundle = { confirmed: before.confirmed, pending: { epoch, nonce, version } };
		return { trustBundle, delivered: { version, bytes: valueOfAny(bundle.any) } };
	}
	// There is none (any more): nothing to prove. What the proxy trusts it keeps.
	const isGone = response.removed.includes(trustBundleName);
	return {
		trustBundle: isGone ? { confirmed: new Map() } : before,
		answer: encodeDeltaRequest({ typeUrl: trustBundleTypeUrl, nonce }),
	};
}

/** `openEpoch`: of the control plane that can be told now; undefined when there is none. */
export function answerTrustBundle(
	before: RelayTrustBundle,
	openEpoch: number | undefined,
	version: string,
	refusal: string | undefined,
): TrustBundleStep {
	const { confirmed, pending } = before;
	// An answer to what has been replaced since says nothing about what the proxy should have now.
	if (pending?.version !== version) return { trustBundle: before };
	const trustBundle = { confirmed: refusal === undefined ? new Map([[trustBundleName, version]]) : confirmed };
	// Its control plane is gone: the next one is told at once, or sends it again.
	if (pending.epoch !== openEpoch) return { trustBundle };
	const error = refusal === undefined ? {} : { error: { code: invalidArgument, message: refusal } };
	return { trustBundle, answer: encodeDeltaRequest({ typeUrl: trustBundleTypeUrl, nonce: pending.nonce, ...error }) };
}
