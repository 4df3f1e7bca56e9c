// Where the control planes are. Looked for in this order: --api, --kubernetes, KEEPMESH_API, a cluster (kubectl keepmesh), the lab
// (--lab, or the only one that runs), this machine. Out: the replicas, each with a way to ask it.

import { readdirSync } from "node:fs";
import { type Command, Option } from "commander";
import type { Lab } from "../../lab/lab.ts";
import { daemonRuns, type LabRecord, readLabRecord, runDirectory } from "../../lab/lab-record.ts";
import type { HttpAnswer, HttpCall } from "../demo/namespace-request.ts";
import { CliError, exitCodes } from "./cli-error.ts";
import type { KubernetesPlace } from "./control-planes-on-kubernetes.ts";

export interface ApiOption extends KubernetesPlace {
	/** The control planes of a cluster. */
	readonly kubernetes?: boolean;
	readonly api?: readonly string[];
	readonly lab?: string;
	readonly name?: string;
}

export interface Replica {
	/** `control-1` in a lab, else the URL. */
	readonly name: string;
	/** Rejects when it does not answer. */
	readonly ask: (path: string, call: HttpCall) => Promise<HttpAnswer>;
}

export interface ControlPlanes {
	/** Where they were found: `--api`, `lab NAME`, ... */
	readonly because: string;
	readonly lab?: Lab;
	readonly replicas: readonly Replica[];
}

const timeoutMs = 30_000;

export function withApiOption(command: Command): Command {
	return command
		.addOption(
			new Option(
				"--api <url>",
				"a control plane's API; several: again, or with commas (default: KEEPMESH_API, the lab, or this machine)",
			).argParser((text: string, before: readonly string[] = []) => [...before, ...urlsIn(text)]),
		)
		.option("--kubernetes", "ask those of a cluster, by kubectl port-forward (kubectl keepmesh does by itself)")
		.option("--kubeconfig <file>", "with --kubernetes: of the cluster (default: KUBECONFIG, else ~/.kube/config)")
		.option("--context <name>", "with --kubernetes: of the kubeconfig (default: its current one)")
		.option("--system-namespace <name>", "with --kubernetes: where Keepmesh is installed (default: keepmesh-system)")
		.option("--lab <name>", "the lab to ask (default: the only one that runs)")
		.addOption(new Option("--name <name>", "the same as --lab").hideHelp());
}

/** Resources are in a cluster, where control planes take no writes. */
export function isOnKubernetes({ api, kubernetes, lab, name }: ApiOption): boolean {
	if (api && api.length > 0) return false;
	if (kubernetes) return true;
	const isNamed = lab !== undefined || name !== undefined || urlsIn(process.env.KEEPMESH_API ?? "").length > 0;
	return !isNamed && process.env.KEEPMESH_CALLED_AS === "kubectl keepmesh";
}

export async function findControlPlanes(options: ApiOption): Promise<ControlPlanes> {
	if (options.api && options.api.length > 0) return atUrls(options.api, "--api");
	if (options.kubernetes) return await onKubernetes(options);
	const named = options.lab ?? options.name;
	const fromEnvironment = urlsIn(process.env.KEEPMESH_API ?? "");
	if (named === undefined && fromEnvironment.length > 0) return atUrls(fromEnvironment, "KEEPMESH_API");
	if (named === undefined && process.env.KEEPMESH_CALLED_AS === "kubectl keepmesh") return await onKubernetes(options);
	const record = chosenLab(options);
	if (record) return await inLab(record);
	return atUrls(["http://127.0.0.1:15014"], "this machine");
}

async function onKubernetes(options: ApiOption): Promise<ControlPlanes> {
	const { controlPlanesOnKubernetes } = await import("./control-planes-on-kubernetes.ts");
	return await controlPlanesOnKubernetes(options);
}

/** The lab that was named, or the only one that runs; several without a name are a usage error. */
export function chosenLab(options: ApiOption, flag: "--lab" | "--name" = "--lab"): LabRecord | undefined {
	const named = options.lab ?? options.name;
	if (named !== undefined) {
		const record = readLabRecord(named);
		if (record && daemonRuns(record)) return record;
		const message = record ? `lab ${named} does not answer: its daemon was killed` : `there is no lab ${named}`;
		throw new CliError(exitCodes.unavailable, message, `keepmesh lab ${record ? "down" : "up"} --name ${named}`);
	}
	const running = runningLabs();
	const [only, ...others] = running;
	if (others.length === 0) return only;
	const names = running.map((record) => record.name);
	throw new CliError(exitCodes.usage, `several labs run: ${names.join(", ")}; say which`, `add ${flag} ${names[0]}`);
}

export function runningLabs(): readonly LabRecord[] {
	return labNames().flatMap((name) => {
		const record = readLabRecord(name);
		return record && daemonRuns(record) ? [record] : [];
	});
}

function labNames(): readonly string[] {
	try {
		return readdirSync(runDirectory("")).sort();
	} catch {
		return [];
	}
}

async function inLab(record: LabRecord): Promise<ControlPlanes> {
	const because = `lab ${record.name}`;
	const forwarded = record.forwards?.api;
	// To enter a namespace takes root; the forwarded port is open to everybody, and leads to the first replica that answers.
	if (process.getuid?.() !== 0 && forwarded) return atUrls([`http://127.0.0.1:${forwarded}`], because);
	const [{ Lab }, { requestControl }] = await Promise.all([
		import("../../lab/lab.ts"),
		import("../demo/control-query.ts"),
	]);
	const lab = new Lab(record.name);
	try {
		const { client, controls } = await lab.status();
		if (controls.length === 0)
			throw new CliError(exitCodes.unavailable, `${because} has no control plane`, "keepmesh lab up");
		const replicas = controls.map((control) => ({
			name: control.name,
			ask: (path: string, call: HttpCall) => requestControl(client, control, path, { timeoutMs, ...call }),
		}));
		return { because, lab, replicas };
	} catch (error) {
		if (error instanceof CliError) throw error;
		const reason = error instanceof Error ? error.message : String(error);
		throw new CliError(exitCodes.unavailable, `${because} does not answer: ${reason}`, "keepmesh lab status");
	}
}

function atUrls(urls: readonly string[], because: string): ControlPlanes {
	const wrong = urls.find((url) => !/^https?:/.test(url) || !URL.canParse(url));
	if (wrong !== undefined)
		throw new CliError(exitCodes.usage, `${wrong} (${because}) is no URL`, "--api http://127.0.0.1:15014");
	return { because, replicas: [...new Set(urls)].map((url) => ({ name: url, ask: askUrl(url) })) };
}

function askUrl(url: string): Replica["ask"] {
	return async (path, { method = "GET", body, ...call }) => {
		const response = await fetch(new URL(path, url), {
			method,
			...(body === undefined ? {} : { body, headers: { "content-type": "application/yaml" } }),
			signal: AbortSignal.timeout(call.timeoutMs ?? timeoutMs),
		});
		return { status: response.status, text: await response.text() };
	};
}

function urlsIn(text: string): readonly string[] {
	return text
		.split(",")
		.map((url) => url.trim())
		.filter((url) => url !== "");
}
