// Whether an installed mesh is well. In: facts. Out: findings, each with what to type.

import type { Finding } from "../host-check/setting.ts";
import { finding } from "./check-before.ts";
import type { ClusterFacts, PartFacts } from "./cluster-facts.ts";
import { controlLabel, defaultRevision, nodeLabel } from "./release-names.ts";

/** Without these nothing of Istio's is read. */
const istioKinds = ["virtualservices.networking.istio.io", "destinationrules.networking.istio.io"] as const;
const ownKinds = ["virtualips.keepmesh.io", "hotswitches.keepmesh.io", "meshconfigs.keepmesh.io"] as const;

export function checkInstalled(facts: ClusterFacts): readonly Finding[] {
	if (facts.control.length === 0)
		return [
			finding("mesh.installed", "must", {
				label: "installation",
				is: `none in ${facts.namespace}`,
				shouldBe: "one",
				fault: "there is no mesh",
				detail: "No Deployment of a control plane is there.",
				remedy: "keepmesh install --image IMAGE",
			}),
		];
	return [
		...facts.control.map((part) => partWell(part, facts.namespace, controlLabel)),
		...agents(facts),
		...versions(facts),
		kinds(facts),
		...leaders(facts),
		...injectors(facts),
		...replicas(facts),
		...unknownRevisions(facts),
		...podsWithout(facts),
		...proxiesOfNobody(facts),
	];
}

function partWell(part: PartFacts, namespace: string, selector: string): Finding {
	const { name, ready, troubles, updated, wanted } = part;
	const isWell = ready >= wanted && updated >= wanted;
	const is = updated < wanted ? `${ready} of ${wanted} ready, ${updated} of the newest` : `${ready} of ${wanted} ready`;
	const isControl = selector === controlLabel;
	const without = isControl ? "nothing changes, and no pod of the mesh starts" : "no pod of the mesh starts";
	return finding(`mesh.${name}`, isWell ? "ok" : ready === 0 ? "must" : "should", {
		label: name,
		is: troubles.length === 0 ? is : `${is}; ${troubles.join("; ")}`,
		shouldBe: "all ready",
		fault: ready === 0 ? without : "fewer may fail than you think",
		detail: isControl
			? "Control planes read resources, serve proxies and sign certificates; any of them can."
			: "The agent of a node serves the proxies of its pods; what runs goes on without it.",
		remedy: `kubectl --namespace ${namespace} describe pods --selector ${selector}`,
	});
}

function versions({ agents: nodes, control }: ClusterFacts): readonly Finding[] {
	const all = new Set([...control, ...nodes].map(({ version }) => version));
	if (all.size <= 1) return [];
	return [
		finding("mesh.versions", "note", {
			label: "versions",
			is: [...control, ...nodes].map(({ name, version }) => `${name} ${version}`).join(", "),
			shouldBe: "one, when an upgrade is over",
			fault: "an upgrade is under way, or was left half-way",
			detail: "Parts of neighbouring versions work with each other.",
			remedy: "keepmesh upgrade",
		}),
	];
}

function kinds({ kinds: there }: ClusterFacts): Finding {
	const missing = [...ownKinds, ...istioKinds].filter((name) => !there.has(name));
	return finding("mesh.kinds", missing.length === 0 ? "ok" : "should", {
		label: "kinds",
		is: missing.length === 0 ? "all there" : `missing: ${missing.join(", ")}`,
		shouldBe: "all there",
		fault: "such resources cannot be made",
		detail: "The chart crds has Keepmesh's kinds, and Istio's where the cluster has none.",
		remedy: "keepmesh upgrade (without --no-crds)",
	});
}

function leaders({ control, leaders: all, namespace }: ClusterFacts): readonly Finding[] {
	return control.map(({ name, revision }) => {
		const lease = all.find((one) => one.revision === revision);
		const isStale = lease !== undefined && lease.renewedMsAgo > lease.leaseMs * 2;
		const isNobody = lease === undefined || lease.holder === "";
		return finding(`mesh.leader.${revision}`, isNobody || isStale ? "should" : "ok", {
			label: revision === defaultRevision ? "leader" : `leader of ${revision}`,
			is: isNobody ? "nobody" : `${lease.holder}, ${Math.round(lease.renewedMsAgo / 1000)} s ago`,
			shouldBe: "one that says so",
			fault: "statuses of resources and the webhooks' certificate grow old",
			detail: "One of the control planes of a revision writes; all of them serve.",
			remedy: `kubectl --namespace ${namespace} get lease ${name} -o yaml`,
		});
	});
}

