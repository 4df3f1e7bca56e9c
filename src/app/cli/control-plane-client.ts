// Finds a control plane's API and talks to it. Looked for in this order: --api, KEEPMESH_API, the running lab, this machine.

import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Command, Option } from "commander";
import type { ApiFailure } from "../api/api-types.ts";
import { CliError, exitCodes } from "./cli-error.ts";
import { sayProblems } from "./terminal.ts";

export interface ApiOption {
	readonly api?: string;
}

export function withApiOption(command: Command): Command {
	return command.addOption(
		new Option("--api <url>", "the control plane's API (default: KEEPMESH_API, the running lab, or this machine)"),
	);
}

interface Found {
	readonly url: string;
	readonly because: string;
}

const labFolder = fileURLToPath(new URL("../../../.keepmesh/lab/", import.meta.url));

export function findControlPlane(options: ApiOption): Found {
	if (options.api) return { url: options.api, because: "--api" };
	const fromEnvironment = process.env.KEEPMESH_API;
	if (fromEnvironment) return { url: fromEnvironment, because: "KEEPMESH_API" };
	const lab = newestLab();
	if (lab) return lab;
	return { url: "http://127.0.0.1:15014", because: "this machine" };
}

/** The lab that was started last; its state file says where its control plane is reached from here. */
function newestLab(): Found | undefined {
	let names: readonly string[];
	try {
		names = readdirSync(labFolder);
	} catch {
		return undefined;
	}
	const labs = names.flatMap((name) => {
		const file = join(labFolder, name, "lab.json");
		try {
			const { forwards } = JSON.parse(readFileSync(file, "utf8")) as { forwards?: { api?: unknown } };
			const port = forwards?.api;
			if (typeof port !== "number") return [];
			return [{ url: `http://127.0.0.1:${port}`, because: `lab ${name}`, atMs: statSync(file).mtimeMs }];
		} catch {
			return [];
		}
	});
	return labs.sort((a, b) => b.atMs - a.atMs)[0];
}

export interface Call {
	readonly method?: "GET" | "PUT" | "POST" | "DELETE";
	readonly body?: string;
	/** Answers that are not failures although their status is. */
	readonly expect?: readonly number[];
}

/** Calls the API and gives its JSON; every way to fail becomes a CliError. */
export async function callApi<Answer>(options: ApiOption, path: string, call: Call = {}): Promise<Answer> {
	const { url, because } = findControlPlane(options);
	let response: Response;
	try {
		response = await fetch(new URL(path, url), {
			method: call.method ?? "GET",
			...(call.body === undefined ? {} : { body: call.body, headers: { "content-type": "application/yaml" } }),
			signal: AbortSignal.timeout(30_000),
		});
	} catch (error) {
		if (error instanceof TypeError && error.message.startsWith("Failed to parse URL")) {
			throw new CliError(exitCodes.usage, `${url} (${because}) is no URL`, "--api http://127.0.0.1:15014");
		}
		throw new CliError(
			exitCodes.unavailable,
			`no control plane answers at ${url} (${because}): ${reasonOf(error)}`,
			because.startsWith("lab") || because === "this machine"
				? "keepmesh lab up (or: keepmesh control --resources DIR)"
				: "keepmesh control --resources DIR, or another --api URL",
		);
	}
	if (response.ok || call.expect?.includes(response.status)) return (await response.json()) as Answer;
	const failure = await failureOf(response);
	sayProblems(failure.problems ?? []);
	const code =
		response.status === 422 ? exitCodes.data : response.status >= 500 ? exitCodes.unavailable : exitCodes.failure;
	throw new CliError(code, failure.error, failure.next || "keepmesh status");
}

async function failureOf(response: Response): Promise<ApiFailure> {
	const text = await response.text();
	try {
		return JSON.parse(text) as ApiFailure;
	} catch {
		return { error: `the control plane answered ${response.status}`, next: "keepmesh status" };
	}
}

function reasonOf(error: unknown): string {
	const cause = error instanceof Error ? (error.cause as NodeJS.ErrnoException | undefined) : undefined;
	return cause?.code ?? cause?.message ?? (error instanceof Error ? error.message : String(error));
}
