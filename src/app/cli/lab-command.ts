// keepmesh lab: a mesh on this machine alone, its nodes and pods network namespaces. Each subcommand is one call into src/lab.

import { readFileSync } from "node:fs";
import { Command, InvalidArgumentError, Option } from "commander";
import type { Lab } from "../../lab/lab.ts";
import { readLabRecord } from "../../lab/lab-record.ts";
import { LabError } from "../../lab/lab-up.ts";
import { podStatusWord } from "../../lab/plan/lab-pod.ts";
import { CliError, exitCodes } from "./cli-error.ts";
import { countProblems } from "./count-problems.ts";
import { chosenLab, runningLabs } from "./find-control-planes.ts";
import { needRoot } from "./need-root.ts";
import { readInputs } from "./read-inputs.ts";
import { print, printJson, renderAge, renderTable, say, sayProblems } from "./terminal.ts";

interface NameFlag {
	readonly name: string;
}

/** A lab that was not named: this one, else (but for up and down) the only one that runs. */
const defaultName = "lab";

export function labCommand(): Command {
	const command = new Command("lab")
		.description("nodes and pods as network namespaces on this machine")
		.enablePositionalOptions();
	const sub = (name: string, description: string): Command =>
		command.command(name).description(description).option("--name <name>", "name of the lab", defaultName);
	sub("up", "bring a lab up; it goes on in the background")
		.option("--nodes <n>", "nodes", wholeNumber, 3)
		.option("--controls <n>", "replicas of the control plane", wholeNumber, 2)
		.option("--state <dir>", "files of the lab (default: .keepmesh/lab/NAME of the checkout)")
		.option("--resources <dir>", "use this directory of resources, and leave it when the lab goes")
		.option("--no-mesh", "pods without proxies, and no control plane")
		.action(up);
	sub("down", "take the lab away: processes, namespaces, files").action(down);
	sub("status", "what runs, and what the lab waits for").addOption(outputOption()).action(status);
	sub("pods", "list pods").addOption(outputOption()).action(pods);
	sub("apply", "apply Kubernetes and Istio manifests")
		.requiredOption("-f, --filename <path...>", "files, directories, or - for standard input")
		.option("-n, --namespace <name>", "namespace of resources that name none", "default")
		.option("--wait <seconds>", "wait until every Deployment is rolled out", wholeNumber)
		.action(apply);
	sub("exec", "run a command in a pod, a node or the client: keepmesh lab exec client -- curl -s ADDRESS")
		.argument("<where>", "client, node-1, a pod's name or the beginning of it")
		.argument("<command...>")
		.passThroughOptions()
		.action(exec);
	sub("forward", "make a port of the lab reachable on 127.0.0.1")
		.argument("<target>", "gateway:8080, control:15014, POD:PORT, APP:PORT or ADDRESS:PORT")
		.option("--port <n>", "port on 127.0.0.1; the next free one when it is busy", wholeNumber, 8080)
		.action(forward);
	sub("logs", "print the log of a process or pod")
		.argument("[name]", "control-1, node-2, a pod; default: the lab itself")
		.action(logs);
	sub("events", "what has happened to pods and processes").addOption(outputOption()).action(events);
	sub("delete-pod", "delete a pod; its Deployment makes another").argument("<pod>").action(deletePod);
	command.command("daemon", { hidden: true }).requiredOption("--name <name>").action(daemon);
	return command;
}

interface UpFlags extends NameFlag {
	readonly nodes: number;
	readonly controls: number;
	readonly state?: string;
	readonly resources?: string;
	readonly mesh: boolean;
}

async function up(flags: UpFlags): Promise<void> {
	const { startLab } = await import("../lab.ts");
	needRoot(["lab", ...process.argv.slice(3)].join(" "));
	const startedMs = performance.now();
	const lab = await failing(() => startLab({ ...flags, onProgress: (what) => say(`… ${what}`) }));
	const { forwards, nodes, controls, resources } = await lab.status();
	const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
	say(`✔ lab ${lab.name} is up in ${seconds} s: ${nodes.length} nodes, ${controls.length} control planes`);
	for (const { name, port, wantedPort } of forwards)
		say(`  ${name}: http://127.0.0.1:${port}${port === wantedPort ? "" : ` (${wantedPort} was taken)`}`);
	say(`  resources: ${resources}`);
	say(`next: keepmesh lab apply -f FILE${nameFlag(lab.name)}`);
}

