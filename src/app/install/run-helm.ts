// Runs the user's own helm. In: its arguments. Out: what it printed, or a CliError with its last words. KEEPMESH_HELM names another.

import { type CommandOptions, runCommand } from "../../kernel/run-command.ts";
import { CliError, exitCodes } from "../cli/cli-error.ts";

/** It has --take-ownership since then. */
const leastVersion = { major: 3, minor: 17 };

export interface HelmRelease {
	readonly name: string;
	readonly namespace: string;
	/** Number of its newest version. */
	readonly revision: string;
	/** `deployed`, `failed`, or `pending-upgrade` and the like while somebody changes it. */
	readonly status: string;
	/** `2026-11-21 22:03:26.1 +0000 UTC` */
	readonly updated: string;
	/** `keepmesh-0.1.0` */
	readonly chart: string;
	readonly app_version: string;
}

export function helmProgram(): string {
	return process.env.KEEPMESH_HELM ?? "helm";
}

/** Its major version. Rejects with CliError when there is no helm, or one that is too old. */
export async function checkHelm(): Promise<number> {
	const text = await runHelm(["version", "--template", "{{.Version}}"]);
	const [, major = "0", minor = "0"] = /v?(\d+)\.(\d+)/.exec(text) ?? [];
	const { major: least, minor: leastMinor } = leastVersion;
	if (Number(major) > least || (Number(major) === least && Number(minor) >= leastMinor)) return Number(major);
	throw new CliError(
		exitCodes.unavailable,
		`helm ${text.trim()} is too old: ${least}.${leastMinor} or newer is needed`,
		"https://helm.sh/docs/intro/install",
	);
}

export async function runHelm(
	args: readonly string[],
	given: Pick<CommandOptions, "input" | "interrupt"> = {},
): Promise<string> {
	const options = { timeoutMs: Number.POSITIVE_INFINITY, ...given };
	const { code, notStarted, stderr, stdout } = await runCommand(helmProgram(), args, options);
	if (notStarted) throw noHelm();
	if (code !== 0) throw new CliError(exitCodes.failure, reasonIn(stderr), "keepmesh check --kubernetes");
	return stdout;
}

export async function listReleases(access: readonly string[]): Promise<readonly HelmRelease[]> {
	const states = ["--deployed", "--failed", "--pending"];
	const text = await runHelm(["list", "--all-namespaces", ...states, "--output", "json", ...access]);
	return JSON.parse(text) as readonly HelmRelease[];
}

/** Number of the release's version that is in force; undefined: none ever was. */
export async function versionInForce(
	{ name, namespace }: Pick<HelmRelease, "name" | "namespace">,
	access: readonly string[],
): Promise<string | undefined> {
	const text = await runHelm(["history", name, "--namespace", namespace, "--output", "json", ...access]);
	const versions = JSON.parse(text) as readonly { readonly revision: number; readonly status: string }[];
	const good =
		versions.findLast(({ status }) => status === "deployed") ??
		versions.findLast(({ status }) => status === "superseded");
	return good === undefined ? undefined : String(good.revision);
}

const noHelm = (): CliError =>
	new CliError(
		exitCodes.unavailable,
		`${helmProgram()} is not installed, and the charts are its`,
		"https://helm.sh/docs/intro/install, or set KEEPMESH_HELM=/path/to/helm",
	);

/** Without the notes of helm's own progress. */
function reasonIn(stderr: string): string {
	const lines = stderr
		.split("\n")
		.map((line) => line.trim())
		.filter((line) => line !== "" && !/^(?:level=|WARNING|I\d{4}|W\d{4})/.test(line));
	return lines.join("; ").replace(/^Error: /, "") || "helm failed and said nothing";
}
