// A client, a server and a request -> may it, at each port of the server, and why: the connection first (mutual TLS or not,
// and does the server take it), then the policies.

import type { Proxy as MeshProxy } from "../model/proxy.ts";
import { mtlsOnPort, type WorkloadSecurity } from "../model/security.ts";
import type { InboundPort } from "../model/view.ts";
import type { Snapshot } from "../snapshot/snapshot.ts";
import { viewFor } from "../snapshot/view-for.ts";
import type { AccessRequest, HttpFacts } from "./access-request.ts";
import { type AccessDecision, decideAccess } from "./decide-access.ts";
import { effectiveMtls, type MtlsClient, type MtlsPath, type MtlsReason } from "./effective-mtls.ts";

export interface AccessServer {
	readonly proxy: MeshProxy;
	readonly hasProxy: boolean;
}

export interface AccessQuestion {
	/** Absent: somebody outside of the mesh. */
	readonly client?: MtlsClient;
	readonly server: AccessServer;
	/** A port of the workload, or of a service in front of it. Default: all ports that services lead to. */
	readonly port?: number;
	/** Looked at on ports that speak HTTP. */
	readonly http: HttpFacts;
}

export interface AccessAnswer {
	/** Port of the workload. */
	readonly port: number;
	readonly protocol: string;
	readonly connection: Pick<MtlsPath, "clientSends" | "serverAccepts" | "works"> & {
		readonly because: readonly MtlsReason[];
	};
	/** Who the client is to the server; absent for plaintext. */
	readonly principal?: string;
	/** Absent when the connection does not come about, or no proxy stands before the server. */
	readonly decision?: AccessDecision;
	readonly allowed: "yes" | "no" | "the provider decides";
}

export function checkAccess(snapshot: Snapshot, question: AccessQuestion): readonly AccessAnswer[] {
	const { server, port } = question;
	const { inbound, gateway } = viewFor(snapshot, server.proxy);
	const security = (gateway ?? inbound)?.security ?? { authorization: [], authentication: [] };
	const ports = gateway
		? gateway.listeners.map((one): InboundPort => ({ targetPort: one.port, protocol: "HTTP" }))
		: (inbound?.ports ?? []);
	const wanted = ports.filter(
		(one) => port === undefined || one.targetPort === port || one.servicePort?.number === port,
	);
	const unnamed: readonly InboundPort[] = port === undefined ? [] : [{ targetPort: port, protocol: "TCP" }];
	return (wanted.length > 0 ? wanted : unnamed).map((one) => answerAt(snapshot, question, security, one));
}

function answerAt(
	snapshot: Snapshot,
	{ client, server, http }: AccessQuestion,
	security: WorkloadSecurity,
	port: InboundPort,
): AccessAnswer {
	const connection = connectionTo(snapshot, client, server, security, port);
	const facts = { port: port.targetPort, protocol: port.protocol, connection };
	if (!connection.works) return { ...facts, allowed: "no" };
	const { trustDomain, trustDomainAliases } = snapshot.routing.mesh;
	const own = client?.proxy;
	const principal =
		own && connection.clientSends === "mtls"
			? `${trustDomain}/ns/${own.namespace}/sa/${own.serviceAccount}`
			: undefined;
	const known = { ...facts, ...(principal === undefined ? {} : { principal }) };
	if (!server.hasProxy) return { ...known, allowed: "yes" };
	const sourceIp = own?.ipAddresses[0];
	const destinationIp = server.proxy.ipAddresses[0];
	const request: AccessRequest = {
		destinationPort: port.targetPort,
		...(principal === undefined ? {} : { principal }),
		...(sourceIp === undefined ? {} : { sourceIp }),
		...(destinationIp === undefined ? {} : { destinationIp }),
		...(speaksHttp(port) ? { http } : {}),
	};
	const decision = decideAccess(security.authorization, request, [trustDomain, ...trustDomainAliases]);
	return { ...known, decision, allowed: allowedBy[decision.outcome] };
}

const allowedBy: Readonly<Record<AccessDecision["outcome"], AccessAnswer["allowed"]>> = {
	allowed: "yes",
	denied: "no",
	asksProvider: "the provider decides",
};

/** A port that is sniffed is taken to get the request that is asked about. */
function speaksHttp({ protocol }: InboundPort): boolean {
	return ["HTTP", "HTTP2", "GRPC", "GRPC-WEB", "AUTO"].includes(protocol);
}

function connectionTo(
	snapshot: Snapshot,
	client: MtlsClient | undefined,
	server: AccessServer,
	security: WorkloadSecurity,
	port: InboundPort,
): AccessAnswer["connection"] {
	const serverAccepts =
		server.hasProxy && security.mtls
			? mtlsOnPort(security.mtls, port.targetPort)
			: server.hasProxy
				? "PERMISSIVE"
				: "DISABLE";
	const { service, servicePort } = port;
	if (client && service && servicePort) {
		const paths = effectiveMtls(snapshot, client, (view) => view.service.key === service.key)
			.filter((one) => one.port === servicePort.number)
			.flatMap((one) => one.paths);
		const path = paths.find((one) => one.subset === undefined && one.serverAccepts === serverAccepts);
		if (path) return path;
	}
	const works = serverAccepts !== "STRICT";
	const says = client
		? "no service that the client knows leads here, so it connects directly, in plaintext"
		: "the client is outside of the mesh";
	const because = [{ says, sources: [] }];
	if (works) return { clientSends: "plaintext", serverAccepts, works, because };
	const sources = security.mtls?.sources ?? [];
	return {
		clientSends: "plaintext",
		serverAccepts,
		works,
		because: [...because, { says: "the server takes mutual TLS only", sources }],
	};
}
