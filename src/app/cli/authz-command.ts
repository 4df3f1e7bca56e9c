// keepmesh authz check SRC DST [METHOD PATH]: may it, which rule decides, and why the others do not.

import { Command, Option } from "commander";
import type { AccessAnswer } from "../../policy/check-access.ts";
import type { PolicyStep } from "../../policy/decide-access.ts";
import type { AccessItem } from "../api/access-route.ts";
import { CliError, exitCodes } from "./cli-error.ts";
import { callApi } from "./control-plane-client.ts";
import { type ApiOption, withApiOption } from "./find-control-planes.ts";
import { paint, print, printJson } from "./terminal.ts";

interface CheckOptions extends ApiOption {
	readonly namespace: string;
	readonly port?: string;
	readonly host?: string;
	readonly header: readonly string[];
	readonly claims?: string;
	readonly output: "text" | "json";
}

export function authzCommand(): Command {
	const check = withApiOption(new Command("check"))
		.description("Says whether a workload may send a request to another, and which rule of which policy decides.")
		.argument("<src>", "who sends: [NAMESPACE/]NAME of a pod, WorkloadEntry, Deployment or service; or outside")
		.argument("<dst>", "who gets it: [NAMESPACE/]NAME of a pod, WorkloadEntry, Deployment or service")
		.argument("[method]", "of an HTTP request", "GET")
		.argument("[path]", "of an HTTP request", "/")
		.option("-n, --namespace <name>", "of names without one", "default")
		.option("--port <number>", "only this port, of the workload or the service")
		.option("--host <name>", "the request's Host (default: DST's name)")
		.option(
			"--header <name:value>",
			"a header of the request; several: again",
			(text, all: readonly string[]) => [...all, text],
			[],
		)
		.option("--claims <json>", "claims of a verified token")
		.addOption(new Option("-o, --output <format>", "how to print").choices(["text", "json"]).default("text"))
		.addHelpText("after", "\nExits with 0 when every port allows it, 1 when one does not.")
		.action(checkAccess);
	return new Command("authz").description("Access control: who may do what, and why.").addCommand(check);
}

async function checkAccess(
	from: string,
	to: string,
	method: string,
	path: string,
	options: CheckOptions,
): Promise<void> {
	const { namespace, port, host, header, claims } = options;
	const query = new URLSearchParams({ from, to, method, path, namespace });
	for (const [name, value] of Object.entries({ port, host, claims })) if (value !== undefined) query.set(name, value);
	for (const one of header) query.append("header", one);
	const { items } = await callApi<{ readonly items: readonly AccessItem[] }>(options, `/api/v1/access?${query}`);
	const answers = items.flatMap((item) => item.answers);
	if (answers.length === 0)
		throw new CliError(
			exitCodes.failure,
			`no service leads to a port of ${to}; name one`,
			`keepmesh authz check ${from} ${to} --port 8080`,
		);
	if (options.output === "json") printJson({ items });
	else print(items.map((item) => itemText(item, `${method} ${path}`)).join("\n\n"));
	if (answers.some(({ allowed }) => allowed === "no")) process.exitCode = exitCodes.failure;
}

function itemText(item: AccessItem, request: string): string {
	const like = item.servers > 1 ? ` (and ${item.servers - 1} like it)` : "";
	const head = `${item.client ?? "outside"} -> ${item.server}${like}`;
	return [paint("bold", head), ...item.answers.flatMap((answer) => answerLines(answer, request))].join("\n");
}

function answerLines(answer: AccessAnswer, request: string): readonly string[] {
	const { connection, decision, principal } = answer;
	const isHttp = !["TCP", "TLS", "HTTPS", "MYSQL", "MONGO", "REDIS"].includes(answer.protocol);
	const what = `port ${answer.port} (${answer.protocol})${isHttp ? `, ${request}` : ""}`;
	const because = decision?.because ?? connection.because.at(-1)?.says ?? "";
	const reasons = connection.because.map(({ says, sources }) => [says, ...sources].join(", "));
	return [
		`  ${verdict(answer)}  ${what}: ${because}`,
		`    connection  ${connection.clientSends} to a server that accepts ${connection.serverAccepts}${principal ? `, as ${principal}` : ""}`,
		...reasons.map((reason) => `                ${reason}`),
		...(decision?.steps ?? []).flatMap(stepLines),
	];
}

function verdict({ allowed }: AccessAnswer): string {
	switch (allowed) {
		case "yes":
			return paint("green", "ALLOWED");
		case "no":
			return paint("red", "DENIED");
		case "the provider decides":
			return paint("yellow", "ASKED");
		default:
			return allowed satisfies never;
	}
}

function stepLines({ action, policy, dryRun, metRule, because }: PolicyStep): readonly string[] {
	const met = metRule === undefined ? "no rule is met" : `rule ${metRule} is met`;
	const rules = because.length === 0 && metRule === undefined ? "it has no rules" : met;
	return [
		`    ${action.padEnd(10)}  ${policy}: ${rules}${dryRun ? " (dry run)" : ""}`,
		...because.map((reason, rule) => `                rule ${rule}: ${reason}`),
	];
}
