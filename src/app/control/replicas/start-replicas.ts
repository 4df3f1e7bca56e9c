// A control plane's part in its group, put together: the group, its files, the API of writes, what others may ask, and the virtual
// IP that says who leads.

import { randomUUID } from "node:crypto";
import { join } from "node:path";
import type { ServerTls } from "../../../identity/authority/server-certificate.ts";
import { tlsToControl } from "../../../node/identity/control-trust.ts";
import { renderControlPlane } from "../../../replicas/control-planes-codec.ts";
import type { Log } from "../../../runtime/log.ts";
import type { ResourceSource } from "../../../sources/resource-source.ts";
import type { ResourceSet } from "../../../xds/resource.ts";
import type { SlowUnaryService } from "../../../xds/wire/unary-service.ts";
import type { ApiRoute } from "../../api/api-server.ts";
import type { HostPort } from "../control-options.ts";
import { controlPlanesSet } from "./control-planes-set.ts";
import { type LeaderVip, type LeaderVipOptions, startLeaderVip } from "./leader-vip.ts";
import { directoryFiles, noFiles } from "./replica-files.ts";
import { type CommonSource, ReplicaGroup } from "./replica-group.ts";
import { replicaServices } from "./replica-services.ts";
import { editsAsWrites, type ForwardedWrites, type ForwardingParts, forwardWrites } from "./write-forwarding.ts";

export interface ReplicasOptions {
	/** xDS ports of the others; on Kubernetes they are found. */
	readonly peers: readonly HostPort[];
	/** Where nodes reach this one: `host:port`. */
	readonly advertised: string;
	/** Absent: nothing says who leads, and no writes are taken. */
	readonly virtualIp?: Omit<LeaderVipOptions, "readyUrl" | "node">;
}

export interface ReplicasPlace {
	readonly id: string;
	readonly trustDomain: string;
	readonly resources: readonly string[];
	readonly dataDirectory?: string;
}

export interface Replicas {
	readonly group: ReplicaGroup;
	/** Addresses, besides its own, at which its port may be reached. */
	readonly names: readonly string[];
	/** The API's routes, of which those that change resources are for the leader. */
	routes(own: readonly ApiRoute[]): readonly ApiRoute[];
	/** For the port of proxies, once there are routes. */
	services(): ReadonlyMap<string, SlowUnaryService>;
	/** When that port listens and proves itself with this. */
	start(tls: () => ServerTls, api: HostPort): Promise<void>;
	/** What nodes are told. */
	readonly addresses: ResourceSet;
	/** The others are these from now on. */
	setPeers(peers: readonly HostPort[]): void;
	/** Others take over; resolves when the address is theirs. */
	leave(): Promise<void>;
	close(): void;
}

export function createReplicas(
	options: ReplicasOptions,
	place: ReplicasPlace,
	{
		clock,
		commonSource,
		isPending,
		log,
		source,
	}: Omit<ForwardingParts, "exists"> & {
		readonly log: Log;
		readonly source: ResourceSource;
		/** All read one API server, and whoever uses this says who leads, by `setOwner`. */
		readonly commonSource?: CommonSource;
	},
): Replicas {
	const run = randomUUID();
	const { dataDirectory, id, trustDomain } = place;
	const files = commonSource ? noFiles : directoryFiles({ roots: place.resources, id, run }, source, log);
	let { peers } = options;
	let tls: (() => ServerTls) | undefined;
	let vip: LeaderVip | undefined;
	let writes: ForwardedWrites | undefined;
	const group = new ReplicaGroup(
		{
			id,
			run,
			xds: options.advertised,
			peers: options.peers,
			...(dataDirectory === undefined ? {} : { stateFile: join(dataDirectory, "replica.json") }),
		},
		{
			clock,
			log,
			files,
			...(commonSource ? { commonSource } : {}),
			onLocalEdits: async (texts) => {
				for (const write of editsAsWrites(texts)) await writes?.write(write);
			},
			tls: () => {
				const own = tls?.();
				return own && tlsToControl({ roots: own.ca, trustDomain, own: { keyPem: own.key, chainPem: own.cert } });
			},
		},
	);
	const status: ApiRoute = { method: "GET", path: "/api/v1/replicas", answer: () => ({ json: group.status() }) };
	return {
		group,
		names: options.virtualIp ? [options.virtualIp.address.replace(/\/\d+$/, "")] : [],
		routes: (own) => {
			writes = forwardWrites(own, group, { clock, isPending, exists: (key) => source.current(key) !== undefined });
			return [...writes.routes, status];
		},
		services: () =>
			replicaServices(group, async (write) => writes?.carryOut(write) ?? { type: "notLeader" }, { trustDomain }),
		get addresses() {
			return controlPlanesSet([options.advertised, ...peers.map(renderControlPlane)]);
		},
		setPeers: (now) => {
			peers = now;
			group.setPeers(now);
		},
		start: async (ownTls, api) => {
			tls = ownTls;
			group.start();
			if (options.virtualIp)
				vip = await startLeaderVip(
					{ ...options.virtualIp, readyUrl: `http://${ownHost(api.host)}:${api.port}/readyz`, node: id },
					{ clock, log, onOwner: (isOwner) => group.setOwner(isOwner) },
				);
		},
		leave: async () => {
			group.leave();
			await vip?.stop();
			vip = undefined;
		},
		close: () => {
			vip?.release();
			group.close();
			files.close();
		},
	};
}

/** Of a server that listens at `host`: where it answers this machine. */
function ownHost(host: string): string {
	if (["", "0.0.0.0"].includes(host)) return "127.0.0.1";
	return host.includes(":") ? `[${host === "::" ? "::1" : host}]` : host;
}
