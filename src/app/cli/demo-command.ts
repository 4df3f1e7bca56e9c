// keepmesh demo: brings a lab up with the sample in it, takes the measured tour, prints the table and what to try next.

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Command } from "commander";
import type { Lab } from "../../lab/lab.ts";
import { readLabRecord } from "../../lab/lab-record.ts";
import { LabError } from "../../lab/lab-up.ts";
import { renderTour } from "../../lab/tour/render-tour.ts";
import { runTour } from "../../lab/tour/run-tour.ts";
import { tourSteps } from "../../lab/tour/tour-steps.ts";
import { realClock } from "../../runtime/clock.ts";
import { labTourMesh } from "../demo/lab-tour-mesh.ts";
import { canEnterUserNamespace, isInUserNamespace, runInUserNamespace } from "../demo/user-namespace.ts";
import { startLab } from "../lab.ts";
import { CliError, exitCodes } from "./cli-error.ts";
import { needRoot } from "./need-root.ts";
import { paint, print, say } from "./terminal.ts";

interface DemoFlags {
	readonly exit?: true;
	readonly name: string;
}

const sampleFile = fileURLToPath(new URL("../../../samples/bookinfo/bookinfo.yaml", import.meta.url));
const rolloutLimitMs = 60_000;

export function demoCommand(): Command {
	return new Command("demo")
		.description("brings a mesh up on this machine and shows what it does, measured")
		.option("--exit", "take the lab down at the end")
		.option("--name <name>", "name of the lab", "lab")
		.action(demo);
}

async function demo(flags: DemoFlags): Promise<void> {
	if (process.getuid?.() !== 0 && canEnterUserNamespace()) {
		say("not root: the demo runs in a user namespace, which ends with it");
		process.exitCode = await runInUserNamespace();
		return;
	}
	needRoot(["demo", ...process.argv.slice(3)].join(" "));
	const startedMs = performance.now();
	const lab = await bringUp(flags.name);
	let allAsExpected = false;
	try {
		const mesh = labTourMesh(lab);
		await serveSample(lab);
		for (const file of ["versions.yaml", "gateway.yaml"]) await mesh.apply(file);
		await untilServing(mesh);
		done("mesh", `serves ${((performance.now() - startedMs) / 1000).toFixed(1)} s after the start`);
		say("");
		const lines = await runTour(tourSteps, mesh, realClock, {
			begins: (step) =>
				say(
					`  … ${step.title}${step.file ? paint("grey", ` (samples/bookinfo/tour/${step.file})`, process.stderr) : ""}`,
				),
			ends: (line) =>
				say(
					`    ${line.ok ? paint("green", "✔", process.stderr) : paint("red", "✘", process.stderr)} ${line.measured}`,
				),
		});
		allAsExpected = lines.every((line) => line.ok);
		say("");
		print(renderTour(lines));
		if (isInUserNamespace() && !flags.exit) {
			say(
				"\nThe mesh lives as long as this command, and only inside it: Ctrl-C ends both. As root it stays: sudo ./keepmesh demo",
			);
			await interrupted();
		}
	} finally {
		if (flags.exit || isInUserNamespace()) {
			await lab.down();
			say("\nThe lab is down; nothing of it is left.");
		}
	}
	if (!flags.exit && !isInUserNamespace()) await sayWhatNext(lab);
	if (!allAsExpected)
		throw new CliError(
			exitCodes.failure,
			"the tour did not measure what it expected",
			`keepmesh lab events --name ${flags.name}; keepmesh check --for node says what of this machine is in the way`,
		);
}

function interrupted(): Promise<void> {
	return new Promise((resolve) => {
		for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => resolve());
	});
}

async function bringUp(name: string): Promise<Lab> {
	try {
		const lab = await startLab({ name, nodes: 3, controls: 2 });
		const { nodes, controls } = await lab.status();
		done("lab", `${nodes.length} nodes, ${controls.length} control planes, a gateway, a client outside the mesh`);
		return lab;
	} catch (error) {
		if (error instanceof LabError) throw new CliError(exitCodes.unavailable, error.message, error.next);
		throw error;
	}
}

async function serveSample(lab: Lab): Promise<void> {
	const outcome = await lab.apply(readFileSync(sampleFile, "utf8"), "bookinfo.yaml");
	if (!outcome.ok) throw new Error(outcome.problems.map((problem) => problem.message).join("; "));
	const pending = await lab.untilRolledOut(rolloutLimitMs);
	if (pending.length > 0)
		throw new CliError(
			exitCodes.failure,
			`not ready after ${rolloutLimitMs / 1000} s: ${pending.join(", ")}`,
			"keepmesh lab pods; keepmesh check --for node says what of this machine is in the way",
		);
	const pods = await lab.pods();
	done("sample", `productpage, details, ratings, reviews v1 v2 v3: ${pods.length} pods, each with its Envoy`);
}

/** A single request until it is answered: from here on nothing may fail. */
async function untilServing(mesh: ReturnType<typeof labTourMesh>): Promise<void> {
	for (let attempt = 0; attempt < 100; attempt++) {
		const report = await mesh.send({ path: "/productpage", requests: 1, concurrency: 1 });
		if (report.byOutcome["200"] === 1) return;
	}
	throw new CliError(exitCodes.failure, "the gateway does not serve the sample", "keepmesh proxy-status");
}

function done(part: string, what: string): void {
	say(`${paint("green", "✔", process.stderr)} ${part.padEnd(8)} ${what}`);
}

async function sayWhatNext(lab: Lab): Promise<void> {
	const gateway = readLabRecord(lab.name)?.forwards?.gateway;
	const pods = await lab.pods();
	const podOf = (deployment: string): Awaited<ReturnType<Lab["pods"]>>[number] | undefined =>
		pods.find((pod) => pod.owner.endsWith(`/${deployment}`) && pod.readySinceMs !== undefined);
	const [ingress, reviews] = [podOf("istio-ingressgateway"), podOf("reviews-v1")];
	const isDefault = lab.name === "lab";
	// What was typed can be typed again, also where keepmesh is not on the PATH.
	const calledAs = process.env.KEEPMESH_CALLED_AS ?? "keepmesh";
	const flag = isDefault ? "" : ` --lab ${lab.name}`;
	const labFlag = isDefault ? "" : ` --name ${lab.name}`;
	const tries: readonly (readonly [string, string])[] = [
		[`canary reviews v1=50 v3=50${flag}`, "shift traffic, then reload the page"],
		[`proxy-status${flag}`, "is every proxy in sync?"],
		[`describe virtualservice reviews${flag}`, "what became of it"],
		...(reviews ? [[`proxy-config routes ${reviews.name}${flag}`, "what its Envoy has"] as const] : []),
		...(ingress
			? [
					[
						`lab exec${labFlag} client -- curl -s -H 'host: bookinfo.example' http://${ingress.address}:8080/productpage`,
						"",
					] as const,
				]
			: []),
		[`lab down${labFlag}`, "nothing is left behind"],
	];
	const width = Math.max(...tries.map(([command, why]) => (why === "" ? 0 : command.length)));
	say(
		[
			"",
			...(gateway ? [`The mesh runs on: http://127.0.0.1:${gateway}/productpage`] : []),
			"Try:",
			...tries.map(([command, why]) => `  ${calledAs} ${command.padEnd(why === "" ? 0 : width)}  ${why}`.trimEnd()),
		].join("\n"),
	);
}
