// Listeners and clusters of a sidecar -> the same inside the pod's network namespace, for an Envoy that runs outside of it.

import { create } from "@bufbuild/protobuf";
import type { Cluster } from "../../envoy/gen/envoy/config/cluster/v3/cluster_pb.ts";
import {
	type Address,
	BindConfigSchema,
	ExtraSourceAddressSchema,
} from "../../envoy/gen/envoy/config/core/v3/address_pb.ts";
import type { Listener } from "../../envoy/gen/envoy/config/listener/v3/listener_pb.ts";
import { socketAddress } from "../../envoy/listener/socket-address.ts";

/** Where the spare listens instead of the sidecar. */
export const sparePorts: ReadonlyMap<number, number> = new Map([
	[15_001, 15_101],
	[15_006, 15_106],
]);

function enter(address: Address | undefined, netns: string): void {
	if (address?.address.case === "socketAddress") address.address.value.networkNamespaceFilepath = netns;
}

/** The port that the listener would have in the spare; undefined when the spare has no such listener. */
export function sparePortOf({ address }: Listener): number | undefined {
	if (address?.address.case !== "socketAddress") return undefined;
	const { portSpecifier } = address.address.value;
	return portSpecifier.case === "portValue" ? sparePorts.get(portSpecifier.value) : undefined;
}

/** Changes the listener. What it matches of its own port, it matches of its new one. */
export function listenInside(listener: Listener, netns: string, port: number): void {
	if (listener.address?.address.case !== "socketAddress") throw new Error(`${listener.name} has no port`);
	listener.address.address.value.portSpecifier = { case: "portValue", value: port };
	for (const address of [listener.address, ...listener.additionalAddresses.map((one) => one.address)]) {
		enter(address, netns);
		if (address?.address.case === "socketAddress")
			address.address.value.portSpecifier = { case: "portValue", value: port };
	}
	for (const { filterChainMatch } of listener.filterChains) {
		const own = filterChainMatch?.destinationPort;
		const moved = own === undefined ? undefined : sparePorts.get(own);
		if (filterChainMatch && moved !== undefined) filterChainMatch.destinationPort = moved;
	}
}

/** Changes the cluster. Source addresses it has are kept; without one, any of the pod's will do. */
export function connectFromInside(cluster: Cluster, netns: string): void {
	const bind =
		cluster.upstreamBindConfig ??
		create(BindConfigSchema, {
			extraSourceAddresses: [create(ExtraSourceAddressSchema, { address: socketOf("::") })],
		});
	cluster.upstreamBindConfig = bind;
	if (!bind.sourceAddress) bind.sourceAddress = socketOf("0.0.0.0");
	bind.sourceAddress.networkNamespaceFilepath = netns;
	for (const { address } of bind.extraSourceAddresses) if (address) address.networkNamespaceFilepath = netns;
	for (const address of bind.additionalSourceAddresses) address.networkNamespaceFilepath = netns;
}

function socketOf(address: string) {
	const made = socketAddress(address, 0).address;
	if (made.case !== "socketAddress") throw new Error("no socket address");
	return made.value;
}
