// Commands as an administrator of the test cluster types them: `keepmesh`, kubectl with its plugin, curl, from where all of the
// cluster is in reach.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { checkout, kubeconfigPath, namespacePath, programsDirectory } from "../../cluster/cluster-paths.ts";
import type { CommandOutcome, TestCluster } from "./test-cluster.ts";

type Place = Pick<TestCluster, "record" | "shape">;

/** For spawn: the program, its arguments, its environment. */
export function commandAt({ record, shape }: Place, [program = "", ...args]: readonly string[]) {
	const env = {
		...process.env,
		KUBECONFIG: kubeconfigPath(record.size.name, shape),
		PATH: `${programsDirectory}:${checkout}:${process.env.PATH}`,
	};
	const command = program === "keepmesh" ? join(checkout, "keepmesh") : program;
	return ["nsenter", [`--net=${namespacePath(shape.controlPlane)}`, "--", command, ...args], env] as const;
}

/** Ends after 400 s at most. */
export function typed(place: Place, words: readonly string[]): Promise<CommandOutcome> {
	const [program, args, env] = commandAt(place, words);
	return new Promise((resolve) => {
		execFile(program, args, { env, timeout: 400_000, maxBuffer: 64 << 20 }, (error, stdout, stderr) => {
			resolve({ code: error ? (typeof error.code === "number" ? error.code : 1) : 0, stdout, stderr });
		});
	});
}

/** What it printed. Rejects when it fails. */
export async function succeed(outcome: Promise<CommandOutcome>): Promise<string> {
	const { code, stderr, stdout } = await outcome;
	assert.equal(code, 0, `${stderr}${stdout.slice(-2000)}`);
	return stdout;
}

/** Again and again, one after the other, until `signal`. */
export async function repeat(run: () => Promise<string>, signal: AbortSignal): Promise<readonly string[]> {
	const found: string[] = [];
	while (!signal.aborted) found.push(await run());
	return found;
}
