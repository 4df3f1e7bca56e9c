// keepmesh tag: second names of revisions, which namespaces and pods may say (istio.io/rev=prod) and which move from one revision to
// the next without touching them.

import { Command, Option } from "commander";
import type { InjectorFacts } from "../../install/cluster-facts.ts";
import { defaultNamespace, injectorName, validatorName } from "../../install/release-names.ts";
import { type InjectorConfiguration, tagConfiguration, tagValidation } from "../../install/revision-tag.ts";
import type { KubernetesClient } from "../../kubernetes/client/kubernetes-client.ts";
import { type ClusterFlags, findCluster, withClusterFlags } from "../install/find-cluster.ts";
import { readInjectors, validatorsPath, webhooksPath } from "../install/read-injectors.ts";
import { readNamespaces } from "../install/read-namespaces.ts";
import { objectAt } from "../install/read-objects.ts";
import { CliError, exitCodes } from "./cli-error.ts";
import { print, printJson, renderTable, say } from "./terminal.ts";

interface TagFlags extends ClusterFlags {
	readonly namespace: string;
}

interface SetFlags extends TagFlags {
	readonly revision: string;
	readonly overwrite: boolean;
	readonly dryRun: boolean;
}

export function tagCommand(): Command {
	const command = new Command("tag").description(
		"Second names of revisions, for upgrades of the control plane by steps.",
	);
	const below = (name: string, description: string): Command =>
		withClusterFlags(command.command(name))
			.description(description)
			.option("-n, --namespace <name>", "where the mesh is installed", defaultNamespace);
	below("set", "points a tag at a revision")
		.argument("<tag>", "what namespaces say: istio.io/rev=TAG; the tag default also takes istio-injection=enabled")
		.requiredOption("--revision <name>", "an installed revision")
		.option("--overwrite", "although the tag points at another revision now", false)
		.option("--dry-run", "print the webhooks, and change nothing", false)
		.action(setTag);
	below("list", "the tags and revisions, and which namespaces say them")
		.addOption(new Option("-o, --output <format>", "how to print").choices(["table", "json"]).default("table"))
		.action(listTags);
	below("remove", "removes a tag")
		.argument("<tag>")
		.option("--force", "although namespaces say it", false)
		.action(removeTag);
	return command;
}

async function setTag(tag: string, flags: SetFlags): Promise<void> {
	if (!/^[a-z0-9]([-a-z0-9]{0,40}[a-z0-9])?$/.test(tag))
		throw new CliError(
			exitCodes.usage,
			`"${tag}" is no tag: small letters, digits and dashes`,
			"keepmesh tag set prod --revision 1-1",
		);
	await withInjectors(flags, async (client, ours) => {
		const { namespace, revision } = flags;
		const name = injectorName(revision, namespace);
		const configuration = await objectAt<InjectorConfiguration>(client, `${webhooksPath}/${name}`);
		if (!configuration) {
			const known = ours.filter(({ isTag }) => !isTag).map((one) => one.revision);
			throw new CliError(
				exitCodes.failure,
				`revision ${revision} is not installed in ${namespace}; there is ${known.join(", ") || "none"}`,
				`keepmesh install --revision ${revision} --image IMAGE`,
			);
		}
		const taken = ours.find((one) => one.chosenBy === tag);
		if (taken && !taken.isTag)
			throw new CliError(
				exitCodes.failure,
				`${tag} is a revision itself`,
				tag === "default" ? "keepmesh uninstall (of revision default), then again" : "choose another name",
			);
		if (taken && taken.revision !== revision && !flags.overwrite)
			throw new CliError(
				exitCodes.failure,
				`${tag} points at revision ${taken.revision}`,
				`keepmesh tag set ${tag} --revision ${revision} --overwrite`,
			);
		const wanted = tagConfiguration(configuration, { tag, revision, namespace });
		const validator = await objectAt<InjectorConfiguration>(
			client,
			`${validatorsPath}/${validatorName(revision, namespace)}`,
		);
		const judge = tagValidation(validator, { tag, revision, namespace });
		if (flags.dryRun) return printJson(judge ? [wanted, judge] : wanted);
		await apply(client, webhooksPath, wanted);
		if (judge) await apply(client, validatorsPath, judge);
		else await remove(client, validatorsPath, wanted.metadata.name);
		say(`${tag} is revision ${revision}: new pods of namespaces with istio.io/rev=${tag} get its proxy`);
		say("next: kubectl --namespace NAMESPACE rollout restart deployment (pods that run keep theirs)");
	});
}

async function listTags(flags: TagFlags & { readonly output: "table" | "json" }): Promise<void> {
	await withInjectors(flags, async (client, ours) => {
		const namespaces = await readNamespaces(client);
		const rows = ours
			.toSorted((a, b) => (a.chosenBy < b.chosenBy ? -1 : 1))
			.map(({ chosenBy, isTag, revision }) => ({
				name: chosenBy,
				is: isTag ? "tag" : "revision",
				revision,
				namespaces: namespaces.filter(({ wants }) => wants === chosenBy).map(({ name }) => name),
			}));
		if (flags.output === "json") return printJson(rows);
		print(
			renderTable(
				["NAME", "IS", "REVISION", "NAMESPACES"],
				rows.map((row) => [row.name, row.is, row.revision, row.namespaces.join(",") || "-"]),
			),
		);
	});
}

async function removeTag(tag: string, flags: TagFlags & { readonly force: boolean }): Promise<void> {
	await withInjectors(flags, async (client, ours) => {
		const found = ours.find((one) => one.isTag && one.chosenBy === tag);
		if (!found) throw new CliError(exitCodes.failure, `there is no tag ${tag}`, "keepmesh tag list");
		const users = (await readNamespaces(client)).filter(({ wants }) => wants === tag).map(({ name }) => name);
		if (users.length > 0 && !flags.force)
			throw new CliError(
				exitCodes.failure,
				`namespaces say ${tag}: ${users.join(", ")}; their new pods would get no proxy`,
				`kubectl label --overwrite namespace ${users[0]} istio.io/rev=${found.revision}`,
			);
		for (const path of [webhooksPath, validatorsPath]) await remove(client, path, found.name);
		say(`${tag} is gone`);
	});
}

async function apply(client: KubernetesClient, path: string, body: InjectorConfiguration): Promise<void> {
	const answer = await client.request("PATCH", `${path}/${body.metadata.name}`, {
		body,
		contentType: "application/apply-patch+yaml",
		query: { fieldManager: "keepmesh-tag", force: true },
	});
	if (answer.status >= 300) throw refused(answer.body, answer.status);
}

async function remove(client: KubernetesClient, path: string, name: string): Promise<void> {
	const { body, status } = await client.request("DELETE", `${path}/${name}`);
	if (status >= 300 && status !== 404) throw refused(body, status);
}

async function withInjectors(
	flags: TagFlags,
	run: (client: KubernetesClient, ours: readonly InjectorFacts[]) => Promise<void>,
): Promise<void> {
	const { client } = findCluster(flags);
	try {
		const { ours } = await readInjectors(client);
		await run(
			client,
			ours.filter(({ namespace }) => namespace === flags.namespace),
		);
	} finally {
		client.close();
	}
}

function refused(body: unknown, status: number): CliError {
	const { message = `status ${status}` } = body as { message?: string };
	return new CliError(
		status === 403 ? exitCodes.noPermission : exitCodes.failure,
		message,
		"kubectl auth can-i --list",
	);
}
