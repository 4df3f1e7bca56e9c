// GET /api/v1/access: may one workload send a request to another, at each port, and which rule decides.

import type { Proxy as MeshProxy } from "../../model/proxy.ts";
import { type AccessAnswer, checkAccess } from "../../policy/check-access.ts";
import { normalPath } from "../../policy/normal-path.ts";
import type { Snapshot } from "../../snapshot/snapshot.ts";
import { ApiError } from "./api-server.ts";
import { findWorkloads, likeness, type Workload } from "./workload-items.ts";

/** Answers for servers that are guarded alike. */
export interface AccessItem {
	/** `NAMESPACE/POD`; absent: outside of the mesh. */
	readonly client?: string;
	readonly server: string;
	/** How many servers are like this one. */
	readonly servers: number;
	readonly answers: readonly AccessAnswer[];
}

/**
 * Query: `from` and `to` as `[NAMESPACE/]NAME` of a pod, a WorkloadEntry, a Deployment or a service (`from=outside` for nobody of the mesh),
 * `namespace` for names without one, `method`, `path`, `host`, `port`, `header=name:value`, `claims` (JSON).
 */
export function accessItems(
	snapshot: Snapshot,
	connected: readonly MeshProxy[],
	query: URLSearchParams,
): readonly AccessItem[] {
	const from = query.get("from") ?? "";
	const to = query.get("to") ?? "";
	if (from === "" || to === "")
		throw new ApiError(400, "say ?from=WORKLOAD&to=WORKLOAD", "keepmesh authz check --help");
	const find = (text: string): readonly Workload[] => {
		const [name = "", namespace = query.get("namespace") ?? "default"] = text.split("/").reverse();
		const named = findWorkloads(snapshot, connected, { namespace, name });
		const found = named.length > 0 ? named : findWorkloads(snapshot, connected, { namespace, service: name });
		if (found.length > 0) return found;
		throw new ApiError(
			404,
			`there is no workload or service ${name} in namespace ${namespace}`,
			"keepmesh get pods -A, or keepmesh proxy-status for machines",
		);
	};
	const clients = from === "outside" ? [undefined] : firstOfEach(find(from)).map(({ first }) => first);
	const path = query.get("path") ?? "/";
	const port = query.get("port");
	return clients.flatMap((client) =>
		firstOfEach(find(to)).map(({ first: server, count }): AccessItem => {
			const answers = checkAccess(snapshot, {
				...(client && { client: { proxy: client.proxy, hasProxy: client.state !== "none" } }),
				server: { proxy: server.proxy, hasProxy: server.state !== "none" },
				...(port === null ? {} : { port: Number(port) }),
				http: {
					method: query.get("method") ?? "GET",
					path: normalPath(path, snapshot.routing.mesh.pathNormalization),
					host: query.get("host") ?? to.split("/").at(-1) ?? "",
					headers: headersIn(query.getAll("header")),
					...claimsIn(query.get("claims")),
				},
			});
			return { ...(client && { client: nameOf(client) }), server: nameOf(server), servers: count, answers };
		}),
	);
}

function firstOfEach(workloads: readonly Workload[]): readonly { readonly first: Workload; readonly count: number }[] {
	return [...Map.groupBy(workloads, likeness).values()].flatMap((alike) => {
		const [first] = alike;
		return first ? [{ first, count: alike.length }] : [];
	});
}

const nameOf = ({ proxy }: Workload): string => `${proxy.namespace}/${proxy.name}`;

function headersIn(texts: readonly string[]): Readonly<Record<string, string>> {
	return Object.fromEntries(
		texts.map((text) => {
			const [name = "", ...value] = text.split(":");
			return [name.trim().toLowerCase(), value.join(":").trim()];
		}),
	);
}

function claimsIn(text: string | null): { readonly claims?: Readonly<Record<string, unknown>> } {
	if (text === null) return {};
	try {
		const claims: unknown = JSON.parse(text);
		if (typeof claims === "object" && claims !== null) return { claims: claims as Readonly<Record<string, unknown>> };
	} catch {
		// Said below.
	}
	throw new ApiError(
		400,
		"claims is not a JSON object",
		`keepmesh authz check A B --claims '{"iss":"...","sub":"..."}'`,
	);
}
