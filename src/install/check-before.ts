// Whether Keepmesh can be installed into a cluster. In: facts. Out: findings, each with what to type.

import type { Finding, Level } from "../host-check/setting.ts";
import type { ClusterFacts } from "./cluster-facts.ts";
import { defaultRevision } from "./release-names.ts";

const leastServer = { major: 1, minor: 29 };
/** Redirects belong to the process that holds them (nftables tables with an owner). */
const leastKernel = { major: 5, minor: 14 };

export function checkBefore(facts: ClusterFacts, revision: string): readonly Finding[] {
	return [
		serverVersion(facts),
		rights(facts),
		nodes(facts),
		kernels(facts),
		security(facts),
		rivals(facts, revision),
	].flat();
}

export const finding = (
	id: string,
	level: Level,
	text: {
		readonly label: string;
		readonly is: string;
		readonly shouldBe: string;
		readonly fault: string;
		readonly detail: string;
		readonly remedy?: string;
	},
): Finding => ({ id, level, roles: ["control", "node"], ...text });

function serverVersion({ server }: ClusterFacts): Finding {
	const { major, minor } = versionIn(server);
	const isNewEnough = isAtLeast({ major, minor }, leastServer);
	return finding("cluster.version", isNewEnough ? "ok" : "must", {
		label: "Kubernetes",
		is: server,
		shouldBe: `>= ${leastServer.major}.${leastServer.minor}`,
		fault: "a proxy may start after its application",
		detail: "Proxies are native sidecars: init containers that stay, which servers before 1.29 do not know.",
		remedy: "upgrade the cluster",
	});
}

function rights({ refused }: ClusterFacts): Finding {
	return finding("cluster.rights", refused.length === 0 ? "ok" : "must", {
		label: "rights",
		is: refused.length === 0 ? "all that are needed" : `not: ${refused.join(", ")}`,
		shouldBe: "an administrator's",
		fault: "the charts cannot be installed",
		detail: "The charts make kinds, roles, webhooks and an agent on each node.",
		remedy: "use a kubeconfig with the role cluster-admin",
	});
}

function nodes({ nodes: all }: ClusterFacts): Finding {
	const down = all.filter(({ isReady }) => !isReady).map(({ name }) => name);
	return finding("cluster.nodes", all.length === 0 ? "must" : down.length > 0 ? "should" : "ok", {
		label: "nodes",
		is: all.length === 0 ? "none" : down.length > 0 ? `not ready: ${down.join(", ")}` : `${all.length} ready`,
		shouldBe: "all ready",
		fault: "their agents do not start",
		detail: "Each node runs an agent, which serves the proxies of its pods.",
		remedy: "kubectl describe node NAME",
	});
}

function kernels({ nodes: all }: ClusterFacts): readonly Finding[] {
	const linux = all.filter(({ os }) => os === "linux");
	const old = linux.filter(({ kernel }) => !isAtLeast(versionIn(kernel), leastKernel));
	if (linux.length === 0) return [];
	const names = (some: typeof linux): string => some.map(({ name, kernel }) => `${name} ${kernel}`).join(", ");
	const newest = [...new Set(linux.map(({ kernel }) => kernel))].join(", ");
	return [
		finding("cluster.kernel", old.length > 0 ? "should" : "ok", {
			label: "kernel of the nodes",
			is: old.length > 0 ? names(old) : newest,
			shouldBe: `>= ${leastKernel.major}.${leastKernel.minor}`,
			fault: "an Envoy's restart refuses connections, or its redirect outlives it",
			detail: "Redirects end with the process that holds them, and a new Envoy takes connections over in the kernel.",
			remedy: "upgrade the nodes' kernel",
		}),
	];
}

/** The installation labels its own namespace; somebody else's label would have to go first. */
function security({ namespace, podSecurity }: ClusterFacts): readonly Finding[] {
	if (podSecurity === undefined || podSecurity === "privileged") return [];
	return [
		finding("cluster.pod-security", "should", {
			label: `pod security of ${namespace}`,
			is: podSecurity,
			shouldBe: "privileged",
			fault: "the agents of the nodes are refused",
			detail: "The agent enters the network namespaces of other pods.",
			remedy: `kubectl label --overwrite namespace ${namespace} pod-security.kubernetes.io/enforce=privileged`,
		}),
	];
}

function rivals({ injectors, namespace, otherInjectors }: ClusterFacts, revision: string): readonly Finding[] {
	const same = injectors.filter((one) => one.chosenBy === revision);
	const tag = same.find((one) => one.namespace === namespace && one.isTag);
	if (tag)
		return [
			finding("cluster.injectors", "must", {
				label: "who injects proxies",
				is: `tag ${revision} of revision ${tag.revision}`,
				shouldBe: "one for each label",
				fault: "pods would get two proxies",
				detail: "A tag and a revision of one name answer for the same pods.",
				remedy: `keepmesh tag remove ${revision} --force, then at once keepmesh install; or install under another --revision`,
			}),
		];
	const elsewhere = same.filter((one) => one.namespace !== namespace);
	const others = otherInjectors.filter(({ takesEnabled }) => takesEnabled && revision === defaultRevision);
	const names = [...elsewhere, ...others].map(({ name }) => name);
	if (names.length === 0) return [];
	return [
		finding("cluster.injectors", "must", {
			label: "who injects proxies",
			is: names.join(", "),
			shouldBe: "one for each label",
			fault: "pods would get two proxies",
			detail: "Two programs would answer for the same pods, and each would put its proxy in.",
			remedy: "keepmesh install --revision keepmesh, and istio.io/rev=keepmesh on the namespaces that shall move",
		}),
	];
}

interface Version {
	readonly major: number;
	readonly minor: number;
}

export function versionIn(text: string): Version {
	const [, major = "0", minor = "0"] = /(\d+)\.(\d+)/.exec(text) ?? [];
	return { major: Number(major), minor: Number(minor) };
}

const isAtLeast = (is: Version, least: Version): boolean =>
	is.major > least.major || (is.major === least.major && is.minor >= least.minor);
