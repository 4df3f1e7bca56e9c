// npm run charts [-- DIRECTORY]: completes the charts of deploy/helm with the kinds, for use by helm alone; with a directory also
// packs them into it.

import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { completeCharts } from "../src/app/install/complete-charts.ts";
import { helmProgram } from "../src/app/install/run-helm.ts";

const charts = completeCharts(`${import.meta.dirname}/../deploy/helm`);
const [destination] = process.argv.slice(2);
if (destination !== undefined) {
	const paths = readdirSync(charts.directory).map((name) => `${charts.directory}/${name}`);
	const { error, status } = spawnSync(helmProgram(), ["package", ...paths, "--destination", destination], {
		stdio: "inherit",
	});
	if (error) console.error(`${helmProgram()} is not installed`);
	process.exitCode = status ?? 69;
}
charts.release();
