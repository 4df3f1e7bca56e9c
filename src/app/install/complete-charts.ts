// The chart of the kinds holds what `keepmesh crds --istio` prints, one file each. Written anew before each use, so it is never
// older than the program. In: the directory of the charts. Out: the same, or a copy where nothing may be written there.

import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { istioCrds } from "../../kubernetes/crds/istio-crds.ts";
import { keepmeshCrds } from "../../kubernetes/crds/keepmesh-crds.ts";

export interface CompleteCharts {
	readonly directory: string;
	/** Removes the copy, where there is one. */
	release(): void;
}

export function completeCharts(directory: string): CompleteCharts {
	try {
		writeKinds(directory);
		return { directory, release: () => {} };
	} catch (error) {
		if (!["EACCES", "EROFS", "EPERM"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
		const copy = mkdtempSync(join(tmpdir(), "keepmesh-charts-"));
		cpSync(directory, copy, { recursive: true });
		writeKinds(copy);
		return { directory: copy, release: () => rmSync(copy, { recursive: true, force: true }) };
	}
}

function writeKinds(charts: string): void {
	const groups = { keepmesh: keepmeshCrds(), istio: istioCrds() };
	for (const [group, kinds] of Object.entries(groups)) {
		const directory = join(charts, "crds", "files", group);
		mkdirSync(directory, { recursive: true });
		for (const kind of kinds) writeWhereOther(join(directory, `${kind.metadata.name}.json`), JSON.stringify(kind));
	}
}

function writeWhereOther(path: string, text: string): void {
	try {
		if (readFileSync(path, "utf8") === text) return;
	} catch {
		// It is not there yet.
	}
	writeFileSync(path, text);
}
