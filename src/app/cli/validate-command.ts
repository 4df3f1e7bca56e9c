// keepmesh validate: every problem of resource files at once, without a control plane. Exit 0, or 65 if there is an error.

import { Command, Option } from "commander";
import { CliError, exitCodes } from "./cli-error.ts";
import { readInputs } from "./read-inputs.ts";
import { counted, countProblems, renderProblem } from "./render-problem.ts";
import { print, printJson, say } from "./terminal.ts";

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
	const problems = [...loaded.problems, ...checkReferences(loaded.objects)];
	const hasErrors = problems.some((problem) => problem.severity === "error");
	if (options.output === "json") {
		printJson({ valid: !hasErrors, files: loaded.files.length, resources: loaded.objects.length, problems });
	} else {
		for (const problem of problems) print(renderProblem(problem, process.stdout));
	}
	const summary = `${counted(loaded.objects.length, "good resource")} in ${counted(loaded.files.length, "file")}, ${countProblems(problems)}`;
	if (hasErrors) {
		const again = `keepmesh validate ${options.filename.map((path) => `-f ${path}`).join(" ")}`;
		throw new CliError(exitCodes.data, summary, `mend the lines above, then: ${again}`);
	}
	say(summary);
}
