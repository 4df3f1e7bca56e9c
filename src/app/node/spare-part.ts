// The node's spare Envoy, fed by what the node hears of its pods. In: pods, accepted configuration, policies, certificates. Out:
// each pod's hot-switch knows when the spare can take its connections.

import type { WorkloadKeyPair } from "../../envoy/secret/workload-secrets.ts";
import { NodeSpare, type NodeSpareOptions } from "../../node/spare/node-spare.ts";
import { spareMetrics } from "../../node/spare/spare-metrics.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";
import { summarizeDeltaResponse } from "../../xds/relay-message.ts";
import type { Supervisors } from "./hot-switch-part.ts";
import type { NodePart } from "./node-part.ts";

export interface SparePartDeps {
	readonly clock: Clock;
	readonly log: Log;
	readonly supervisors: Supervisors;
	/** By proxy id. */
	readonly keyPairOf: (proxyId: string) => WorkloadKeyPair | undefined;
	/** The spare has confirmed or refused secrets. */
	readonly onSecretsAnswered: () => void;
}

export interface SparePart extends NodePart {
	/** A proxy has a new certificate, or other roots. */
	certificateChanged(proxyId: string): void;
	/** Why it does not use the proxy's certificate and roots as they are now; undefined when it does, or may not serve the pod. */
	lackOfTrust(proxyId: string): Promise<string | undefined>;
}

export function sparePart(
	options: Omit<NodeSpareOptions, "keyPairOf" | "tell" | "onSecretsAnswered">,
	{ clock, log, supervisors, keyPairOf, onSecretsAnswered }: SparePartDeps,
): SparePart {
	/** By proxy id, and by uid. */
	const uids = new Map<string, string>();
	const proxyIds = new Map<string, string>();
	const spare = new NodeSpare(
		{
			...options,
			onSecretsAnswered,
			keyPairOf: (uid) => keyPairOf(proxyIds.get(uid) ?? ""),
			tell: (uid, word) => supervisors.of(proxyIds.get(uid) ?? "")?.hotSwitch?.happens(word),
		},
		{ clock, log },
	);
	const follow = (proxyId: string): void => {
		const uid = uids.get(proxyId);
		if (uid !== undefined) spare.allow(uid, supervisors.of(proxyId)?.hotSwitch?.policy.spare === true);
	};
	return {
		podAdded: (proxyId, pod) => {
			if (!supervisors.of(proxyId)?.hotSwitch) return;
			uids.set(proxyId, pod.uid);
			proxyIds.set(pod.uid, proxyId);
			spare.add(pod);
			follow(proxyId);
		},
		podRemoved: (proxyId, pod) => {
			if (!uids.delete(proxyId)) return;
			proxyIds.delete(pod.uid);
			spare.remove(pod.uid);
		},
		restored: (proxyId, config) => {
			follow(proxyId);
			const uid = uids.get(proxyId);
			if (uid !== undefined && config) spare.restore(uid, config);
		},
		accepted: (proxyId, { bytes, isFirst }) => {
			const uid = uids.get(proxyId);
			if (uid !== undefined) spare.accept(uid, { ...summarizeDeltaResponse(bytes), isFirst });
		},
		policyReceived: follow,
		certificateChanged: (proxyId) => {
			const uid = uids.get(proxyId);
			if (uid !== undefined) spare.certificateChanged(uid);
		},
		lackOfTrust: async (proxyId) => {
			const uid = uids.get(proxyId);
			const mayServe = supervisors.of(proxyId)?.hotSwitch?.state.spareUp === true;
			return uid !== undefined && mayServe ? spare.lackOfTrust(uid) : undefined;
		},
		started: () => spare.begin(),
		metrics: () => spareMetrics(spare),
		stop: () => spare.stop(),
		close: () => spare.close(),
	};
}
