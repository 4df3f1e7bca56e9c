// A client and a port of a service -> what the client sends, what the server takes, whether that goes together, and why.
// It asks the same rules that clusters are made by, so that it cannot say something else than what Envoy does.

import { automaticTls, tlsForRole } from "../envoy/cluster/outbound-cluster.ts";
import { hasLabels, type ProxyRole, type ServiceCluster, serviceClusters } from "../envoy/cluster/service-clusters.ts";
import type { Endpoint } from "../model/endpoint.ts";
import type { Proxy as MeshProxy } from "../model/proxy.ts";
import { type InboundMtls, mtlsOnPort, mtlsSourceOnPort } from "../model/security.ts";
import type { ServiceView } from "../model/view.ts";
import type { ObjectKey } from "../resources/config-object.ts";
import { mtlsOf } from "../snapshot/peer-mtls.ts";
import type { Snapshot } from "../snapshot/snapshot.ts";
import { viewFor } from "../snapshot/view-for.ts";

export interface MtlsClient {
	readonly proxy: MeshProxy;
	/** False: a workload without a proxy, which sends what its application sends. */
	readonly hasProxy: boolean;
}

export interface MtlsReason {
	readonly says: string;
	readonly sources: readonly ObjectKey[];
}

/** What happens to connections to some endpoints of a service. */
export interface MtlsPath {
	/** Absent: all of the service. Subsets are shown when they differ from it. */
	readonly subset?: string;
	/** `tls`: not the mesh's, but what a DestinationRule asks for. */
	readonly clientSends: "mtls" | "plaintext" | "tls";
	/** DISABLE as well where no proxy stands before the application. */
	readonly serverAccepts: InboundMtls;
	readonly works: boolean;
	readonly endpoints: number;
	readonly because: readonly MtlsReason[];
}

export interface EffectiveMtls {
	/** Host name. */
	readonly service: string;
	readonly port: number;
	/** Empty when the service has no endpoints. */
	readonly paths: readonly MtlsPath[];
}

/** For every service that the client may call and that `isWanted`; sorted by host name. */
export function effectiveMtls(
	snapshot: Snapshot,
	client: MtlsClient,
	isWanted: (view: ServiceView) => boolean = () => true,
): readonly EffectiveMtls[] {
	const { outbound, gateway } = viewFor(snapshot, client.proxy);
	const services = (gateway ?? outbound)?.services ?? [];
	const role: ProxyRole = gateway === undefined ? "sidecar" : "gateway";
	return services.filter(isWanted).flatMap((view) => {
		const clusters = Map.groupBy(serviceClusters(view, role), (cluster) => cluster.port.number);
		return [...clusters].map(([port, ofPort]): EffectiveMtls => {
			const endpoints = snapshot.endpoints.byService.get(view.service.key)?.byPort.get(port) ?? [];
			const paths = ofPort.flatMap((cluster) => pathsOf(snapshot, client, { view, cluster, role, endpoints }));
			return { service: view.service.hostname, port, paths: withoutLikeSubsets(paths) };
		});
	});
}

interface Target {
	readonly view: ServiceView;
	readonly cluster: ServiceCluster;
	readonly role: ProxyRole;
	readonly endpoints: readonly Endpoint[];
}

function pathsOf(snapshot: Snapshot, client: MtlsClient, target: Target): readonly MtlsPath[] {
	const { cluster, endpoints } = target;
	const groups = new Map<string, MtlsPath>();
	for (const endpoint of endpoints) {
		if (!hasLabels(endpoint.labels, cluster.subset?.labels)) continue;
		const path = pathTo(snapshot, client, target, endpoint);
		const key = JSON.stringify(path);
		const known = groups.get(key);
		groups.set(key, { ...path, endpoints: (known?.endpoints ?? 0) + 1 });
	}
	return [...groups.values()];
}

function pathTo(snapshot: Snapshot, client: MtlsClient, target: Target, endpoint: Endpoint): MtlsPath {
	const subset = target.cluster.subset?.name;
	const server = serverOf(snapshot, endpoint);
	const sent = sentBy(snapshot, client, target, endpoint, server);
	const failure = failureOf(sent.sends, server.accepts);
	return {
		...(subset === undefined ? {} : { subset }),
		clientSends: sent.sends,
		serverAccepts: server.accepts,
		works: failure === undefined,
		endpoints: 1,
		because: [...sent.because, ...server.because, ...(failure === undefined ? [] : [reason(failure)])],
	};
}

interface Server {
	readonly accepts: InboundMtls;
	readonly hasProxy: boolean;
	readonly because: readonly MtlsReason[];
}

