// keepmesh inject: manifests with the proxies that the webhook would put into their pods, offline, by the same code.

import { readFileSync } from "node:fs";
import { Command } from "commander";
import type { InjectConfig } from "../../inject/inject-config.ts";
import type { ManifestPod } from "../../inject/inject-manifest.ts";
import { CliError, exitCodes } from "./cli-error.ts";
import { readInputs } from "./read-inputs.ts";
import { say } from "./terminal.ts";

interface InjectFlags {
	readonly filename: readonly string[];
	readonly namespace: string;
	readonly config?: string;
	readonly revision?: string;
	readonly image?: string;
}

export function injectCommand(): Command {
	return new Command("inject")
		.description(
			"Prints manifests with a proxy in every pod of them: for clusters without the webhook, and to see what it does.",
		)
		.requiredOption("-f, --filename <path...>", "files, directories, or - for standard input")
		.option("-n, --namespace <name>", "namespace of objects that name none", "default")
		.option(
			"--config <file>",
			"the injection configuration: the field `config` of ConfigMap keepmesh-injector, as a file",
		)
		.option("--revision <name>", "as if asked of this revision's control plane")
		.option("--image <name>", "of the proxy's container")
		.addHelpText("after", "\nExample:\n  keepmesh inject -f bookinfo.yaml | kubectl apply -f -")
		.action(inject);
}

async function inject(flags: InjectFlags): Promise<void> {
	const config = await readConfig(flags);
	const [{ files }, { injectText }] = await Promise.all([
		readInputs(flags.filename, { defaultNamespace: flags.namespace }),
		import("../../inject/inject-text.ts"),
	]);
	const injected = files.map(({ path, text }) => ({ path, ...injectText(text, flags.namespace, config) }));
	const pods = injected.flatMap((file) => file.pods.map((pod) => ({ ...pod, path: file.path })));
	const unreadable = injected.flatMap(({ path, problems }) => problems.map((problem) => `${path}: ${problem}`));
	const refused = pods.filter((pod) => pod.outcome === "refused");
	for (const problem of unreadable) say(problem);
	for (const pod of pods) sayPod(pod);
	if (refused.length + unreadable.length > 0) {
		const count = refused.length + unreadable.length;
		const again = `keepmesh inject ${flags.filename.map((path) => `-f ${path}`).join(" ")}`;
		throw new CliError(exitCodes.data, `nothing printed: ${count} of the documents cannot be injected`, again);
	}
	const texts = injected.map(({ text }) => (text.endsWith("\n") ? text : `${text}\n`));
	process.stdout.write(
		texts.reduce((all, text) => `${all}${all === "" || /^---/.test(text) ? "" : "---\n"}${text}`, ""),
	);
}

function sayPod(pod: ManifestPod & { readonly path: string }): void {
	switch (pod.outcome) {
		case "injected":
			for (const warning of pod.warnings) say(`${pod.path}: ${pod.resource}: ${warning}`);
			return;
		case "skipped":
			say(`${pod.path}: ${pod.resource} stays as it is: ${pod.because}`);
			return;
		case "refused":
			for (const problem of pod.problems) say(`${pod.path}: ${pod.resource}: ${problem}`);
			return;
		default:
			pod satisfies never;
	}
}

async function readConfig({ config, image, revision }: InjectFlags): Promise<InjectConfig> {
	const [{ defaultInjectConfig, parseInjectConfig }, { parse }] = await Promise.all([
		import("../../inject/inject-config.ts"),
		import("yaml"),
	]);
	const environment = process.env.KEEPMESH_IMAGE;
	const base = { ...defaultInjectConfig, ...(environment ? { image: environment } : {}) };
	const given = { ...(image === undefined ? {} : { image }), ...(revision === undefined ? {} : { revision }) };
	if (config === undefined) return { ...base, ...given };
	let value: unknown;
	try {
		value = parse(readFileSync(config, "utf8"));
	} catch (error) {
		const isMissing = (error as NodeJS.ErrnoException).code === "ENOENT";
		const message = isMissing
			? `there is no ${config}`
			: `${config} is no YAML: ${(error as Error).message.split("\n")[0]}`;
		const next = "kubectl get configmap keepmesh-injector -n keepmesh-system -o jsonpath='{.data.config}'";
		throw new CliError(isMissing ? exitCodes.noInput : exitCodes.data, message, next);
	}
	const parsed = parseInjectConfig(value, base);
	if (parsed.ok) return { ...parsed.config, ...given };
	throw new CliError(exitCodes.data, `${config}: ${parsed.problems.join("; ")}`, `edit ${config}`);
}
