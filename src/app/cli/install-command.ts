// keepmesh install and upgrade: the charts of deploy/helm, in order, with a look at the cluster before and after. Everything is done
// by helm, so its list, history and rollback know of it.

import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { Command, InvalidArgumentError } from "commander";
import type { ClusterFacts } from "../../install/cluster-facts.ts";
import { gatewayTitle, type InstallRequest, installSteps, kindsTitle, meshTitle } from "../../install/helm-steps.ts";
import { crdsRelease, defaultNamespace, defaultRevision, releaseOf } from "../../install/release-names.ts";
import { completeCharts } from "../install/complete-charts.ts";
import { type ClusterFlags, type FoundCluster, findCluster, withClusterFlags } from "../install/find-cluster.ts";
import { judgeBefore } from "../install/judge-cluster.ts";
import { labelNamespace } from "../install/label-namespace.ts";
import { untilInterrupted } from "../install/on-interrupt.ts";
import { checkHelm, listReleases, versionInForce } from "../install/run-helm.ts";
import { runMeshStep } from "../install/run-mesh-step.ts";
import { runSteps } from "../install/run-steps.ts";
import { takeOver } from "../install/take-over.ts";
import { waitForDeployment } from "../install/wait-for-deployment.ts";
import { waitForEnd } from "../install/wait-for-end.ts";
import { waitForKinds } from "../install/wait-for-kinds.ts";
import { CliError, exitCodes } from "./cli-error.ts";
import { say } from "./terminal.ts";

const chartsHere = fileURLToPath(new URL("../../../deploy/helm", import.meta.url));

interface InstallFlags extends ClusterFlags {
	readonly namespace: string;
	readonly revision: string;
	readonly image?: string;
	readonly ha: boolean;
	readonly set: readonly string[];
	readonly values: readonly string[];
	readonly gateway?: string | true;
	readonly gatewayNamespace: string;
	readonly gatewaySet: readonly string[];
	readonly crds: boolean;
	readonly dryRun: boolean;
	readonly force: boolean;
	readonly keepFailed: boolean;
	readonly timeout: number;
}

export function installCommand(): Command {
	return withInstallFlags(new Command("install"))
		.description("Installs the mesh into a Kubernetes cluster, with Helm, and waits until it serves.")
		.action((flags: InstallFlags) => run(flags, false));
}

export function upgradeCommand(): Command {
	return withInstallFlags(new Command("upgrade"))
		.description("Brings an installation to this version; values that were set stay.")
		.action((flags: InstallFlags) => run(flags, true));
}

function withInstallFlags(command: Command): Command {
	return withClusterFlags(command)
		.option("-n, --namespace <name>", "of the control planes and agents", defaultNamespace)
		.option("--image <image>", "of all parts: registry/keepmesh:tag (deploy/images builds it)")
		.option(
			"--revision <name>",
			"a second installation beside others: pods choose it by istio.io/rev",
			name,
			defaultRevision,
		)
		.option("--ha", "three control planes on three machines, and more when they are busy", false)
		.option("--set <key=value>", "a value of the chart, as helm reads it; again for each", many, [])
		.option("-f, --values <file>", "values of the chart; again for each", files, [])
		.option("--gateway [name]", "also a gateway (default name: istio-ingressgateway)")
		.option("--gateway-namespace <name>", "where it runs", "istio-ingress")
		.option("--gateway-set <key=value>", "a value of the gateway's chart; again for each", many, [])
		.option("--no-crds", "the kinds are there already, or come from elsewhere")
		.option("--dry-run", "print every object as YAML, and change nothing", false)
		.option("--force", "although the check before says that something must change, or an earlier run was killed", false)
		.option("--keep-failed", "an upgrade that does not start is not taken back", false)
		.option("--timeout <seconds>", "for each chart, until all of it is ready", seconds, 300);
}

