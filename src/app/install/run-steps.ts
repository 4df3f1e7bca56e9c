// Runs Helm's steps one after the other, and tells of each. In: the steps. Out: with a dry run the objects that would be made, as YAML.

import type { HelmStep } from "../../install/helm-steps.ts";
import { paint, print, say } from "../cli/terminal.ts";
import { runHelm } from "./run-helm.ts";

/** `interrupt`: Helm is told to stop, which it writes down before it ends. */
export async function runSteps(steps: readonly HelmStep[], dryRun: boolean, interrupt?: AbortSignal): Promise<void> {
	for (const { title, args } of steps) {
		const startMs = performance.now();
		const output = await runHelm(args, interrupt ? { interrupt } : {});
		if (dryRun) {
			print(`# ${title}\n${manifestsIn(output)}`);
			continue;
		}
		say(`${paint("green", "✔", process.stderr)} ${title.padEnd(28)} ${seconds(performance.now() - startMs)}`);
	}
}

const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;

/** Without what `helm upgrade --dry-run` says about the release. */
function manifestsIn(output: string): string {
	const [whole = "", manifests] = output.split(/^MANIFEST:$/m);
	return (manifests ?? whole).replace(/^NOTES:[\s\S]*$/m, "").trim();
}
