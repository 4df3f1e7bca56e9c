// The real cluster that these tests run against: started once by scripts/test-kubernetes.sh, which tells its name. Each test file
// works in a Kubernetes namespace of its own, removed at its end.

import { execFile } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { ApiClient } from "../../cluster/api-client.ts";
import { kubeconfigPath, namespacePath, programsDirectory } from "../../cluster/cluster-paths.ts";
import { readLayers } from "../../cluster/images/image-recipes.ts";
import { keepmeshRecipe } from "../../cluster/images/keepmesh-image.ts";
import { loadImage } from "../../cluster/load-image.ts";
import { type ClusterShape, planSet } from "../../cluster/plan/cluster-shape.ts";
import { readSetRecord, type SetRecord } from "../../cluster/set-record.ts";
import { imageSources } from "../../cluster/set-up.ts";

const given = process.env.KEEPMESH_CLUSTER;

/** Why these tests cannot run; undefined when a cluster is up. */
export const noCluster: string | undefined =
	given !== undefined && readSetRecord(given)?.isUp ? undefined : "needs a cluster: npm run test:kubernetes";

export interface CommandOutcome {
	readonly code: number;
	readonly stdout: string;
	readonly stderr: string;
}

export interface TestCluster {
	readonly record: SetRecord;
	readonly shape: ClusterShape;
	readonly api: ApiClient;
	/** Where this file's objects live. */
	readonly namespace: string;
	/** In this file's namespace unless `args` name another. Rejects when it fails. */
	kubectl(...args: readonly string[]): Promise<string>;
	/** The same, with what happened instead of a rejection. */
	tryKubectl(args: readonly string[], input?: string): Promise<CommandOutcome>;
	/** Creates or changes objects, in this file's namespace where they name none. */
	apply(...objects: readonly object[]): Promise<void>;
	/** Output of a command in a container. Rejects when it fails. */
	exec(pod: string, ...command: readonly string[]): Promise<string>;
	/** The namespace and everything in it goes, a little later. */
	close(): Promise<void>;
}

let count = 0;

/** Cluster `number` of the set that was started for the tests, or of another that is up. */
export async function openCluster(number = 1, set = given): Promise<TestCluster> {
	const record = set === undefined ? undefined : readSetRecord(set);
	if (!record) throw new Error(noCluster);
	const shape = planSet(record.size).clusters[number - 1];
	if (!shape) throw new Error(`no cluster ${number}`);
	const api = new ApiClient(record.size.name, shape);
	count++;
	const namespace = `test-${process.pid}-${count}`;
	const tryKubectl = (args: readonly string[], input = ""): Promise<CommandOutcome> =>
		run(
			[
				...["nsenter", `--net=${namespacePath(shape.controlPlane)}`, "--", `${programsDirectory}/kubectl`],
				...["--kubeconfig", kubeconfigPath(record.size.name, shape), "--namespace", namespace, ...args],
			],
			input,
		);
	const demand = async (args: readonly string[], input?: string): Promise<string> => {
		const { code, stdout, stderr } = await tryKubectl(args, input);
		if (code !== 0) throw new Error(`kubectl ${args.join(" ")}: ${code}: ${stderr}${stdout}`);
		return stdout;
	};
	await demand(["create", "namespace", namespace]);
	await until("the ServiceAccount", async () => (await tryKubectl(["get", "serviceaccount", "default"])).code === 0);
	return {
		record,
		shape,
		api,
		namespace,
		tryKubectl,
		kubectl: (...args) => demand(args),
		apply: async (...objects) => {
			const list = { apiVersion: "v1", kind: "List", items: objects };
			await demand(["apply", "--filename", "-"], JSON.stringify(list));
		},
		exec: (pod, ...command) => demand(["exec", pod, "--", ...command]),
		close: async () => {
			await demand(["delete", "namespace", namespace, "--wait=false"]);
		},
	};
}

/** All nodes get the image of this checkout. */
export async function loadKeepmesh({ record }: Pick<TestCluster, "record">): Promise<void> {
	await loadImage(record, keepmeshRecipe(imageSources, readLayers(imageSources)));
}

/** Asks every 100 ms until it is true; rejects after `withinMs`. */
export async function until(what: string, ask: () => Promise<boolean>, withinMs = 60_000): Promise<void> {
	const endMs = performance.now() + withinMs;
	while (!(await ask())) {
		if (performance.now() > endMs) throw new Error(`${what}: not within ${withinMs / 1000} s`);
		await sleep(100);
	}
}

function run([program = "", ...args]: readonly string[], input: string): Promise<CommandOutcome> {
	return new Promise((resolve) => {
		const options = { timeout: 200_000, maxBuffer: 64 * 1024 * 1024 };
		const child = execFile(program, args, options, (error, stdout, stderr) => {
			const code = error ? (typeof error.code === "number" ? error.code : 1) : 0;
			resolve({ code, stdout, stderr });
		});
		child.stdin?.on("error", () => {});
		child.stdin?.end(input);
	});
}
