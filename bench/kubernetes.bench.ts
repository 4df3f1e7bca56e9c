// On a real Kubernetes cluster: npm run bench -- kubernetes [--only PART]. Parts: pod-start (with [--runs N]), source,
// whole-path (with [--fault rolling-update|node-drain|power-off] [--runs N]).

import { benchPodStart } from "./kubernetes/pod-start.ts";
import { benchSource } from "./kubernetes/source.ts";
import { benchWholePath } from "./kubernetes/whole-path.ts";
import { type BenchRow, reportBench } from "./support/bench-report.ts";

const parts: Readonly<Record<string, () => Promise<readonly BenchRow[]>>> = {
	"pod-start": benchPodStart,
	source: benchSource,
	"whole-path": () => benchWholePath(),
};

const only = process.argv.includes("--only") ? process.argv[process.argv.indexOf("--only") + 1] : undefined;
const rows: BenchRow[] = [];
for (const [name, run] of Object.entries(parts)) if (only === undefined || only === name) rows.push(...(await run()));
reportBench("kubernetes", rows);
process.exit(0);
