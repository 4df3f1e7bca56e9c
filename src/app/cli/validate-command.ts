// keepmesh validate: every problem of resource files at once, without a control plane. Exit 0, or 65 if there is an error.

import { Command, Option } from "commander";
import { checkReferences } from "../../resources/check-references.ts";
import { newFieldFinder } from "../../resources/find-field.ts";
import { renderProblems } from "../../resources/render-problems.ts";
import { CliError, exitCodes } from "./cli-error.ts";
import { counted, countProblems } from "./count-problems.ts";
import { readInputs } from "./read-inputs.ts";
import { isColourful, print, printJson, say } from "./terminal.ts";

interface ValidateOptions {
	readonly filename: readonly string[];
	readonly output: "text" | "json";
	readonly namespace: string;
}

export function validateCommand(): Command {
	return new Command("validate")
		.description("Checks resource files and lists every problem. Exits 0, or 65 if there is an error.")
		.requiredOption("-f, --filename <path...>", "files, directories, or - for standard input")
		.option("-n, --namespace <name>", "namespace of resources that name none", "default")
		.addOption(new Option("-o, --output <format>", "how to print").choices(["text", "json"]).default("text"))
		.action(validate);
}

async function validate(options: ValidateOptions): Promise<void> {
	const loaded = await readInputs(options.filename, { defaultNamespace: options.namespace });
	// What refers to something that is not in these files may be somewhere else: a warning, whatever it is in the mesh.
	const references = checkReferences(loaded.objects, newFieldFinder(loaded.files));
	const problems = [...loaded.problems, ...references.map((problem) => ({ ...problem, severity: "warning" as const }))];
	const hasErrors = problems.some((problem) => problem.severity === "error");
	if (options.output === "json") {
		printJson({ valid: !hasErrors, files: loaded.files.length, resources: loaded.objects.length, problems });
	} else {
		if (problems.length > 0) print(renderProblems(problems, { colour: isColourful(process.stdout) }));
	}
	const summary = `${counted(loaded.objects.length, "good resource")} in ${counted(loaded.files.length, "file")}, ${countProblems(problems)}`;
	if (hasErrors) {
		const again = `keepmesh validate ${options.filename.map((path) => `-f ${path}`).join(" ")}`;
		throw new CliError(exitCodes.data, summary, `mend the lines above, then: ${again}`);
	}
	say(summary);
}
