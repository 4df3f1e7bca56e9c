// What the xDS server needs from the rest of the control plane, and what it says about itself.

import type { Socket } from "node:net";
import type { SecureContextOptions } from "node:tls";
import type { XdsNode } from "../node.ts";
import type { ProxyConfig, TypeUrl } from "../resource.ts";
import type { Application, TypeStatus } from "../session-status.ts";

/** The other end of the connection, as far as it was proved. */
export interface Peer {
	readonly address: string;
	/** The one URI (SPIFFE) of the client certificate, when it was verified and is in force. */
	readonly uri?: string;
	/** Why the client certificate that it showed counts for nothing. */
	readonly refusedCertificate?: string;
}

export type Connected =
	| { readonly ok: true; readonly proxyId: string }
	/** `grpcStatus` as in google.rpc.Code: 7 PERMISSION_DENIED, 14 UNAVAILABLE, ... */
	| { readonly ok: false; readonly grpcStatus: number; readonly because: string };

export interface ConfigSource {
	connect(node: XdsNode, peer: Peer): Connected;
	/** Why a peer whose streams stand is to have none any more; asked every 10 s, on TLS ports. */
	endOf?(peer: Peer): string | undefined;
	/** Undefined while there is none: the proxy waits, its stream stays open. */
	configFor(proxyId: string): ProxyConfig | undefined;
	/** How new what it serves is, as `renderRevisionLabel` writes it; undefined: not said. */
	revision?(): string | undefined;
	/** The last stream of the proxy is gone. */
	disconnected(proxyId: string): void;
}

export interface SessionStatus {
	readonly proxyId: string;
	readonly nodeId: string;
	readonly peer: Peer;
	readonly protocol: "delta" | "sotw";
	readonly userAgent: string;
	/** Milliseconds since the epoch. */
	readonly connectedAtMs: number;
	readonly types: readonly TypeStatus[];
}

/** "Applied on N of M proxies, rejected by K". */
export interface AppliedOn {
	/** Proxies that ask for the resource and should have this version. */
	readonly wanted: number;
	readonly applied: number;
	readonly rejected: readonly { readonly proxyId: string; readonly because: string }[];
}

/** What a proxy refused, with the name and the version of each resource that it is about. */
export interface RefusedResponse {
	readonly typeUrl: TypeUrl;
	/** The client's own words. */
	readonly message: string;
	readonly versions: ReadonlyMap<string, string>;
	/** Those of which it still has an older version. */
	readonly kept: ReadonlySet<string>;
}

export interface XdsServer {
	readonly address: { readonly host: string; readonly port: number } | { readonly socketPath: string };
	/** Sends what changed to these proxies, or to all. */
	publish(proxyIds?: Iterable<string>): void;
	sessions(): readonly SessionStatus[];
	/** For new connections; those that stand go on, unless their certificate no longer counts. TLS servers only. */
	replaceTls(context: SecureContextOptions): void;
	appliedOn(name: string, typeUrl: TypeUrl, version: string): AppliedOn;
	/** True when each stream of the proxy has confirmed or refused all of these types that it should have. */
	hasAnswered(proxyId: string, typeUrls: readonly TypeUrl[]): boolean;
	/** What became of one version of a resource on each open stream of one proxy. */
	applications(proxyId: string, typeUrl: TypeUrl, name: string, version: string): readonly Application[];
	/** Serves a connection that was accepted elsewhere; its peer's address is called `address`. Plaintext servers only. */
	accept(socket: Socket, address: string): void;
	/** Ends every stream, a few at a time, and lets no new one in: its clients go to another control plane. */
	leave(withinMs: number): Promise<void>;
	close(): Promise<void>;
}
