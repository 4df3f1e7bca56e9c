// What travels between the control plane's API and its clients (the command line, the dashboard), as JSON.

import type { PodServing, RequestCounts } from "../../hotswitch/serving-report.ts";
import type { InboundMtls } from "../../model/security.ts";
import type { EffectiveMtls } from "../../policy/effective-mtls.ts";
import type { ObjectKey } from "../../resources/config-object.ts";
import type { Problem } from "../../resources/problem.ts";
import type { SourceStatus } from "../../sources/kubernetes/source-status.ts";

/** A resource as its YAML would say it. */
export interface Manifest {
	readonly apiVersion: string;
	readonly kind: string;
	readonly metadata: {
		readonly name: string;
		readonly namespace?: string;
		readonly labels?: Readonly<Record<string, string>>;
		readonly annotations?: Readonly<Record<string, string>>;
		readonly creationTimestamp?: string;
		readonly [field: string]: unknown;
	};
	readonly [field: string]: unknown;
}

export interface ResourceItem {
	readonly manifest: Manifest;
	readonly origin: { readonly file: string; readonly line: number };
	readonly status: ResourceStatus;
}

/** What became of a resource. */
export interface ResourceStatus {
	/** False: what is in the file was refused; the last good version, if there was one, is what the manifest shows. */
	readonly accepted: boolean;
	readonly problems: readonly Problem[];
	/** Proxies whose configuration it is part of; absent for kinds where that is not counted. */
	readonly proxies?: {
		/** Proxies that it concerns. */
		readonly concerned: number;
		/** Those that acknowledged a configuration with this version of it. */
		readonly applied: number;
		readonly rejected: readonly Rejection[];
		/** Proxies whose push is held back or could not be generated. */
		readonly withheld: number;
	};
}

/** A proxy that said no, and why. */
export interface Rejection {
	readonly proxy: string;
	/** CDS, EDS, LDS, RDS, SDS. */
	readonly type: string;
	readonly names: readonly string[];
	/** Envoy's own words. */
	readonly message: string;
	readonly atMs: number;
}

export type SyncState = "SYNCED" | "STALE" | "NOT SENT" | "ERROR";

export interface ProxyTypeItem {
	readonly sync: SyncState;
	/** How many resources of the type the proxy was sent. */
	readonly resources: number;
	readonly changedMs?: number;
	readonly rejection?: Rejection;
}

export interface ProxyItem {
	readonly id: string;
	/** `reviews-v1-abc.default` */
	readonly name: string;
	readonly cluster: string;
	readonly type: "sidecar" | "router";
	/** What the client calls itself, `envoy 1.40.0`. */
	readonly version: string;
	readonly control: string;
	readonly connectedMs: number;
	readonly types: Readonly<Record<string, ProxyTypeItem>>;
	/** Why its newest configuration is not sent: generation failed, dangling references, or a held push. */
	readonly withheld?: { readonly because: "generation" | "dangling" | "held"; readonly message: string };
	/** What it keeps shut, because mutual TLS is demanded and it has no certificate. */
	readonly closed?: string;
	/** Bytes of the configuration that it should have. */
	readonly configBytes: number;
}

/** Workloads of one kind, and what is in force for each of them. */
export interface WorkloadItem {
	/** Sorted. */
	readonly names: readonly string[];
	readonly namespace: string;
	readonly type: "sidecar" | "router";
	/** `not connected`: it should have a proxy, but none is connected to this control plane. */
	readonly proxy: "connected" | "not connected" | "none";
	/** The proxy has, or will have, a certificate of the mesh. */
	readonly certificate: boolean;
	readonly inbound: readonly {
		readonly port: number;
		readonly protocol: string;
		readonly service?: string;
		/** Absent without a proxy. */
		readonly accepts?: InboundMtls;
		/** The PeerAuthentication that decided it; absent: the default. */
		readonly by?: ObjectKey;
	}[];
	readonly policies: readonly {
		readonly source: ObjectKey;
		readonly action: "ALLOW" | "DENY" | "AUDIT" | "CUSTOM";
		readonly provider?: string;
		readonly dryRun: boolean;
		/** How many; an ALLOW policy with none allows nothing. */
		readonly rules: number;
	}[];
	readonly tokens: readonly { readonly source: ObjectKey; readonly issuer: string; readonly hasKeys: boolean }[];
	/** Sorted by host name. */
	readonly outbound: readonly EffectiveMtls[];
	/** Services that it may call and that are not in `outbound`. */
	readonly servicesLeftOut: number;
}

export interface MeshStatus {
	readonly id: string;
	readonly version: string;
	readonly ready: boolean;
	readonly startedMs: number;
	readonly nowMs: number;
	readonly generation: number;
	readonly resources: Readonly<Record<string, number>>;
	readonly errors: number;
	readonly warnings: number;
	readonly proxies: {
		readonly connected: number;
		readonly synced: number;
		readonly stale: number;
		readonly rejecting: number;
		readonly withheld: number;
		/** They keep what they have while others try what changed; absent: none. */
		readonly waiting?: number;
	};
	/** Resources that proxies refused; their last good version is in force. */
	readonly quarantined: number;
	/** Endpoints that are gone at the source, and stay in force for now because most went at once. */
	readonly heldRemovals: number;
	/** Of an API server as the source of resources. */
	readonly source?: SourceStatus;
}

export interface AppliedItem {
	readonly kind: string;
	readonly namespace: string;
	readonly name: string;
	readonly outcome: "created" | "configured" | "unchanged" | "deleted";
	readonly file: string;
}

export type ApplyAnswer =
	| { readonly ok: true; readonly items: readonly AppliedItem[]; readonly problems: readonly Problem[] }
	| { readonly ok: false; readonly problems: readonly Problem[] };

/** Every failed request carries this. */
export interface ApiFailure {
	readonly error: string;
	/** What to do about it. */
	readonly next: string;
	readonly problems?: readonly Problem[];
}

/** What a node reported of one of its pods last. */
export interface ServingItem {
	readonly proxyId: string;
	readonly namespace: string;
	readonly pod: string;
	readonly node: string;
	/** Of what several control planes heard, the freshest is right. */
	readonly heardMsAgo: number;
	readonly ready: boolean;
	/** Absent for what has no hot-switch. */
	readonly serving?: PodServing;
	readonly requests?: RequestCounts;
	readonly calls?: RequestCounts;
}
