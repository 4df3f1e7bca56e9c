// What the relay is told for each Envoy's stream, what it hands over, and what it says of itself.

import type { HotSwitchPolicy } from "../../hotswitch/hot-switch-policy.ts";
import type { Revision } from "../../model/revision.ts";
import type { AcceptedResponse, KeptVersions } from "../relay-session.ts";
import type { AdsClientOptions } from "./xds-client.ts";

/** A trust bundle that a control plane sent for a proxy. */
export interface TrustBundleDelivery {
	readonly proxyId: string;
	/** An encoded TrustBundle. */
	readonly bytes: Uint8Array;
	/** The root that its sender proved itself with, DER; undefined without TLS. */
	readonly senderRoot: Uint8Array | undefined;
	/** The proxy uses it: tells the control plane. May come at any later time; too late is harmless. */
	readonly confirm: () => void;
	readonly refuse: (because: string) => void;
}

/** What proxies accepted last, for a proxy that starts while no control plane can be reached. */
export interface RelayCache {
	/** Delta ADS from what was kept. */
	readonly socketPath: string;
	readonly has: (proxyId: string) => boolean;
	readonly onAccepted: (proxyId: string, accepted: AcceptedResponse) => void;
	/** What is kept for a proxy, so that it can be put right when the proxy has something else. Default: not compared. */
	readonly versions?: (proxyId: string) => Promise<KeptVersions | undefined>;
}

/** Control planes that share one state: what one of them has said can be compared with what another says. */
export interface UpstreamGroup {
	readonly name: string;
	/** Never empty; tried in order. */
	readonly upstreams: readonly { readonly host: string; readonly port: number }[];
}

/** The newest revision that came for each proxy from each group, kept over restarts: nothing older is taken. */
export interface RelayRevisions {
	readonly of: (proxyId: string, group: string) => Revision | undefined;
	readonly onSeen: (proxyId: string, seen: Revision, group: string) => void;
}

export interface RelayStreamOptions {
	/** Who serves the proxy at this moment. */
	readonly groupOf: (nodeId: string) => UpstreamGroup;
	/** From 0 to below 1: at which of the group it begins. */
	readonly firstUpstream: number;
	/** Undefined as its result: no connection can be made now. */
	readonly tls?: () => AdsClientOptions["tls"] | undefined;
	readonly admit: (nodeId: string) => boolean;
	readonly onNameTable?: (proxyId: string, bytes: Uint8Array) => void;
	readonly onHotSwitchPolicy?: (proxyId: string, policy: HotSwitchPolicy) => void;
	readonly onTrustBundle?: (delivery: TrustBundleDelivery) => void;
	readonly cache?: RelayCache;
	readonly revisions?: RelayRevisions;
	readonly maxRequestBytes: number;
	readonly backoffMs: { readonly first: number; readonly most: number };
	readonly liveness: {
		readonly connectTimeoutMs: number;
		readonly pingEveryMs: number;
		readonly pingTimeoutMs: number;
	};
	/**
	 * The same proxy has a newer stream here: its Envoy hands over to another. Then a lost control plane is not looked for again, as
	 * the two would drive each other out.
	 */
	readonly isSuperseded?: () => boolean;
	/** Every control plane was tried, and none answered. */
	readonly onAlone: () => void;
}

export interface RelayStreamStatus {
	readonly nodeId: string;
	/** `host:port` of the control plane in use; absent while there is none. */
	readonly upstream?: string;
	/** What it lacked comes from what proxies accepted last: no control plane can be reached. */
	readonly fromCache?: true;
	/** How often a control plane was lost. */
	readonly losses: number;
	readonly lastLoss?: string;
}
