// keepmesh generate: all that one proxy would get from resource files, as Envoy's canonical JSON, offline.

import { readFileSync } from "node:fs";
import { Command, Option } from "commander";
import { CliError, exitCodes } from "./cli-error.ts";
import { countProblems } from "./count-problems.ts";
import { readInputs } from "./read-inputs.ts";
import { print, printJson, sayProblems } from "./terminal.ts";

interface GenerateOptions {
	readonly filename: readonly string[];
	readonly proxy: string;
	readonly metadata?: string;
	readonly namespace: string;
	readonly output: "json" | "yaml";
}

const exampleId = "sidecar~10.1.0.5~reviews-v1-abc.default~default.svc.cluster.local";

const metadataExample = `echo '{"LABELS":{"app":"reviews"}}' > metadata.json, and --metadata metadata.json`;

export function generateCommand(): Command {
	return new Command("generate")
		.description("Prints everything that one proxy would get: clusters, endpoints, listeners, routes, secrets.")
		.requiredOption("-f, --filename <path...>", "files, directories, or - for standard input")
		.requiredOption("--proxy <node-id>", `the proxy's node id, ${exampleId}`)
		.option("--metadata <file>", "JSON of the node's metadata: NAMESPACE, LABELS, CLUSTER_ID, INSTANCE_IPS")
		.option("-n, --namespace <name>", "namespace of resources that name none", "default")
		.addOption(new Option("-o, --output <format>", "how to print").choices(["json", "yaml"]).default("json"))
		.action(generate);
}

async function generate(options: GenerateOptions): Promise<void> {
	const loaded = await readInputs(options.filename, { defaultNamespace: options.namespace });
	const errors = loaded.problems.filter((problem) => problem.severity === "error");
	const [{ generateOffline }, { configToJson }, { AnyRegistry }] = await Promise.all([
		import("../control/generate-offline.ts"),
		import("../control/config-json.ts"),
		import("../control/any-registry.ts"),
	]);
	const made = generateOffline(loaded.objects, { id: options.proxy, metadata: readMetadata(options.metadata) });
	if (!made.ok) throw new CliError(exitCodes.usage, made.because, `keepmesh generate -f DIR --proxy ${exampleId}`);
	const json = { proxy: options.proxy, ...(await configToJson(made.config, new AnyRegistry())) };
	if (options.output === "json") printJson(json);
	else {
		const { stringify } = await import("yaml");
		print(stringify(json, { aliasDuplicateObjects: false }));
	}
	if (errors.length === 0) return;
	sayProblems(errors);
	const again = options.filename.map((path) => `-f ${path}`).join(" ");
	throw new CliError(
		exitCodes.data,
		`printed without what is wrong: ${countProblems(errors)}`,
		`keepmesh validate ${again}`,
	);
}

function readMetadata(path: string | undefined): unknown {
	if (path === undefined) return {};
	let metadata: unknown;
	try {
		metadata = JSON.parse(readFileSync(path, "utf8"));
	} catch (error) {
		const isMissing = (error as NodeJS.ErrnoException).code === "ENOENT";
		const message = isMissing ? `there is no ${path}` : `${path} is no JSON: ${(error as Error).message}`;
		throw new CliError(isMissing ? exitCodes.noInput : exitCodes.data, message, metadataExample);
	}
	if (typeof metadata === "object" && metadata !== null && !Array.isArray(metadata)) return metadata;
	throw new CliError(exitCodes.data, `${path} holds no object`, metadataExample);
}
