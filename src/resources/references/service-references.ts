// Services and ServiceEntries whose ports leave the proxy guessing. Istio's IST0118 and IST0134.
// And Gateways whose certificates are missing: IST0101. And addresses that nobody gives a load balancer.

import { askedAddresses, askedAddressesAnnotation, heldAddresses } from "../../l4/services/asked-addresses.ts";
import { canonicalAddress } from "../../l4/services/canonical-address.ts";
import type { ConfigObject } from "../config-object.ts";
import type { KubernetesServicePort } from "../kinds/core.ts";
import { type MeshIndex, selects } from "./mesh-index.ts";
import type { Report } from "./report.ts";

/** What may stand before the first - of a port's name. */
const prefixes = new Set("http http2 grpc grpc-web https tls tcp mongo redis mysql udp".split(" "));
/** Of these, what a server's proxy does not look into. */
const byteProtocols = new Set("https tls tcp mongo redis mysql kubernetes.io/wss".split(" "));
/** Ports that are plain TCP by custom, because their servers speak first. */
const serverFirstPorts = new Set([25, 53, 3306, 27017]);

export function checkPortNames(index: MeshIndex, report: Report): void {
	for (const service of index.of("Service"))
		for (const [at, port] of (service.spec.ports ?? []).entries()) {
			if (!needsSniffing(port)) continue;
			const found = port.name
				? `port name ${JSON.stringify(port.name)} does not say what it speaks`
				: `port ${port.port} has no name to say what it speaks`;
			report(
				"warning",
				"IST0118",
				service,
				["spec", "ports", at],
				`${found}: the proxy finds out from the first bytes`,
				"begin the name with http, http2, grpc, https, tls, tcp, mongo, mysql or redis, or set appProtocol",
			);
		}
}

function needsSniffing(port: KubernetesServicePort): boolean {
	if (port.protocol === "UDP" || port.protocol === "SCTP" || port.appProtocol) return false;
	const name = (port.name ?? "").toLowerCase();
	if (name === "" && serverFirstPorts.has(port.port)) return false;
	const dash = name.indexOf("-");
	return !prefixes.has(dash < 0 ? name : name.slice(0, dash));
}

/** What goes through it is proxied as bytes: no request of HTTP is seen. */
export function speaksBytes(port: KubernetesServicePort): boolean {
	if (port.protocol === "UDP" || port.protocol === "SCTP") return false;
	const name = (port.name ?? "").toLowerCase();
	const said = port.appProtocol?.toLowerCase() ?? name.split("-")[0] ?? "";
	return byteProtocols.has(said) || (said === "" && serverFirstPorts.has(port.port));
}

/** Without an address of its own, a TCP port of a ServiceEntry takes all traffic to that port, wherever it goes. */
export function checkAddressesNeeded(index: MeshIndex, report: Report): void {
	for (const entry of index.of("ServiceEntry")) {
		if (entry.spec.addresses?.length || getsAddress(entry)) continue;
		for (const [at, port] of (entry.spec.ports ?? []).entries())
			if (!port.protocol || port.protocol.toUpperCase() === "TCP")
				report(
					"warning",
					"IST0134",
					entry,
					["spec", "ports", at],
					`port ${port.number} is plain TCP and the ServiceEntry has no addresses: it takes all traffic to that port`,
					"add addresses, or a protocol such as TLS or HTTP",
				);
	}
}

/** An address is allotted to entries with plain host names that are resolved somehow. */
function getsAddress(entry: ConfigObject<"ServiceEntry">): boolean {
	const optedOut = entry.metadata.labels["networking.istio.io/enable-autoallocate-ip"] === "false";
	const { resolution = "NONE", hosts = [] } = entry.spec;
	return !optedOut && resolution !== "NONE" && !hosts.some((host) => host.startsWith("*"));
}

/** A load balancer that somebody else has given an address is theirs. */
export function checkAskedAddresses(index: MeshIndex, report: Report): void {
	const held = new Set(index.of("VirtualIP").flatMap(heldAddresses));
	for (const service of index.of("Service")) {
		if (service.spec.status?.loadBalancer?.ingress?.length) continue;
		const inSpec = canonicalAddress(service.spec.loadBalancerIP ?? "")?.text;
		for (const address of askedAddresses(service)) {
			if (held.has(address)) continue;
			report(
				"warning",
				undefined,
				service,
				address === inSpec ? ["spec", "loadBalancerIP"] : ["metadata", "annotations", askedAddressesAnnotation],
				`no VirtualIP here has ${address}: unless something else gives it, the Service has no such address`,
				"add it to a VirtualIP; for an address that is held by other means, use externalIPs",
			);
		}
	}
}

/** Certificates come from the namespace of the gateway's proxies; where those are not known, any namespace will do. */
export function checkCredentials(index: MeshIndex, report: Report): void {
	const secrets = new Map<string, Set<string>>();
	for (const { metadata } of index.of("Secret"))
		secrets.set(metadata.name, (secrets.get(metadata.name) ?? new Set()).add(metadata.namespace));
	for (const gateway of index.of("Gateway")) {
		let namespaces: ReadonlySet<string> | undefined;
		for (const [at, { tls }] of (gateway.spec.servers ?? []).entries())
			for (const name of [tls?.credentialName, ...(tls?.credentialNames ?? []), tls?.caCertCredentialName]) {
				// Other schemes (`builtin://`, `configmap://`) are not secrets.
				if (!name || /^(?!kubernetes:)\w+:\/\//.test(name)) continue;
				namespaces ??= proxyNamespaces(gateway, index);
				const bare =
					name
						.replace(/^kubernetes:\/\//, "")
						.split("/")
						.at(-1) ?? name;
				const found = [...(secrets.get(bare) ?? [])].some(
					(namespace) => namespaces?.size === 0 || namespaces?.has(namespace),
				);
				if (found) continue;
				const where =
					namespaces.size === 0 ? "" : ` in namespace ${[...namespaces].join(", ")}, where the gateway's proxies are`;
				report(
					"error",
					"IST0101",
					gateway,
					["spec", "servers", at, "tls"],
					`there is no Secret ${bare}${where}`,
					"create it with tls.crt and tls.key",
				);
			}
	}
}

function proxyNamespaces(gateway: ConfigObject<"Gateway">, index: MeshIndex): ReadonlySet<string> {
	const selector = gateway.spec.selector ?? {};
	if (Object.keys(selector).length === 0) return new Set();
	const found = new Set<string>();
	for (const [namespace, workloads] of index.workloads)
		if (workloads.some((workload) => selects(selector, workload.labels))) found.add(namespace);
	return found;
}
