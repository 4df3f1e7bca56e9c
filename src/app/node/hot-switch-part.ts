// What control planes say of a pod's plaintext and of what may be done when its proxy fails, handed to its supervisor. In: the
// listeners and policies that arrive, or are kept on disk. Out: the supervisor's redirect and switch follow them.

import { plaintextPorts } from "../../envoy/listener/plaintext-ports.ts";
import { virtualInboundListener } from "../../envoy/names.ts";
import { hotSwitchMetrics } from "../../node/hot-switch-metrics.ts";
import type { HotSwitchPolicies } from "../../node/hot-switch-policies.ts";
import type { PodSupervisor } from "../../node/pod-supervisor.ts";
import { summarizeDeltaResponse } from "../../xds/relay-message.ts";
import { type EncodedResource, typeUrls } from "../../xds/resource.ts";
import type { NodePart } from "./node-part.ts";

export interface Supervisors {
	/** By proxy id. */
	readonly of: (proxyId: string) => PodSupervisor | undefined;
	readonly all: () => readonly PodSupervisor[];
}

export function hotSwitchPart(policies: HotSwitchPolicies, supervisors: Supervisors): NodePart {
	const allowPlaintext = (proxyId: string, listeners: Iterable<EncodedResource>): void => {
		for (const listener of listeners)
			if (listener.name === virtualInboundListener) supervisors.of(proxyId)?.allowPlaintext(plaintextPorts(listener));
	};
	const follow = (proxyId: string): void => {
		const policy = policies.of(proxyId);
		if (policy) supervisors.of(proxyId)?.hotSwitch?.follow(policy);
	};
	return {
		podRemoved: (proxyId) => policies.forget(proxyId),
		restored: (proxyId, config) => {
			for (const part of config?.get(typeUrls.listener)?.parts ?? []) allowPlaintext(proxyId, part.resources.values());
			follow(proxyId);
		},
		accepted: (proxyId, accepted) => {
			if (accepted.typeUrl === typeUrls.listener)
				allowPlaintext(proxyId, summarizeDeltaResponse(accepted.bytes).resources);
		},
		policyReceived: (proxyId, policy) => {
			policies.receive(proxyId, policy);
			follow(proxyId);
		},
		metrics: () => hotSwitchMetrics(supervisors.all().flatMap(({ hotSwitch }) => hotSwitch ?? [])),
		close: () => policies.close(),
	};
}