function agents({ agents: all, namespace }: ClusterFacts): readonly Finding[] {
	if (all.length > 0) return all.map((part) => partWell(part, namespace, nodeLabel));
	return [
		finding("mesh.agents", "must", {
			label: "agents of the nodes",
			is: "none",
			shouldBe: "one revision has them",
			fault: "no pod of the mesh starts",
			detail: "Every installed revision is one without agents (node.enabled=false).",
			remedy: "keepmesh upgrade --set node.enabled=true",
		}),
	];
}

function injectors({ injectors: all, namespace, servedServices }: ClusterFacts): readonly Finding[] {
	return all
		.filter((one) => one.namespace === namespace)
		.map(({ chosenBy, failurePolicy, hasAuthority, isTag, name, revision, service }) => {
			const isServed = servedServices.has(service);
			const what = isTag ? `tag ${chosenBy} of revision ${revision}` : `revision ${chosenBy}`;
			const fault = failurePolicy === "Fail" ? "no pod of its namespaces can start" : "pods start without a proxy";
			return finding(`mesh.injector.${chosenBy}`, hasAuthority && isServed ? "ok" : "must", {
				label: `injector ${chosenBy}`,
				is: !isServed ? `${service} has no endpoint` : hasAuthority ? "answers" : "has no caBundle yet",
				shouldBe: "answers",
				fault,
				detail: `${name}: ${what}, failurePolicy ${failurePolicy}.`,
				remedy:
					isTag && !isServed
						? `keepmesh tag set ${chosenBy} --revision REVISION`
						: `kubectl --namespace ${namespace} get pods`,
			});
		});
}

function replicas({ control, injectors: all }: ClusterFacts): readonly Finding[] {
	if (!all.some(({ failurePolicy }) => failurePolicy === "Fail")) return [];
	return control
		.filter(({ wanted }) => wanted < 2)
		.map(({ name }) =>
			finding(`mesh.replicas.${name}`, "should", {
				label: `replicas of ${name}`,
				is: "1",
				shouldBe: ">= 2",
				fault: "while it restarts no pod of the mesh can start",
				detail: "The injector's failurePolicy is Fail: a pod never runs without its proxy.",
				remedy: "keepmesh upgrade --set control.replicas=2",
			}),
		);
}

function unknownRevisions({ injectors: all, namespaces }: ClusterFacts): readonly Finding[] {
	const known = new Set(all.map(({ chosenBy }) => chosenBy));
	return namespaces.flatMap(({ name, wants }) =>
		wants === undefined || known.has(wants)
			? []
			: [
					finding(`mesh.namespace.${name}`, "must", {
						label: `namespace ${name}`,
						is: wants === "default" ? "istio-injection=enabled" : `istio.io/rev=${wants}`,
						shouldBe: `one of ${[...known].sort().join(", ") || "none"}`,
						fault: "its pods start without a proxy, and nothing says so",
						detail: "Nobody injects for the revision or tag that the namespace names.",
						remedy: `keepmesh tag set ${wants} --revision REVISION, or kubectl label --overwrite namespace ${name} istio.io/rev=REVISION`,
					}),
				],
	);
}

function podsWithout({ namespaces }: ClusterFacts): readonly Finding[] {
	return namespaces
		.filter(({ podsWithout: count, wants }) => wants !== undefined && count > 0)
		.map(({ name, podsWith, podsWithout: count }) =>
			finding(`mesh.pods.${name}`, "should", {
				label: `pods of ${name}`,
				is: `${count} of ${count + podsWith} without a proxy`,
				shouldBe: "all with one",
				fault: "they are not part of the mesh",
				detail: "They were made before the namespace had proxies injected, and get theirs when they are made anew.",
				remedy: `kubectl --namespace ${name} rollout restart deployment`,
			}),
		);
}

function proxiesOfNobody({ control, proxies }: ClusterFacts): readonly Finding[] {
	const installed = new Set(control.map(({ revision }) => revision));
	return proxies
		.filter(({ revision }) => !installed.has(revision))
		.map(({ namespace, pods, revision }) =>
			finding(`mesh.proxies.${namespace}.${revision}`, "should", {
				label: `proxies of ${namespace}`,
				is: `${pods} of revision ${revision}`,
				shouldBe: `of ${[...installed].sort().join(" or ")}`,
				fault: "the control planes that the agents know serve them instead",
				detail: "The revision that put these proxies in is not installed any more.",
				remedy: `kubectl --namespace ${namespace} rollout restart deployment`,
			}),
		);
}