async function down({ name }: NameFlag): Promise<void> {
	const { labDown } = await import("../../lab/lab-down.ts");
	needRoot(`lab down${nameFlag(name)}`);
	if (await labDown(name)) return say(`✔ lab ${name} is gone`);
	const others = runningLabs().map((lab) => lab.name);
	const next = others.length === 0 ? "" : `; running: ${others.join(", ")} (keepmesh lab down --name ${others[0]})`;
	say(`there is no lab named ${name}${next}`);
}

async function status(flags: NameFlag & OutputFlag): Promise<void> {
	const lab = await labNamed(flags.name);
	const found = await lab.status();
	if (flags.output === "json") return printJson(found);
	print(`lab ${found.name}: ${found.phase}${found.because ? ` (${found.because})` : ""}`);
	for (const { name, port } of found.forwards) print(`${name}: http://127.0.0.1:${port}`);
	print("");
	print(
		renderTable(
			["PROCESS", "PID", "RESTARTS"],
			found.processes.map(({ name, pid, restarts }) => [name, pid === undefined ? "-" : `${pid}`, `${restarts}`]),
		),
	);
	print("");
	print(
		renderTable(
			["NAMESPACE", "DEPLOYMENT", "READY", "UP-TO-DATE", "AVAILABLE", "MESSAGE"],
			found.deployments.map((one) => [
				one.namespace,
				one.name,
				`${one.ready}/${one.wanted}`,
				`${one.updated}`,
				`${one.available}`,
				one.because,
			]),
		),
	);
}

async function pods(flags: NameFlag & OutputFlag): Promise<void> {
	const lab = await labNamed(flags.name);
	const found = await lab.pods();
	if (flags.output === "json") return printJson(found);
	const rows = found
		.toSorted((a, b) => (a.namespace + a.name < b.namespace + b.name ? -1 : 1))
		.map((pod) => [
			pod.namespace,
			pod.name,
			readyCell(pod),
			podStatusWord(pod),
			`${pod.containers.reduce((sum, container) => sum + container.restarts, 0)}`,
			renderAge(Date.now() - pod.createdMs),
			pod.address,
			pod.node,
		]);
	print(renderTable(["NAMESPACE", "NAME", "READY", "STATUS", "RESTARTS", "AGE", "IP", "NODE"], rows));
	for (const pod of found)
		for (const because of [pod.message, ...pod.containers.map((container) => container.because)])
			if (because.includes(": ")) say(`${pod.name}: ${because}`);
}

/** Containers as kubectl counts them, the proxy being one. */
function readyCell(pod: Awaited<ReturnType<Lab["pods"]>>[number]): string {
	const proxy = pod.proxy === "none" ? 0 : 1;
	const ready = pod.containers.filter((container) => container.ready).length + (pod.proxy === "ready" ? 1 : 0);
	const declared = (pod.spec.containers ?? []).filter((container) => container.name !== "istio-proxy").length;
	return `${ready}/${declared + proxy}`;
}

interface ApplyFlags extends NameFlag {
	readonly filename: readonly string[];
	readonly namespace: string;
	readonly wait?: number;
}

async function apply(flags: ApplyFlags): Promise<void> {
	const lab = await labNamed(flags.name);
	const loaded = await readInputs(flags.filename, { defaultNamespace: flags.namespace });
	sayProblems(loaded.problems);
	const errors = loaded.problems.filter((problem) => problem.severity === "error");
	if (errors.length > 0)
		throw new CliError(
			exitCodes.data,
			`nothing was applied: ${countProblems(errors)}`,
			`mend the lines above, then apply again`,
		);
	for (const { path, text } of loaded.files) {
		const applied = await lab.apply(text, path, flags.namespace);
		if (!applied.ok) throw new CliError(exitCodes.data, `${path} was not applied`, `keepmesh validate -f ${path}`);
		for (const item of applied.items) print(`${item.kind.toLowerCase()}/${item.name} ${item.outcome}`);
	}
	if (flags.wait === undefined) return;
	const pending = await lab.untilRolledOut(flags.wait * 1000);
	if (pending.length > 0)
		throw new CliError(
			exitCodes.failure,
			`not rolled out after ${flags.wait} s: ${pending.join(", ")}`,
			"keepmesh lab pods",
		);
}

