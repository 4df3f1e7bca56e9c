// keepalived.conf of one node or several in, everything that will not do what it is meant to do out: `keepmesh vip check`.

import type { Problem } from "../../resources/problem.ts";
import { newReport } from "./conf-report.ts";
import type { ParsedConf } from "./parse-keepalived-conf.ts";
import { warnOfDisagreement } from "./traps/agreement-traps.ts";
import { type NodeFile, virtualRouters } from "./traps/node-file.ts";
import { type ScriptLookUp, warnOfScripts } from "./traps/script-traps.ts";
import { warnOfWeights } from "./traps/weight-traps.ts";

export interface CheckedFile {
	readonly path: string;
	readonly parsed: ParsedConf;
}

/** Problems of the files themselves, then the traps. `scripts`: look at the scripts on this machine. */
export function checkConf(files: readonly CheckedFile[], scripts?: ScriptLookUp): readonly Problem[] {
	const report = newReport();
	const nodes: readonly NodeFile[] = files.map(({ path, parsed }) => ({
		path,
		config: parsed.config,
		line: parsed.line,
	}));
	for (const router of virtualRouters(nodes)) {
		warnOfWeights(router, report);
		warnOfDisagreement(router, report);
	}
	for (const node of nodes) warnOfScripts(node, scripts, report);
	return [...files.flatMap(({ parsed }) => parsed.problems), ...report.problems];
}
