// The EndpointSlices of a Service -> the endpoints of one of its ports, each address once, in canonical order: kube-proxy's
// pkg/proxy/endpointslicecache.go. A slice's conditions are taken as they are: its writer has seen to publishNotReadyAddresses.

import { type ConfigObject, compareText } from "../../resources/config-object.ts";
import type { EndpointSliceSpec, KubernetesServicePort, SliceEndpoint } from "../../resources/kinds/core.ts";
import type { Layer4Endpoint } from "../layer4-service.ts";
import { type CanonicalAddress, canonicalAddress } from "./canonical-address.ts";

type Slice = ConfigObject<"EndpointSlice">;

/** Those that name the Service, in the order of their names. */
export function slicesOf(service: ConfigObject<"Service">, slices: readonly Slice[]): readonly Slice[] {
	const { namespace, name } = service.metadata;
	const isOwn = ({ metadata }: Slice): boolean =>
		metadata.namespace === namespace && metadata.labels["kubernetes.io/service-name"] === name;
	return slices.filter(isOwn).sort((a, b) => compareText(a.metadata.name, b.metadata.name));
}

export function endpointsOfSlices(slices: readonly Slice[], port: KubernetesServicePort): readonly Layer4Endpoint[] {
	const found = new FoundEndpoints();
	for (const slice of slices) {
		if (slice.spec.addressType === "FQDN" || isHeadless(slice)) continue;
		for (const number of portsOf(slice.spec, port))
			for (const endpoint of slice.spec.endpoints) {
				const address = addressOf(endpoint, slice.spec);
				if (address !== undefined) found.add(address, endpointOf(endpoint, address.text, number));
			}
	}
	return found.inOrder();
}

const isHeadless = ({ metadata }: Slice): boolean => metadata.labels["service.kubernetes.io/headless"] !== undefined;

/** Each slice gives its own numbers to a named port. */
function portsOf(slice: EndpointSliceSpec, wanted: KubernetesServicePort): readonly number[] {
	return slice.ports
		.filter(
			({ name = "", protocol = "TCP" }) => name === (wanted.name ?? "") && protocol === (wanted.protocol ?? "TCP"),
		)
		.flatMap(({ port }) => port || []);
}

/** Kubernetes uses the first of the addresses. */
function addressOf({ addresses }: SliceEndpoint, slice: EndpointSliceSpec): CanonicalAddress | undefined {
	const address = canonicalAddress(addresses[0] ?? "");
	return address?.family === (slice.addressType === "IPv6" ? "ipv6" : "ipv4") ? address : undefined;
}

function endpointOf(endpoint: SliceEndpoint, address: string, port: number): Layer4Endpoint {
	const { ready = true, serving = true, terminating = false } = endpoint.conditions ?? {};
	const zones = endpoint.hints?.forZones?.map(({ name }) => name) ?? [];
	const nodes = endpoint.hints?.forNodes?.map(({ name }) => name) ?? [];
	return {
		address,
		port,
		...(endpoint.nodeName ? { node: endpoint.nodeName } : {}),
		...(endpoint.zone ? { zone: endpoint.zone } : {}),
		ready,
		serving,
		terminating,
		...(zones.length > 0 ? { hintZones: zones } : {}),
		...(nodes.length > 0 ? { hintNodes: nodes } : {}),
	};
}

/** Collects endpoints; of two with one address and port the better one stays. */
export class FoundEndpoints {
	readonly #found = new Map<string, { readonly order: string; readonly endpoint: Layer4Endpoint }>();

	add(address: CanonicalAddress, endpoint: Layer4Endpoint): void {
		const order = `${address.order}${String.fromCharCode(endpoint.port)}`;
		const known = this.#found.get(order);
		if (known === undefined || isBetter(endpoint, known.endpoint)) this.#found.set(order, { order, endpoint });
	}

	inOrder(): readonly Layer4Endpoint[] {
		return [...this.#found.values()].sort((a, b) => compareText(a.order, b.order)).map(({ endpoint }) => endpoint);
	}
}

/**
 * An address may be in two slices for a while, or be that of a leaving pod and of its successor. kube-proxy prefers one that is
 * not terminating and leaves the rest to chance; here it is the ready one, then the serving one, then the first slice's.
 */
function isBetter(a: Layer4Endpoint, b: Layer4Endpoint): boolean {
	if (a.terminating !== b.terminating) return b.terminating;
	if (a.ready !== b.ready) return a.ready;
	return a.serving && !b.serving;
}
