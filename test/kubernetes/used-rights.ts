// What an installation uses of what its charts allow: ports; and rights, with what was refused: by the API server's audit log of a test cluster
// (cluster/plan/control-plane-commands.ts), against the roles as the cluster has them.

import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { clusterDirectory } from "../../cluster/cluster-paths.ts";
import type { TestCluster } from "./test-cluster.ts";

interface AuditEvent {
	readonly verb: string;
	/** When it was received: RFC 3339, UTC. */
	readonly requestReceivedTimestamp: string;
	readonly requestURI: string;
	readonly user: { readonly username: string };
	readonly objectRef?: {
		readonly apiGroup?: string;
		readonly resource?: string;
		readonly subresource?: string;
		readonly namespace?: string;
		readonly name?: string;
	};
	readonly annotations?: Readonly<Record<string, string>>;
}

interface Role {
	readonly kind: string;
	readonly metadata: { readonly name: string };
	readonly rules: readonly {
		readonly apiGroups?: readonly string[];
		readonly resources?: readonly string[];
		readonly nonResourceURLs?: readonly string[];
		readonly verbs: readonly string[];
	}[];
}

/** The role that every account has. */
export const everybodys = "system:discovery";

const account = "system:serviceaccount:keepmesh-system:";

/** Rights that are used when something happens which does not happen here. */
export const usedSeldom = [
	// A Gateway names a certificate; another replica signs, or the authority is rotated.
	"list secrets",
	"watch secrets",
	"update secrets",
	// The roots in every meshed namespace are others than before.
	"keepmesh-control-keepmesh-system: patch configmaps",
	// A node is lost; a pod's connections go another way.
	"keepmesh-system: create events",
	"patch events",
	"patch pods/status",
	"get pods",
	// A VirtualIP of its own, with keys, with Leases, a keepalived.conf; Services whose traffic stays on its machine.
	"keepmesh-vip-keepmesh-system: list endpointslices.discovery.k8s.io",
	"keepmesh-vip-keepmesh-system: watch endpointslices.discovery.k8s.io",
	"patch virtualips/status.keepmesh.io",
	"Role keepmesh-vip: get leases.coordination.k8s.io",
	"Role keepmesh-vip: create leases.coordination.k8s.io",
	"Role keepmesh-vip: update leases.coordination.k8s.io",
	"Role keepmesh-vip: list configmaps",
	"Role keepmesh-vip: watch configmaps",
];

/** `sinceMs`: of the wall clock; an installation before it had other roles. */
export function readAudit(
	{ record, shape }: Pick<TestCluster, "record" | "shape">,
	sinceMs: number,
): readonly AuditEvent[] {
	const directory = clusterDirectory(record.size.name, shape);
	const lines = globSync("audit*.log", { cwd: directory }).flatMap((name) =>
		readFileSync(join(directory, name), "utf8").split("\n"),
	);
	// The last line may be half written.
	const events = lines.filter((line) => line.endsWith("}")).map((line) => JSON.parse(line) as AuditEvent);
	return events.filter(({ requestReceivedTimestamp }) => Date.parse(requestReceivedTimestamp) >= sinceMs);
}

/**
 * What was refused because no role gives it: `keepmesh-node get pods`, `keepmesh-control get /metrics`. While roles come and go, and before a server that starts has read
 * them, what they do give is refused as well.
 */
export function missingRights(roles: readonly Role[], events: readonly AuditEvent[]): readonly string[] {
	const refused = events.filter(({ annotations }) => annotations?.["authorization.k8s.io/decision"] === "forbid");
	const missing = refused.filter(({ objectRef, requestURI, user, verb }) => {
		const rules = roles
			.filter(({ metadata: { name } }) => name.startsWith(nameOfAccount(user)) || name === everybodys)
			.flatMap((one) => one.rules);
		return !rules.some(
			({ apiGroups = [], resources = [], nonResourceURLs = [], verbs }) =>
				verbs.includes(verb) &&
				(objectRef === undefined
					? nonResourceURLs.some((allowed) => isPathMeant(allowed, pathOf(requestURI)))
					: apiGroups.includes(objectRef.apiGroup ?? "") &&
						resources.some((resource) => isMeant(resource, nameOf(objectRef)))),
		);
	});
	const asked = missing.map(
		({ objectRef, requestURI, user, verb }) =>
			`${nameOfAccount(user)} ${verb} ${objectRef === undefined ? pathOf(requestURI) : nameOf(objectRef)}`,
	);
	return [...new Set(asked)];
}

const pathOf = (uri: string): string => uri.replace(/\?.*$/, "");

function isPathMeant(rule: string, path: string): boolean {
	return rule.endsWith("*") ? path.startsWith(rule.slice(0, -1)) : rule === path;
}

const nameOfAccount = ({ username }: AuditEvent["user"]): string => username.replace(account, "");

/** Rights that nobody used: `ClusterRole keepmesh-node-keepmesh-system: get pods`. */
export function unusedRights(roles: readonly Role[], events: readonly AuditEvent[]): readonly string[] {
	return roles.flatMap(({ kind, metadata, rules }) => {
		const own = events.filter(({ user }) => metadata.name.startsWith(nameOfAccount(user)));
		return rules.flatMap(({ apiGroups = [], resources = [], verbs }) =>
			apiGroups.flatMap((group) =>
				resources.flatMap((resource) =>
					verbs
						.filter(
							(verb) =>
								!own.some(
									({ objectRef, verb: used }) =>
										// Where servers stream lists, who watches never lists.
										(used === verb || (verb === "list" && used === "watch")) &&
										(objectRef?.apiGroup ?? "") === group &&
										isMeant(resource, nameOf(objectRef)) &&
										(kind === "ClusterRole" || objectRef?.namespace === "keepmesh-system"),
								),
						)
						.map((verb) => `${kind} ${metadata.name}: ${verb} ${resource}${group === "" ? "" : `.${group}`}`),
				),
			),
		);
	});
}

const nameOf = (object: AuditEvent["objectRef"]): string =>
	`${object?.resource ?? ""}${object?.subresource ? `/${object.subresource}` : ""}`;

function isMeant(rule: string, used: string): boolean {
	if (rule === "*") return true;
	return rule.startsWith("*/") ? used.endsWith(rule.slice(1)) : rule === used;
}

/** `/proc/net/tcp` and `tcp6` of a pod -> the ports on which it takes connections from elsewhere, sorted. */
export function listeningPorts(text: string): readonly number[] {
	const listening = "0A";
	const ports = text.split("\n").flatMap((line) => {
		const [, local = "", , state] = line.trim().split(/\s+/);
		const [address = "", port = ""] = local.split(":");
		const isLoopback = /^0100007F$|^0{24}01000000$/.test(address);
		return state === listening && !isLoopback ? [Number.parseInt(port, 16)] : [];
	});
	return [...new Set(ports)].sort((a, b) => a - b);
}