async function run(flags: InstallFlags, isUpgrade: boolean): Promise<void> {
	const { namespace, revision } = flags;
	const cluster = findCluster(flags);
	try {
		const helmMajor = await checkHelm();
		const release = releaseOf(revision);
		const releases = await listReleases(cluster.helmFlags);
		const found = releases.find((one) => one.name === release && one.namespace === namespace);
		const isThere = found !== undefined;
		if (isUpgrade && !isThere)
			throw new CliError(
				exitCodes.failure,
				`revision ${revision} is not installed in ${namespace}`,
				`keepmesh install${revision === defaultRevision ? "" : ` --revision ${revision}`} --image IMAGE`,
			);
		if (!isThere && flags.image === undefined && !flags.set.some((one) => one.startsWith("global.image=")))
			needImage(flags);
		const facts = await judgeBefore(cluster.client, { namespace, revision, force: flags.force || flags.dryRun });
		if (!flags.force && !flags.dryRun) needMachines(flags, facts);
		const crdsElsewhere = releases.find((one) => one.name === crdsRelease && one.namespace !== namespace);
		const gatewayRelease = gatewayName(flags);
		if (!flags.dryRun)
			for (const one of releases) {
				const isGateway = one.name === gatewayRelease && one.namespace === flags.gatewayNamespace;
				const isKinds = one.name === crdsRelease && one.namespace === namespace;
				if (one === found || isGateway || isKinds) await takeOver(one, flags.force, cluster.helmFlags);
			}
		const inForce = found && !flags.dryRun ? await versionInForce(found, cluster.helmFlags) : undefined;
		const charts = completeCharts(chartsHere);
		const request = {
			...requestOf(flags, charts.directory, cluster, isThere, crdsElsewhere !== undefined),
			helmMajor,
			set: [...agentsOnce(facts, flags), ...flags.set],
		};
		if (!flags.dryRun) {
			await waitForEnd(cluster.client, namespace, flags.timeout * 1000);
			await labelNamespace(cluster.client, namespace);
		}
		const again = `keepmesh ${isUpgrade ? "upgrade" : "install"} with the same flags, which goes on; or keepmesh uninstall`;
		try {
			await untilInterrupted(async (interrupted) => {
				for (const step of installSteps(request)) {
					interrupted.throwIfAborted();
					const { access, gateway, timeoutSeconds } = request;
					if (step.title !== meshTitle(revision) || flags.dryRun) await runSteps([step], flags.dryRun, interrupted);
					else
						await runMeshStep(cluster.client, {
							...{ step, release, namespace, revision, timeoutSeconds, access, interrupted },
							...(inForce === undefined || flags.keepFailed ? {} : { inForce }),
						});
					if (flags.dryRun) continue;
					if (step.title === kindsTitle) await waitForKinds(cluster.client);
					if (gateway && step.title === gatewayTitle(gateway.name))
						await waitForDeployment(cluster.client, gateway, flags.timeout * 1000);
				}
			}, again);
		} finally {
			charts.release();
		}
		if (!flags.dryRun) say(nextSteps(flags));
	} finally {
		cluster.client.close();
	}
}

/** A machine has one agent, for the pods of all revisions: a second revision brings none, unless it is told to. */
function agentsOnce({ agents }: ClusterFacts, { revision, set }: InstallFlags): readonly string[] {
	const other = agents.find((part) => part.revision !== revision);
	if (!other || set.some((one) => one.startsWith("node.enabled="))) return [];
	say(`the agents of revision ${other.revision} serve its pods as well: node.enabled=false`);
	return ["node.enabled=false"];
}

/** Otherwise it would wait for a machine until the time is up. */
function needMachines({ ha, set }: InstallFlags, { nodes }: ClusterFacts): void {
	const ready = nodes.filter(({ isReady, os }) => isReady && os === "linux").length;
	if (!ha || ready >= 3 || set.some((one) => one.startsWith("control.spread="))) return;
	throw new CliError(
		exitCodes.failure,
		`--ha puts three control planes on three machines, never two on one, and ${ready} ${ready === 1 ? "is" : "are"} ready`,
		"the same with --set control.spread=Preferred, or with --force when more are to come",
	);
}

/** Values files may have it. */
function needImage({ values }: InstallFlags): void {
	if (values.length > 0) return;
	throw new CliError(
		exitCodes.usage,
		"which image shall run? --image is not given",
		"keepmesh install --image REGISTRY/keepmesh:TAG (deploy/images/README.md says how to build it)",
	);
}

function requestOf(
	flags: InstallFlags,
	charts: string,
	{ helmFlags }: FoundCluster,
	isThere: boolean,
	crdsElsewhere: boolean,
): Omit<InstallRequest, "helmMajor"> {
	const { image } = flags;
	const gateway = gatewayName(flags);
	return {
		namespace: flags.namespace,
		revision: flags.revision,
		charts,
		...(image === undefined ? {} : { image }),
		highAvailability: flags.ha,
		set: flags.set,
		valuesFiles: flags.values,
		...(gateway === undefined
			? {}
			: { gateway: { name: gateway, namespace: flags.gatewayNamespace, set: flags.gatewaySet } }),
		skipCrds: !flags.crds || crdsElsewhere,
		keepValues: isThere,
		timeoutSeconds: flags.timeout,
		access: helmFlags,
		dryRun: flags.dryRun,
	};
}

function gatewayName({ gateway }: InstallFlags): string | undefined {
	return gateway === true ? "istio-ingressgateway" : gateway;
}

function nextSteps({ revision }: InstallFlags): string {
	const label = revision === defaultRevision ? "istio-injection=enabled" : `istio.io/rev=${revision}`;
	return ["next: keepmesh check --kubernetes", `      kubectl label namespace default ${label}`].join("\n");
}

const many = (value: string, before: readonly string[]): readonly string[] => [...before, value];

function files(value: string, before: readonly string[]): readonly string[] {
	const path = resolve(value);
	if (!existsSync(path)) throw new InvalidArgumentError(`${path} is not there`);
	return [...before, path];
}

function name(text: string): string {
	if (/^[a-z0-9]([-a-z0-9]{0,40}[a-z0-9])?$/.test(text)) return text;
	throw new InvalidArgumentError("small letters, digits and dashes, for example 1-1");
}

function seconds(text: string): number {
	const value = Number(text);
	if (Number.isInteger(value) && value > 0) return value;
	throw new InvalidArgumentError("whole seconds, for example 300");
}
