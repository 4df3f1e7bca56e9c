// Writes of resources whose source is a cluster's API server: by kubectl, with the rights of who types, and with kubectl's own way to
// merge. In: checked resources. Out: what became of each.

import { type CommandResult, runCommand } from "../../kernel/run-command.ts";
import { lookUpKind } from "../../resources/kind-table.ts";
import type { AppliedItem } from "../api/api-types.ts";
import { findCluster } from "../install/find-cluster.ts";
import { CliError, exitCodes } from "./cli-error.ts";
import type { ApiOption } from "./find-control-planes.ts";

interface WriteOptions extends ApiOption {
	readonly dryRun?: boolean;
}

export interface ResourceName {
	readonly kind: string;
	readonly namespace: string;
	readonly name: string;
}

/** Throws with what the API server said when it refuses one; those before it are applied. */
export async function applyByKubectl(
	options: WriteOptions & { readonly namespace: string },
	text: string,
): Promise<readonly AppliedItem[]> {
	const args = ["apply", "--namespace", options.namespace, "--filename", "-", ...dryRun(options)];
	const { code, stderr, stdout } = await kubectl(options, args, text);
	if (code !== 0) throw refusal("not everything was applied", stderr);
	return stdout.split("\n").flatMap((line) => itemOf(line) ?? []);
}

/** Undefined: there was no such resource. */
export async function deleteByKubectl(
	options: WriteOptions,
	{ kind, name, namespace }: ResourceName,
): Promise<AppliedItem | undefined> {
	const place = namespace === "" ? [] : ["--namespace", namespace];
	const what = [`${kind.toLowerCase()}${groupOf(kind)}`, name];
	const flags = ["--ignore-not-found", "--output", "name", ...dryRun(options)];
	const { code, stderr, stdout } = await kubectl(options, ["delete", ...place, ...what, ...flags]);
	if (code !== 0) throw refusal(`${kind} ${name} was not deleted`, stderr);
	return stdout.trim() === "" ? undefined : { kind, namespace, name, outcome: "deleted", file: "" };
}

const dryRun = (options: WriteOptions): readonly string[] => (options.dryRun ? ["--dry-run=server"] : []);

/** `virtualservice.networking.istio.io/a configured (server dry run)` */
function itemOf(line: string): AppliedItem | undefined {
	const [, kind, name, outcome] = /^([a-z]+)(?:\.[\w.-]+)?\/(\S+) (created|configured|unchanged)\b/.exec(line) ?? [];
	if (kind === undefined || name === undefined || outcome === undefined) return undefined;
	return { kind, namespace: "", name, outcome: outcome as AppliedItem["outcome"], file: "" };
}

/** Gateway is a kind of several groups. */
function groupOf(kind: string): string {
	const groups = ["networking.istio.io/v1", "security.istio.io/v1", "keepmesh.io/v1alpha1"];
	const found = groups.find((apiVersion) => lookUpKind(apiVersion, kind).type === "known");
	return found === undefined ? "" : `.${found.slice(0, found.indexOf("/"))}`;
}

function refusal(what: string, stderr: string): CliError {
	const said = stderr.trim().split("\n").slice(0, 20).join("\n");
	return new CliError(exitCodes.failure, `${what}: ${said}`, "kubectl auth can-i --list");
}

async function kubectl(options: WriteOptions, args: readonly string[], input = ""): Promise<CommandResult> {
	const { client, kubectlFlags } = findCluster(options);
	client.close();
	const program = process.env.KEEPMESH_KUBECTL ?? "kubectl";
	const outcome = await runCommand(program, [...kubectlFlags, ...args], { input, timeoutMs: Number.POSITIVE_INFINITY });
	if (outcome.notStarted)
		throw new CliError(exitCodes.unavailable, "kubectl is not installed", "https://kubernetes.io/docs/tasks/tools/");
	return outcome;
}