function serverOf({ policies }: Snapshot, endpoint: Endpoint): Server {
	const mtls = mtlsOf(policies, endpoint.namespace, endpoint.labels);
	const mode = mtlsOnPort(mtls, endpoint.port);
	const hasProxy = endpoint.tlsMode === "istio" || mode === "DISABLE";
	if (endpoint.servingStep === "direct")
		return { accepts: "DISABLE", hasProxy, because: [reason("the server's proxy is passed by until it works again")] };
	if (!hasProxy)
		return { accepts: "DISABLE", hasProxy, because: [reason("no proxy of the mesh stands before the server")] };
	const source = mtlsSourceOnPort(mtls, endpoint.port);
	if (source === undefined)
		return { accepts: mode, hasProxy, because: [reason("the server takes both: no PeerAuthentication is for it")] };
	return { accepts: mode, hasProxy, because: [reason(serverSays[mode], source)] };
}

const serverSays: Readonly<Record<InboundMtls, string>> = {
	STRICT: "the server takes mutual TLS only",
	PERMISSIVE: "the server takes both mutual TLS and plaintext",
	DISABLE: "the server takes no mutual TLS",
};

interface Sent {
	readonly sends: MtlsPath["clientSends"];
	readonly because: readonly MtlsReason[];
}

function sentBy(snapshot: Snapshot, client: MtlsClient, target: Target, endpoint: Endpoint, server: Server): Sent {
	const { view, cluster, role } = target;
	const { mesh } = snapshot.routing;
	const plaintext = (says: string): Sent => ({ sends: "plaintext", because: [reason(says)] });
	if (!client.hasProxy) return plaintext("the client has no proxy of the mesh");
	const rules = view.destination?.sources ?? [];
	const tls = tlsForRole(cluster.policy?.tls, role);
	if (tls !== undefined) return ruled(tls.mode ?? "DISABLE", rules, client.proxy.workloadCertificate);
	if (cluster.policy?.tls?.credentialName)
		return { sends: "plaintext", because: [reason("a rule's credentialName counts at gateways only", ...rules)] };
	const options = { workloadCertificate: client.proxy.workloadCertificate };
	if (automaticTls(view, cluster, { mesh, role, options }) === "never") {
		if (!mesh.autoMtls)
			return plaintext("automatic mutual TLS is off in the MeshConfig, and no DestinationRule asks for TLS");
		if (!options.workloadCertificate) return plaintext("the client's proxy has no certificate");
		if (view.service.meshExternal) return plaintext("the service is outside of the mesh");
		return plaintext("the client chooses the endpoint itself, and not every one of the service takes mutual TLS");
	}
	if (endpoint.tlsMode === "istio")
		return { sends: "mtls", because: [reason("automatic mutual TLS: the server can take it")] };
	if (endpoint.servingStep === "direct")
		return plaintext("automatic mutual TLS: the server cannot take it at this time");
	return server.hasProxy
		? plaintext("automatic mutual TLS: the server's policy turns it off on this port")
		: plaintext("automatic mutual TLS is for endpoints with a proxy");
}

function ruled(
	mode: "DISABLE" | "SIMPLE" | "MUTUAL" | "ISTIO_MUTUAL",
	rules: readonly ObjectKey[],
	hasCertificate: boolean,
): Sent {
	const because = [reason(`DestinationRule: tls.mode ${mode}`, ...rules)];
	if (mode === "ISTIO_MUTUAL" && !hasCertificate)
		return { sends: "mtls", because: [...because, reason("the client's proxy has no certificate to show")] };
	return { sends: mode === "DISABLE" ? "plaintext" : mode === "ISTIO_MUTUAL" ? "mtls" : "tls", because };
}

/** Undefined when it goes together. */
function failureOf(sends: MtlsPath["clientSends"], accepts: InboundMtls): string | undefined {
	if (sends === "mtls") return accepts === "DISABLE" ? "nobody at the server answers the mesh's TLS" : undefined;
	if (accepts !== "STRICT") return undefined;
	return sends === "tls" ? "the server refuses TLS that is not the mesh's" : "the server refuses plaintext";
}

function reason(says: string, ...sources: readonly ObjectKey[]): MtlsReason {
	return { says, sources };
}

/** A subset is worth a line only where something else happens in it. */
function withoutLikeSubsets(paths: readonly MtlsPath[]): readonly MtlsPath[] {
	const textOf = ({ subset: _, endpoints: __, ...rest }: MtlsPath) => JSON.stringify(rest);
	const ofWhole = new Set(paths.filter((path) => path.subset === undefined).map(textOf));
	return paths.filter((path) => path.subset === undefined || !ofWhole.has(textOf(path)));
}
