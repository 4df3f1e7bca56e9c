// keepmesh uninstall: takes a revision, or everything, out of a cluster again; says first who would be left without it.

import { Command } from "commander";
import type { ProxyFacts } from "../../install/cluster-facts.ts";
import { uninstallSteps } from "../../install/helm-steps.ts";
import { crdsRelease, defaultNamespace, defaultRevision, releaseOf } from "../../install/release-names.ts";
import type { KubernetesClient } from "../../kubernetes/client/kubernetes-client.ts";
import { type ClusterFlags, findCluster, withClusterFlags } from "../install/find-cluster.ts";
import { readInjectors, validatorsPath, webhooksPath } from "../install/read-injectors.ts";
import { readNamespaces } from "../install/read-namespaces.ts";
import { listAt, type Named } from "../install/read-objects.ts";
import { readAgents } from "../install/read-parts.ts";
import { readProxies } from "../install/read-proxies.ts";
import { checkHelm, type HelmRelease, listReleases } from "../install/run-helm.ts";
import { runSteps } from "../install/run-steps.ts";
import { waitForEnd } from "../install/wait-for-end.ts";
import { CliError, exitCodes } from "./cli-error.ts";
import { print, say } from "./terminal.ts";

interface UninstallFlags extends ClusterFlags {
	readonly namespace: string;
	readonly revision: string;
	readonly purge: boolean;
	readonly crds: boolean;
	readonly force: boolean;
	readonly dryRun: boolean;
	readonly timeout: string;
}

export function uninstallCommand(): Command {
	return withClusterFlags(new Command("uninstall"))
		.description("Takes a revision, or with --purge everything, out of a Kubernetes cluster again.")
		.option("-n, --namespace <name>", "where it is installed", defaultNamespace)
		.option("--revision <name>", "which one", defaultRevision)
		.option("--purge", "every revision, tags, gateways, the certificate authority and the namespace", false)
		.option("--crds", "with --purge: also the kinds, and with them every resource of theirs, Istio's too", false)
		.option("--force", "although pods have proxies, or namespaces name it", false)
		.option("--dry-run", "only say what would go", false)
		.option("--timeout <seconds>", "for each release and for the namespace, until it is gone", "120")
		.action(run);
}

async function run(flags: UninstallFlags): Promise<void> {
	if (flags.crds && !flags.purge)
		throw new CliError(exitCodes.usage, "--crds goes with --purge", "keepmesh uninstall --purge --crds");
	const { client, helmFlags } = findCluster(flags);
	try {
		await checkHelm();
		const releases = releasesOf(await listReleases(helmFlags), flags);
		const tags = await tagsOf(client, flags);
		if (releases.length === 0 && tags.length === 0 && !flags.purge) {
			say(`revision ${flags.revision} is not installed in ${flags.namespace}`);
			return;
		}
		if (!flags.force && !flags.dryRun) await refuseWhileUsed(client, flags);
		const leftovers = flags.purge ? await leftoversOf(client, flags) : [];
		if (flags.dryRun) {
			const names = [...releases.map(({ name, namespace }) => `release ${namespace}/${name}`), ...tags, ...leftovers];
			print(names.length === 0 ? "nothing" : names.join("\n"));
			return;
		}
		for (const path of tags) await remove(client, path);
		const request = { ...flags, releases, access: helmFlags, timeoutSeconds: Number(flags.timeout) };
		await runSteps(uninstallSteps(request), false);
		for (const path of leftovers) await remove(client, path);
		if (flags.purge) await waitForEnd(client, flags.namespace, Number(flags.timeout) * 1000);
		say(
			flags.purge && !flags.crds
				? "the kinds and their resources are still there: --purge --crds removes them"
				: "gone",
		);
	} finally {
		client.close();
	}
}

/** Gateways first: they need the control planes to end well. */
function releasesOf(
	all: readonly HelmRelease[],
	{ namespace, purge, revision }: UninstallFlags,
): readonly HelmRelease[] {
	const mesh = all.filter((one) => one.namespace === namespace && isMesh(one));
	if (!purge) return mesh.filter(({ name }) => name === releaseOf(revision));
	const gateways = all.filter(({ chart }) => chart.startsWith("keepmesh-gateway-"));
	const kinds = all.filter((one) => one.namespace === namespace && one.name === crdsRelease);
	return [...gateways, ...mesh, ...kinds];
}