async function exec(where: string, given: readonly string[], flags: NameFlag): Promise<void> {
	const command = given[0] === "--" ? given.slice(1) : given;
	const lab = await labNamed(flags.name);
	needRoot("lab exec");
	const child = await failing(() => lab.spawnIn(where, command, { stdio: "inherit" }));
	process.exitCode = await new Promise<number>((resolve) => {
		child.once("error", () => resolve(127));
		child.once("exit", (code, signal) => resolve(code ?? (signal ? 128 : 1)));
	});
}

async function forward(target: string, flags: NameFlag & { readonly port: number }): Promise<void> {
	const lab = await labNamed(flags.name);
	const { port, wantedPort } = await failing(() => lab.forward(target, flags.port, target));
	if (port !== wantedPort) say(`port ${wantedPort} is taken, so another is used`);
	print(`http://127.0.0.1:${port}`);
}

async function logs(name: string | undefined, flags: NameFlag): Promise<void> {
	const lab = await labNamed(flags.name);
	const { processes, state } = await lab.status();
	const kept = processes.find((one) => one.name === name);
	if (name === undefined || kept) return print(readLog(kept?.log ?? `${state}/logs/lab.log`));
	const place = await failing(() => lab.placeOf(name));
	const pod = (await lab.pods()).find((one) => one.netns === place.netns);
	for (const container of pod?.containers ?? [])
		print(readLog(`${state}/pods/${pod?.namespace}.${pod?.name}/${container.name}.log`));
}

function readLog(file: string): string {
	try {
		return readFileSync(file, "utf8");
	} catch {
		return "";
	}
}

async function events(flags: NameFlag & OutputFlag): Promise<void> {
	const lab = await labNamed(flags.name);
	const found = await lab.events();
	if (flags.output === "json") return printJson(found);
	const rows = found.map(({ atMs, about, what }) => [renderAge(Date.now() - atMs), about, what]);
	print(renderTable(["AGE", "ABOUT", "WHAT"], rows));
}

async function deletePod(name: string, flags: NameFlag): Promise<void> {
	const lab = await labNamed(flags.name);
	const pod = (await lab.pods()).find((one) => one.name === name || `${one.namespace}/${one.name}` === name);
	if (!pod || !(await lab.deletePod(pod.namespace, pod.name)))
		throw new CliError(exitCodes.failure, `there is no pod ${name}`, `keepmesh lab pods${nameFlag(flags.name)}`);
	print(`pod/${pod.name} deleted`);
}

async function daemon({ name }: NameFlag): Promise<void> {
	const { runLabDaemon } = await import("../lab.ts");
	await runLabDaemon(name);
	process.exit(0);
}

interface OutputFlag {
	readonly output: "table" | "json";
}

function outputOption(): Option {
	return new Option("-o, --output <format>", "how to print").choices(["table", "json"]).default("table");
}

async function labNamed(name: string): Promise<Lab> {
	const { Lab } = await import("../../lab/lab.ts");
	const record = readLabRecord(name) ?? (name === defaultName ? chosenLab({}, "--name") : undefined);
	const lab = new Lab(record?.name ?? name);
	if (!record) throw new CliError(exitCodes.unavailable, `there is no lab ${name}`, `keepmesh lab up${nameFlag(name)}`);
	try {
		await lab.status();
	} catch {
		throw new CliError(
			exitCodes.unavailable,
			`lab ${name} does not answer: its daemon was killed`,
			`keepmesh lab down${nameFlag(name)}`,
		);
	}
	return lab;
}

async function failing<T>(run: () => Promise<T>): Promise<T> {
	try {
		return await run();
	} catch (error) {
		if (error instanceof LabError) throw new CliError(exitCodes.failure, error.message, error.next);
		throw new CliError(
			exitCodes.failure,
			error instanceof Error ? error.message : String(error),
			"keepmesh lab status",
		);
	}
}

function nameFlag(name: string): string {
	return name === "lab" ? "" : ` --name ${name}`;
}

function wholeNumber(text: string): number {
	const number = Number(text);
	if (!Number.isInteger(number) || number < 0) throw new InvalidArgumentError(`"${text}" is no whole number`);
	return number;
}
