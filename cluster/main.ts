// `npm run cluster`: real Kubernetes clusters, control planes and nodes with pods, inside this machine. Exit codes as sysexits.h.

import { spawnSync } from "node:child_process";
import { Argument, Command, InvalidArgumentError } from "commander";
import { whyCannotRun } from "./cannot-run.ts";
import { ClusterError } from "./cluster-error.ts";
import { kubeconfigPath, namespacePath, programsDirectory } from "./cluster-paths.ts";
import { listImages, readLayers } from "./images/image-recipes.ts";
import { keepmeshRecipe } from "./images/keepmesh-image.ts";
import { mappedImages } from "./images/mapped-images.ts";
import { keepLogs } from "./keep-logs.ts";
import { loadImage } from "./load-image.ts";
import { nodeDown, nodeUp } from "./node-power.ts";
import { mostClusters, mostNodes, planSet, type SetOptions, setNamePattern } from "./plan/cluster-shape.ts";
import { type ControlPlaneProgram, controlPlanePrograms } from "./plan/control-plane-commands.ts";
import { planSetNetwork } from "./plan/network-plan.ts";
import type { ClusterOptions } from "./plan/node-options.ts";
import { renderPlan } from "./plan/render-plan.ts";
import { type PlannedCluster, planSetHere } from "./plan-set.ts";
import { programDown, programUp } from "./program-power.ts";
import { setDown } from "./set-down.ts";
import { listSets, readSetRecord, type SetRecord } from "./set-record.ts";
import { setStatus } from "./set-status.ts";
import { imageSources, newRecord, setUp } from "./set-up.ts";

const startedMs = performance.now();
const say = (text: string): void => {
	process.stderr.write(`${((performance.now() - startedMs) / 1000).toFixed(2).padStart(6)}s  ${text}\n`);
};

const many = (value: string, before: readonly string[]): readonly string[] => [...before, value];
const upTo =
	(most: number) =>
	(text: string): number => {
		const value = Number(text);
		if (!Number.isInteger(value) || value < 1 || value > most) throw new InvalidArgumentError(`not from 1 to ${most}`);
		return value;
	};
const setName = (text: string): string => {
	if (!setNamePattern.test(text))
		throw new InvalidArgumentError("up to 8 small letters and digits, letters at both ends");
	return text;
};

const program = new Command("npm run cluster --")
	.description("Real Kubernetes clusters inside this machine, for tests.")
	.enablePositionalOptions()
	.exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 64));

const command = (name: string, description: string): Command =>
	program.command(name).description(description).option("--name <name>", "name of the set of clusters", setName, "kl");

interface UpFlags extends SetOptions {
	readonly kubeProxy: boolean;
	readonly apiserverArg: readonly string[];
	readonly controllerArg: readonly string[];
	readonly kubeletArg: readonly string[];
	readonly share: readonly string[];
	readonly dryRun?: boolean;
}

command("up", "starts clusters, and returns when their nodes are Ready and CoreDNS answers")
	.option("--nodes <count>", "nodes of each cluster", upTo(mostNodes), 2)
	.option("--clusters <count>", "clusters; machines and pods of each reach those of the others", upTo(mostClusters), 1)
	.option("--no-kube-proxy", "nodes start without kube-proxy")
	.option("--apiserver-arg <arg>", "one more argument of kube-apiserver, for example --apiserver-arg=--v=4", many, [])
	.option("--controller-arg <arg>", "one more argument of kube-controller-manager", many, [])
	.option("--kubelet-arg <arg>", "one more argument of each kubelet", many, [])
	.option("--share <directory>", "a directory that nodes see at the same path, for hostPath volumes", many, [])
	.option("--dry-run", "prints what would run, and runs nothing")
	.action(async (flags: UpFlags) => {
		const size: SetOptions = { name: flags.name, clusters: flags.clusters, nodes: flags.nodes };
		const options: ClusterOptions = {
			kubeProxy: flags.kubeProxy,
			apiServerArgs: flags.apiserverArg,
			controllerArgs: flags.controllerArg,
			kubeletArgs: flags.kubeletArg,
			share: flags.share,
		};
		if (flags.dryRun) {
			const { shape, clusters } = planSetHere(newRecord(size, options, ""));
			process.stdout.write(renderPlan(planSetNetwork(shape), clusters));
			return;
		}
		const why = whyCannotRun();
		if (why) throw new ClusterError(`clusters cannot run here: ${why}`, "run it as root on a machine that has it");
		const stop = new AbortController();
		// Not once: npm hands on what a terminal has sent already, and the second must not end the clearing away.
		for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
			process.on(signal, () => stop.abort(new ClusterError("stopped", "npm run cluster -- up")));
		const outcome = await setUp(size, options, { say, signal: stop.signal });
		say(`${outcome}: npm run cluster -- kubectl ${size.name === "kl" ? "" : `--name ${size.name} `}get nodes`);
	});

command("down", "ends clusters, and what an aborted start left of them")
	.option("--keep-logs", "sets the logs of all machines aside")
	.action(async ({ name, keepLogs: keep }: { name: string; keepLogs?: boolean }) => {
		const record = readSetRecord(name);
		if (!record) return say("nothing to end");
		if (keep) say(`logs are kept in ${keepLogs(name, planSet(record.size))}`);
		await setDown(record);
		say("down");
	});

program
	.command("check")
	.description("whether clusters can run on this machine")
	.action(() => {
		const why = whyCannotRun();
		process.stdout.write(`${why ?? "clusters can run here"}\n`);
		if (why) process.exitCode = 69;
	});

