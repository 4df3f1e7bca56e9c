// The inbound listener that an Envoy has accepted -> the ports on which it takes plaintext. The node holds them open, and no
// others, when that Envoy is gone: what the listener refuses must not reach the application past it either.

import { fromBinary } from "@bufbuild/protobuf";
import { AnySchema } from "@bufbuild/protobuf/wkt";
import type { PlaintextPorts } from "../../hotswitch/redirect-plan.ts";
import type { EncodedResource } from "../../xds/resource.ts";
import { ListenerSchema } from "../gen/envoy/config/listener/v3/listener_pb.ts";
import { blackHoleChain, closedChainSuffix } from "./virtual-inbound.ts";

export function plaintextPorts(virtualInbound: EncodedResource): PlaintextPorts {
	const { filterChains } = fromBinary(ListenerSchema, fromBinary(AnySchema, virtualInbound.any).value);
	const open = new Map<number | undefined, boolean>();
	for (const { name, filterChainMatch, transportSocket } of filterChains) {
		if (name === blackHoleChain) continue;
		const port = filterChainMatch?.destinationPort;
		const takesPlaintext = transportSocket === undefined && !name.endsWith(closedChainSuffix);
		open.set(port, (open.get(port) ?? false) || takesPlaintext);
	}
	const others = open.get(undefined) ?? false;
	const except = [...open].flatMap(([port, isOpen]) => (port !== undefined && isOpen !== others ? [port] : []));
	return { others, except: except.sort((a, b) => a - b) };
}
