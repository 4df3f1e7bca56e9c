// keepmesh canary SVC v1=90 v2=10: splits a service's traffic between its versions, and waits until the proxies do so.

import { isDeepStrictEqual } from "node:util";
import { Command } from "commander";
import { stringify } from "yaml";
import type { Manifest, ResourceItem } from "../api/api-types.ts";
import { printItems, sendResources } from "./apply-command.ts";
import { parseWeights, planCanary, versionsNobodyHas } from "./canary-plan.ts";
import { CliError, exitCodes } from "./cli-error.ts";
import { askAll } from "./control-plane-client.ts";
import { type ApiOption, withApiOption } from "./find-control-planes.ts";
import { appliedText, messageOf, resourcesOf } from "./get-command.ts";
import { mergeResources } from "./merge-replicas.ts";
import { print, say } from "./terminal.ts";

interface CanaryOptions extends ApiOption {
	readonly namespace: string;
	readonly dryRun?: boolean;
	readonly wait: boolean;
}

export function canaryCommand(): Command {
	return withApiOption(new Command("canary"))
		.description("Splits a service's traffic between versions by weight: keepmesh canary reviews v1=90 v2=10")
		.argument("<service>")
		.argument("<version=weight...>", "percentages; together 100")
		.option("-n, --namespace <name>", "namespace of the service", "default")
		.option("--dry-run", "only print the YAML")
		.option("--no-wait", "do not wait until the proxies have it")
		.action(canary);
}

async function canary(service: string, texts: readonly string[], options: CanaryOptions): Promise<void> {
	const parsed = parseWeights(texts);
	if (!parsed.ok) throw new CliError(exitCodes.usage, parsed.because, `keepmesh canary ${service} v1=90 v2=10`);
	const services = await manifestsOf(options, "Service", options.namespace);
	const found = services.find((candidate) => candidate.metadata.name === service);
	if (!found) {
		throw new CliError(
			exitCodes.failure,
			`there is no service ${service} in namespace ${options.namespace}`,
			"keepmesh get service -A",
		);
	}
	const plan = planCanary(
		{ service, namespace: options.namespace, domain: "cluster.local" },
		parsed.weights,
		await manifestsOf(options, "VirtualService"),
		await manifestsOf(options, "DestinationRule"),
	);
	const pods = plan.addedVersions.length === 0 ? [] : await manifestsOf(options, "Pod", options.namespace);
	const [unknown] = versionsNobodyHas(found, parsed.weights, plan.addedVersions, pods);
	if (unknown !== undefined)
		throw new CliError(
			exitCodes.failure,
			`no workload of ${service} has version=${unknown}: its share would be lost`,
			`keepmesh get pods -n ${options.namespace} -l version=${unknown}`,
		);
	// Subsets first: a route to a subset that is not there yet would be refused.
	const changed = [...(plan.destinationRuleChanged ? [plan.destinationRule] : []), plan.virtualService];
	const text = changed.map((manifest) => stringify(manifest)).join("---\n");
	if (options.dryRun) {
		print(text);
		return;
	}
	printItems(await sendResources(options, text, { namespace: options.namespace }), { output: "text" });
	if (options.wait) await waitUntilApplied(options, plan.virtualService);
}

async function manifestsOf(options: CanaryOptions, kind: string, namespace?: string): Promise<readonly Manifest[]> {
	const query = new URLSearchParams({ kind, ...(namespace === undefined ? {} : { namespace }) });
	return (await resourcesOf(options, query)).map((item) => item.manifest);
}

async function waitUntilApplied(options: CanaryOptions, manifest: Manifest): Promise<void> {
	const { name, namespace = "default" } = manifest.metadata;
	const query = new URLSearchParams({ kind: manifest.kind, namespace, name });
	const deadlineMs = performance.now() + 10_000;
	for (;;) {
		const answers = await askAll<{ items: readonly ResourceItem[] }>(options, `/api/v1/resources?${query}`);
		const lists = answers.map(({ answer }) => answer.items);
		// What was written is not read at once: until then there is nothing, or what was there before.
		const allRead = lists.every(([item]) => item && isDeepStrictEqual(item.manifest.spec, manifest.spec));
		const status = allRead ? mergeResources(lists)[0]?.status : undefined;
		if (status?.proxies && status.proxies.rejected.length > 0) {
			throw new CliError(exitCodes.failure, `rejected by ${messageOf(status)}`, "keepmesh proxy-status");
		}
		if (status?.proxies && status.proxies.applied === status.proxies.concerned) {
			say(`applied on ${appliedText(status)} proxies`);
			return;
		}
		if (performance.now() > deadlineMs) {
			throw new CliError(
				exitCodes.failure,
				status
					? `after 10 s it is applied on ${appliedText(status)} proxies`
					: "after 10 s a control plane has not read what was written",
				"keepmesh proxy-status",
			);
		}
		await new Promise((done) => setTimeout(done, 50));
	}
}
