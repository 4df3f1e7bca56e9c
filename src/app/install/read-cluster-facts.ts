// Reads what a check of a cluster looks at from its API server. Out: facts, or a CliError when the server does not answer.

import type { ClusterFacts, LeaderFacts, NodeFacts } from "../../install/cluster-facts.ts";
import { defaultRevision } from "../../install/release-names.ts";
import { type KubernetesClient, TransportError } from "../../kubernetes/client/kubernetes-client.ts";
import { CliError, exitCodes } from "../cli/cli-error.ts";
import { readInjectors } from "./read-injectors.ts";
import { readNamespaces } from "./read-namespaces.ts";
import { listAt, type Named, objectAt } from "./read-objects.ts";
import { readAgents, readControl } from "./read-parts.ts";
import { readProxies } from "./read-proxies.ts";

/** What installing does, as verb, group and resource. */
const deeds = [
	["create", "apiextensions.k8s.io", "customresourcedefinitions"],
	["create", "rbac.authorization.k8s.io", "clusterroles"],
	["create", "admissionregistration.k8s.io", "mutatingwebhookconfigurations"],
	["create", "", "namespaces"],
	["create", "apps", "deployments"],
	["create", "apps", "daemonsets"],
] as const;

export async function readClusterFacts(client: KubernetesClient, namespace: string): Promise<ClusterFacts> {
	try {
		return await read(client, namespace);
	} catch (error) {
		if (!(error instanceof TransportError)) throw error;
		throw new CliError(exitCodes.unavailable, `the API server does not answer: ${error.message}`, "kubectl version");
	}
}

async function read(client: KubernetesClient, namespace: string): Promise<ClusterFacts> {
	const [version, nodes, refused, space, kinds, control, agents, injection, leases, slices] = await Promise.all([
		objectAt<{ gitVersion?: string }>(client, "/version"),
		listAt<NodeObject>(client, "/api/v1/nodes"),
		readRefused(client, namespace),
		objectAt<Named>(client, `/api/v1/namespaces/${namespace}`),
		listAt<KindObject>(client, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"),
		readControl(client, namespace),
		readAgents(client, namespace),
		readInjectors(client),
		listAt<LeaseObject>(client, `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases`),
		listAt<SliceObject>(client, `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices`),
	]);
	const podSecurity = space?.metadata.labels?.["pod-security.kubernetes.io/enforce"];
	return {
		namespace,
		server: version?.gitVersion ?? "unknown",
		nodes: nodes.map(nodeFacts),
		refused,
		...(podSecurity === undefined ? {} : { podSecurity }),
		kinds: new Set(kinds.filter(isEstablished).map(({ metadata }) => metadata.name)),
		control,
		agents,
		injectors: injection.ours,
		otherInjectors: injection.others,
		namespaces: await readNamespaces(client),
		proxies: await readProxies(client),
		leaders: leases.flatMap((lease) => leaderOf(lease) ?? []),
		servedServices: new Set(
			slices.filter(hasReady).flatMap(({ metadata }) => metadata.labels?.["kubernetes.io/service-name"] ?? []),
		),
	};
}

interface Condition {
	readonly type: string;
	readonly status: string;
}

interface NodeObject extends Named {
	readonly status: {
		readonly conditions?: readonly Condition[];
		readonly nodeInfo: {
			readonly kernelVersion: string;
			readonly operatingSystem: string;
			readonly architecture: string;
			readonly kubeletVersion: string;
		};
	};
}

interface KindObject extends Named {
	readonly status?: { readonly conditions?: readonly Condition[] };
}

interface LeaseObject extends Named {
	readonly spec?: {
		readonly holderIdentity?: string;
		readonly renewTime?: string;
		readonly leaseDurationSeconds?: number;
	};
}

interface SliceObject extends Named {
	readonly endpoints?: readonly { readonly conditions?: { readonly ready?: boolean } }[] | null;
}

const hasReady = ({ endpoints }: SliceObject): boolean =>
	(endpoints ?? []).some(({ conditions }) => conditions?.ready !== false);

const isTrue = (conditions: readonly Condition[] | undefined, type: string): boolean =>
	(conditions ?? []).some((one) => one.type === type && one.status === "True");

const isEstablished = ({ status }: KindObject): boolean => isTrue(status?.conditions, "Established");

function nodeFacts({ metadata, status }: NodeObject): NodeFacts {
	const { architecture, kernelVersion, kubeletVersion, operatingSystem } = status.nodeInfo;
	return {
		name: metadata.name,
		isReady: isTrue(status.conditions, "Ready"),
		kernel: kernelVersion,
		os: operatingSystem,
		architecture,
		kubelet: kubeletVersion,
	};
}

const leaseName = /^keepmesh-control(?:-(.+))?$/;

function leaderOf({ metadata, spec }: LeaseObject): LeaderFacts | undefined {
	const name = leaseName.exec(metadata.name);
	const { holderIdentity, leaseDurationSeconds = 15, renewTime } = spec ?? {};
	if (!name || holderIdentity === undefined || renewTime === undefined) return undefined;
	return {
		revision: name[1] ?? defaultRevision,
		holder: holderIdentity,
		renewedMsAgo: Math.max(0, Date.now() - Date.parse(renewTime)),
		leaseMs: leaseDurationSeconds * 1000,
	};
}

async function readRefused(client: KubernetesClient, namespace: string): Promise<readonly string[]> {
	const answers = await Promise.all(
		deeds.map(async ([verb, group, resource]) => {
			const { body } = await client.request("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", {
				body: {
					apiVersion: "authorization.k8s.io/v1",
					kind: "SelfSubjectAccessReview",
					spec: { resourceAttributes: { verb, group, resource, namespace } },
				},
			});
			const { allowed } = (body as { status?: { allowed?: boolean } }).status ?? {};
			return allowed === false ? [`${verb} ${resource}`] : [];
		}),
	);
	return answers.flat();
}