command("status", "what runs, as JSON").action(async ({ name }: { name: string }) => {
	const record = readSetRecord(name);
	const machines = record ? await setStatus(record) : [];
	process.stdout.write(
		`${JSON.stringify({ name, isUp: record?.isUp ?? false, sets: listSets(), machines }, null, "\t")}\n`,
	);
	if (!record?.isUp) process.exitCode = 69;
});

command("kubectl", "runs kubectl as a cluster's administrator, where it reaches everything")
	.option("--cluster <number>", "which cluster", upTo(mostClusters), 1)
	.argument("[args...]")
	.passThroughOptions()
	.allowUnknownOption()
	.helpOption(false)
	.action((args: readonly string[], { name, cluster: number }: { name: string; cluster: number }) => {
		const { cluster } = clusterOf(recordOf(name), number);
		const kubectl = [`${programsDirectory}/kubectl`, "--kubeconfig", kubeconfigPath(name, cluster), ...args];
		const { status } = spawnSync("nsenter", [`--net=${namespacePath(cluster.controlPlane)}`, "--", ...kubectl], {
			stdio: "inherit",
		});
		process.exitCode = status ?? 1;
	});

command(
	"exec",
	"runs a command as a cluster's administrator, where it reaches everything; kubectl and helm are in its PATH",
)
	.option("--cluster <number>", "which cluster", upTo(mostClusters), 1)
	.argument("<command...>")
	.passThroughOptions()
	.allowUnknownOption()
	.helpOption(false)
	.action((command: readonly string[], { name, cluster: number }: { name: string; cluster: number }) => {
		const { cluster } = clusterOf(recordOf(name), number);
		const { status } = spawnSync("nsenter", [`--net=${namespacePath(cluster.controlPlane)}`, "--", ...command], {
			stdio: "inherit",
			env: {
				...process.env,
				KUBECONFIG: kubeconfigPath(name, cluster),
				PATH: `${programsDirectory}:${process.env.PATH ?? ""}`,
			},
		});
		process.exitCode = status ?? 1;
	});

const power = (name: string, description: string): Command =>
	command(name, description)
		.argument("<number>", "1 for n1", upTo(mostNodes))
		.option("--cluster <number>", "which cluster", upTo(mostClusters), 1);

interface PowerFlags {
	readonly name: string;
	readonly cluster: number;
}

power("node-down", "a node loses its power").action(async (number: number, flags: PowerFlags) => {
	const record = recordOf(flags.name);
	const { cluster, nodes } = clusterOf(record, flags.cluster);
	await nodeDown(record, cluster, nodeOf(nodes, number));
	say(`n${number} is off`);
});

power("node-up", "a node boots again, with the disk that it had").action(async (number: number, flags: PowerFlags) => {
	const record = recordOf(flags.name);
	const { cluster, nodes } = clusterOf(record, flags.cluster);
	await nodeUp(record, cluster, nodeOf(nodes, number));
	say(`n${number} is Ready`);
});

const control = (name: string, description: string): Command =>
	command(name, description)
		.addArgument(new Argument("<program>", "of the control plane").choices(controlPlanePrograms))
		.option("--cluster <number>", "which cluster", upTo(mostClusters), 1);

control("stop", "a program of the control plane dies").action(async (name: ControlPlaneProgram, flags: PowerFlags) => {
	const record = recordOf(flags.name);
	await programDown(record, clusterOf(record, flags.cluster), name);
	say(`${name} has ended`);
});

control("start", "it starts again").action(async (name: ControlPlaneProgram, flags: PowerFlags) => {
	const record = recordOf(flags.name);
	await programUp(record, clusterOf(record, flags.cluster), name);
	say(`${name} runs`);
});

command("load-image", "gives an image to all nodes that run")
	.argument(
		"<image>",
		"a docker archive; the name of an image: keepmesh, from this checkout, or a test image; or FILE.yaml: for each image in it that the sample can stand for, one of that name",
	)
	.action(async (what: string, { name }: { name: string }) => {
		const record = recordOf(name);
		const layers = readLayers(imageSources);
		const images = [...listImages(imageSources, layers), keepmeshRecipe(imageSources, layers)];
		const known = images.find((image) => image.name === what || image.name.split(/[/:]/)[1] === what);
		const mapped = /\.ya?ml$/.test(what) ? mappedImages(what, imageSources.checkout, layers) : undefined;
		if (mapped?.length === 0) throw new ClusterError(`${what} names no image that the sample knows`, "load an archive");
		for (const image of mapped ?? [known ?? what]) {
			const nodes = await loadImage(record, image);
			const name = typeof image === "string" ? image : image.name;
			say(`${name} is on ${nodes.join(", ") || "no node: none runs"}`);
		}
	});

function recordOf(name: string): SetRecord {
	const record = readSetRecord(name);
	if (!record) throw new ClusterError(`no clusters named ${name}`, `npm run cluster -- up --name ${name}`);
	return record;
}

function clusterOf(record: SetRecord, number: number): PlannedCluster {
	const { clusters } = planSetHere(record);
	const found = clusters.find(({ cluster }) => cluster.number === number);
	if (!found)
		throw new ClusterError(
			`there is no cluster ${number}`,
			`use --cluster 1 to ${planSet(record.size).clusters.length}`,
		);
	return found;
}

function nodeOf(nodes: PlannedCluster["nodes"], number: number): PlannedCluster["nodes"][number] {
	const found = nodes[number - 1];
	if (!found) throw new ClusterError(`there is no node ${number}`, `use 1 to ${nodes.length}`);
	return found;
}

try {
	await program.parseAsync();
} catch (error) {
	process.stderr.write(`cluster: ${error instanceof Error ? error.message : String(error)}\n`);
	if (error instanceof ClusterError) process.stderr.write(`next: ${error.next}\n`);
	process.exitCode = error instanceof ClusterError ? 69 : 1;
}