const isMesh = ({ chart }: HelmRelease): boolean => /^keepmesh-\d/.test(chart);

async function tagsOf(
	client: KubernetesClient,
	{ namespace, purge, revision }: UninstallFlags,
): Promise<readonly string[]> {
	const { ours } = await readInjectors(client);
	return ours
		.filter((one) => one.isTag && one.namespace === namespace && (purge || one.revision === revision))
		.flatMap(({ chosenBy, name }) => [
			`${webhooksPath}/${name}`,
			...(chosenBy === defaultRevision ? [`${validatorsPath}/${name}`] : []),
		]);
}

async function refuseWhileUsed(client: KubernetesClient, flags: UninstallFlags): Promise<void> {
	const { purge, revision } = flags;
	const proxies = await readProxies(client);
	const used = proxies.filter((one) => purge || one.revision === revision);
	const [first] = used;
	if (first) {
		const counts = Map.groupBy(used, ({ namespace }) => namespace);
		const count = (some: readonly ProxyFacts[]): number => some.reduce((total, { pods: more }) => total + more, 0);
		const pods = [...counts].map(([namespace, some]) => `${count(some)} of ${namespace}`).join(", ");
		const label = purge ? "istio-injection- istio.io/rev-" : "istio-injection- istio.io/rev=ANOTHER --overwrite";
		throw new CliError(
			exitCodes.failure,
			`pods still have proxies${purge ? "" : ` of revision ${revision}`}, which nobody would look after: ${pods}`,
			`kubectl label namespace ${first.namespace} ${label} && kubectl --namespace ${first.namespace} rollout restart deployment (or --force)`,
		);
	}
	if (purge) return;
	await refuseWithoutAgents(client, flags, proxies.length > 0);
	await warnOfNamespaces(client, revision);
}

/** A machine has one agent: those of this revision may serve pods of others. */
async function refuseWithoutAgents(
	client: KubernetesClient,
	{ namespace, revision }: UninstallFlags,
	hasProxies: boolean,
): Promise<void> {
	const agents = await readAgents(client, namespace);
	const isLast = agents.some((one) => one.revision === revision) && agents.every((one) => one.revision === revision);
	if (!hasProxies || !isLast) return;
	const upgrade = `keepmesh upgrade${revision === defaultRevision ? "" : ` --revision ${revision}`}`;
	throw new CliError(
		exitCodes.failure,
		`the agents of revision ${revision} serve the pods of all other revisions, and no other revision has any`,
		`${upgrade} --set node.enabled=false && keepmesh upgrade --revision ANOTHER --set node.enabled=true (or --force)`,
	);
}

async function warnOfNamespaces(client: KubernetesClient, revision: string): Promise<void> {
	const { ours } = await readInjectors(client);
	const gone = new Set(ours.filter((one) => one.revision === revision).map(({ chosenBy }) => chosenBy));
	const named = (await readNamespaces(client)).filter(({ wants }) => wants !== undefined && gone.has(wants));
	for (const { name, wants } of named)
		say(`namespace ${name} names ${wants}: its new pods get no proxy any more (kubectl label namespace ${name} ...)`);
}

/** Paths of what the parts made themselves, and with --crds of the kinds. */
async function leftoversOf(client: KubernetesClient, { crds, namespace }: UninstallFlags): Promise<readonly string[]> {
	const spaces = await listAt<Named>(client, "/api/v1/namespaces", "app.kubernetes.io/part-of=keepmesh");
	const kinds = crds
		? await listAt<Named>(
				client,
				"/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
				"app.kubernetes.io/part-of=keepmesh",
			)
		: [];
	const isOurs = spaces.some(({ metadata }) => metadata.name === namespace);
	return [
		...kinds.map(({ metadata }) => `/apis/apiextensions.k8s.io/v1/customresourcedefinitions/${metadata.name}`),
		...(isOurs
			? [`/api/v1/namespaces/${namespace}`]
			: ["secrets/keepmesh-ca"].map((part) => `/api/v1/namespaces/${namespace}/${part}`)),
	];
}

async function remove(client: KubernetesClient, path: string): Promise<void> {
	const { body, status } = await client.request("DELETE", path);
	if (status < 300 || status === 404) return;
	const { message = `status ${status}` } = body as { message?: string };
	throw new CliError(exitCodes.failure, message, `kubectl delete --raw ${path}`);
}
