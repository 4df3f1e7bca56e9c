// The servers of all Gateways that one gateway workload runs, put together by address and port (Istio's merge): plain HTTP
// servers share a port, TLS servers share it while their host names differ, and what came first wins.

import type { GatewayListenerView } from "../model/view.ts";
import type { ConfigObject } from "../resources/config-object.ts";
import { keyOf } from "../resources/config-object.ts";
import type { GatewayServer } from "../resources/kinds/networking.ts";
import type { BuildProblem } from "./build-problem.ts";
import { isHttp, protocolNamed } from "./protocol-selection.ts";

type Gateway = ConfigObject<"Gateway">;

export interface MergedServer {
	readonly gateway: Gateway;
	readonly server: GatewayServer;
	/** Those of the server's host entries that it got. */
	readonly hosts: readonly ServedHost[];
	readonly routeName?: string;
}

export interface ServedHost {
	/** Namespace whose VirtualServices may use it; `*` for all. */
	readonly namespace: string;
	readonly host: string;
}

export interface MergedListener extends Pick<GatewayListenerView, "bind" | "port" | "transport"> {
	readonly servers: readonly MergedServer[];
}

/** `gateways` are oldest first; `portOf` tells where the workload listens for a port that clients name. */
export function mergeGatewayServers(
	gateways: readonly Gateway[],
	portOf: (port: number) => number,
): { readonly listeners: readonly MergedListener[]; readonly problems: readonly BuildProblem[] } {
	const drafts = new Map<string, Draft>();
	const problems: BuildProblem[] = [];
	for (const gateway of gateways) {
		for (const server of gateway.spec.servers ?? []) {
			const port = portOf(server.port.number);
			const bind = server.bind || "0.0.0.0";
			const sort = sortOf(server);
			const draft = drafts.get(`${bind} ${port}`);
			if (draft === undefined) {
				const made: Draft = { bind, port, sort, servers: [], owners: new Map() };
				drafts.set(`${bind} ${port}`, made);
				addServer(made, gateway, server, problems);
			} else if (draft.sort === sort) addServer(draft, gateway, server, problems);
			else problems.push(refusal(gateway, server, `port ${port} is already ${saying[draft.sort]}`, draft.servers[0]));
		}
	}
	const listeners = [...drafts.values()]
		.filter((draft) => draft.servers.length > 0)
		.map(({ bind, port, sort, servers }) => ({ bind, port, transport: transportOf(sort), servers }))
		.sort((a, b) => a.port - b.port || (a.bind < b.bind ? -1 : 1));
	return { listeners, problems };
}

type Sort = "http" | "tcp" | "tls";

const saying: Readonly<Record<Sort, string>> = { http: "plain HTTP", tcp: "plain TCP", tls: "TLS" };

interface Draft {
	readonly bind: string;
	readonly port: number;
	readonly sort: Sort;
	readonly servers: MergedServer[];
	/** Host -> the Gateway that has it; only for TLS, where a name can lead to one server only. */
	readonly owners: Map<string, Gateway>;
}

/** A plain HTTP port with `tls.httpsRedirect` is plain: it only sends clients elsewhere. */
function sortOf(server: GatewayServer): Sort {
	const protocol = protocolNamed(server.port.protocol) ?? "TCP";
	if (isHttp(protocol)) return "http";
	return protocol === "HTTPS" || protocol === "TLS" || server.tls !== undefined ? "tls" : "tcp";
}

function transportOf(sort: Sort): GatewayListenerView["transport"] {
	return sort === "tls" ? "tls" : "plain";
}

function addServer(draft: Draft, gateway: Gateway, server: GatewayServer, problems: BuildProblem[]): void {
	const all = server.hosts.map((text) => servedHost(text, gateway.metadata.namespace));
	const hosts = draft.sort === "tls" ? claimHosts(draft, gateway, server, all, problems) : all;
	if (hosts.length === 0) return;
	const routeName = routeNameOf(draft, gateway, server);
	draft.servers.push({ gateway, server, hosts, ...(routeName === undefined ? {} : { routeName }) });
}

function claimHosts(
	draft: Draft,
	gateway: Gateway,
	server: GatewayServer,
	all: readonly ServedHost[],
	problems: BuildProblem[],
): readonly ServedHost[] {
	const free: ServedHost[] = [];
	const claimed = new Set<string>();
	for (const entry of all) {
		const owner = draft.owners.get(entry.host);
		if (owner === undefined || claimed.has(entry.host)) {
			free.push(entry);
			claimed.add(entry.host);
			draft.owners.set(entry.host, gateway);
		} else {
			const because = `server ${nameOf(server)}: port ${draft.port} already serves ${entry.host}`;
			problems.push({ object: keyOf(gateway), because, winner: keyOf(owner) });
		}
	}
	return free;
}

/** `ns/host`, `./host`, or a host that VirtualServices of any namespace may use. */
function servedHost(text: string, namespace: string): ServedHost {
	const slash = text.indexOf("/");
	if (slash < 0) return { namespace: "*", host: text.toLowerCase() };
	const owner = text.slice(0, slash);
	return { namespace: owner === "." ? namespace : owner, host: text.slice(slash + 1).toLowerCase() };
}

/** Name of the route table in RDS; undefined where no HTTP is read. */
function routeNameOf(draft: Draft, gateway: Gateway, server: GatewayServer): string | undefined {
	if (draft.sort === "http") return `http.${draft.port}${server.bind ? `.${server.bind}` : ""}`;
	const opened = server.tls?.mode !== "PASSTHROUGH" && server.tls?.mode !== "AUTO_PASSTHROUGH";
	if (protocolNamed(server.port.protocol) !== "HTTPS" || server.tls === undefined || !opened) return undefined;
	const { name, namespace } = gateway.metadata;
	return `https.${server.port.number}.${server.port.name ?? ""}.${name}.${namespace}`;
}

function refusal(gateway: Gateway, server: GatewayServer, why: string, winner: MergedServer | undefined): BuildProblem {
	return {
		object: keyOf(gateway),
		because: `server ${nameOf(server)} is not served: ${why}`,
		...(winner === undefined ? {} : { winner: keyOf(winner.gateway) }),
	};
}

function nameOf(server: GatewayServer): string {
	return server.port.name || String(server.port.number);
}
