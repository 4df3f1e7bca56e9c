// A part of the node that works for each of its pods. The node calls its parts one after the other, in the order in which
// they were given; proxies are named by the id with which they call the control planes (proxyIdOf).

import type { HotSwitchPolicy } from "../../hotswitch/hot-switch-policy.ts";
import type { PodSpec } from "../../node/plan/pod-spec.ts";
import type { AcceptedResponse } from "../../xds/relay-session.ts";
import type { ProxyConfig } from "../../xds/resource.ts";

export interface NodePart {
	/** A pod was added, or found at the start; its supervisor is known, its Envoy not yet opened. */
	podAdded?(proxyId: string, pod: PodSpec): void;
	podRemoved?(proxyId: string, pod: PodSpec): void;
	/**
	 * Once for each pod that an earlier agent had, before its Envoy may connect: what it accepted last, and when, in
	 * milliseconds since the epoch.
	 */
	restored?(proxyId: string, config: ProxyConfig | undefined, sinceMs: number | undefined): void;
	/** All of them have been restored; no Envoy can connect before it resolves. */
	started?(): Promise<void> | void;
	/** A proxy has accepted a response of a control plane. */
	accepted?(proxyId: string, accepted: AcceptedResponse): void;
	/** A control plane has said what may be done when this proxy fails. */
	policyReceived?(proxyId: string, policy: HotSwitchPolicy): void;
	/** Prometheus' text format. */
	metrics?(): string;
	/** The machine's proxies have been stopped: what it started ends as well. */
	stop?(): Promise<void> | void;
	/** The agent ends; what it started, and was not stopped, goes on. */
	close?(): Promise<void> | void;
}
