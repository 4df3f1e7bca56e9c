// The cluster whose whole path is measured: the one that KEEPMESH_CLUSTER names, else one of its own without kube-proxy, which is taken
// down again. Out: Keepmesh installed as the README says, with virtual IPs, gateways and, without kube-proxy, layer 4.

import { type ExecFileException, execFile } from "node:child_process";
import { join } from "node:path";
import { checkout, kubeconfigPath, namespacePath, programsDirectory } from "../../cluster/cluster-paths.ts";
import { keepmeshImage } from "../../cluster/images/image-names.ts";
import { readLayers } from "../../cluster/images/image-recipes.ts";
import { keepmeshRecipe } from "../../cluster/images/keepmesh-image.ts";
import { loadImage } from "../../cluster/load-image.ts";
import { apiPort, type NodeShape } from "../../cluster/plan/cluster-shape.ts";
import { type PlannedCluster, planSetHere } from "../../cluster/plan-set.ts";
import { readSetRecord, type SetRecord } from "../../cluster/set-record.ts";
import { imageSources } from "../../cluster/set-up.ts";
import { addressPool, gatewayName, gatewayNamespace, gatewayReplicas } from "./path-objects.ts";

const ownSet = "kmpath";
const nodes = 3;
const commandLimitMs = 1_000_000;

export interface PathCluster {
	readonly record: SetRecord;
	readonly planned: PlannedCluster;
	/** Of the machine that requests are sent from: no node, on the nodes' network. */
	readonly outside: string;
	/** Standard output of a command that is typed where kubectl and the API server are. Rejects when it fails. */
	run(program: string, ...args: readonly string[]): Promise<string>;
	kubectl(...args: readonly string[]): Promise<string>;
	apply(...objects: readonly object[]): Promise<void>;
	close(): Promise<void>;
}

/** `isInstalled`: what runs there is measured as it is. */
export async function openPathCluster(say: (text: string) => void, isInstalled: boolean): Promise<PathCluster> {
	const given = process.env.KEEPMESH_CLUSTER;
	const set = given ?? ownSet;
	const script = (...args: readonly string[]): Promise<string> =>
		output("sh", [join(checkout, "scripts/cluster.sh"), ...args]);
	if (given === undefined) {
		say(`${nodes} nodes without kube-proxy are started`);
		await script("up", "--name", set, "--nodes", String(nodes), "--no-kube-proxy");
	}
	const close = async (): Promise<void> => {
		if (given === undefined) await script("down", "--name", set);
	};
	try {
		const cluster = { ...clusterOf(set), close };
		if (cluster.record.options.kubeProxy)
			say("Services are kube-proxy's: it draws dead endpoints until Kubernetes notices");
		if (!isInstalled) await install(cluster, say);
		return cluster;
	} catch (error) {
		await close();
		throw error;
	}
}

/** The node that has the address now, by what its kernel says. */
export async function ownerOf({ planned }: PathCluster, address: string): Promise<NodeShape | undefined> {
	for (const { node } of planned.nodes) {
		const asked = [`--net=${namespacePath(node)}`, "ip", "-4", "-o", "address", "show", "to", address];
		if ((await output("nsenter", asked).catch(() => "")) !== "") return node;
	}
	return undefined;
}

function clusterOf(set: string): Omit<PathCluster, "close"> {
	const record = readSetRecord(set);
	const planned = record && planSetHere(record).clusters[0];
	if (!planned || planned.nodes.length < 2)
		throw new Error(`there is no cluster ${set} of two nodes or more: npm run cluster -- up --name ${set} --nodes 3`);
	const outside = namespacePath(planned.cluster.controlPlane);
	const env = {
		...process.env,
		KUBECONFIG: kubeconfigPath(set, planned.cluster),
		PATH: `${programsDirectory}:${checkout}:${process.env.PATH}`,
	};
	const run = (program: string, ...args: readonly string[]): Promise<string> =>
		output("nsenter", [`--net=${outside}`, "--", program, ...args], { env });
	return {
		record,
		planned,
		outside,
		run,
		kubectl: (...args) => run("kubectl", ...args),
		apply: async (...objects) => {
			const input = JSON.stringify({ apiVersion: "v1", kind: "List", items: objects });
			await output("nsenter", [`--net=${outside}`, "--", "kubectl", "apply", "-f", "-"], { env, input });
		},
	};
}

async function install(cluster: Omit<PathCluster, "close">, say: (text: string) => void): Promise<void> {
	const { record, planned, run } = cluster;
	say("the image of this checkout is loaded, and Keepmesh installed");
	await loadImage(record, keepmeshRecipe(imageSources, readLayers(imageSources)));
	const layer4 = [
		"node.layer4.enabled=true",
		`node.env.KUBERNETES_SERVICE_HOST=${planned.cluster.controlPlane.ip}`,
		`node.env.KUBERNETES_SERVICE_PORT=${apiPort}`,
	];
	const values = [
		"vip.enabled=true",
		`vip.pools.edge.addresses={${addressPool(planned.cluster.machinePrefix)}}`,
		...(record.options.kubeProxy ? [] : layer4),
	];
	const gateway = ["--gateway", gatewayName, "--gateway-namespace", gatewayNamespace];
	await run(
		join(checkout, "keepmesh"),
		...["install", "--image", keepmeshImage, ...gateway, "--gateway-set", `replicas=${gatewayReplicas}`],
		...values.flatMap((value) => ["--set", value]),
	);
}

function output(
	program: string,
	args: readonly string[],
	{ env = process.env, input }: { readonly env?: NodeJS.ProcessEnv; readonly input?: string } = {},
): Promise<string> {
	return new Promise((resolve, reject) => {
		const options = { env, cwd: checkout, timeout: commandLimitMs, maxBuffer: 64 << 20 };
		const done = (error: ExecFileException | null, stdout: string, stderr: string): void => {
			if (error) reject(new Error(`${[program, ...args].join(" ").slice(0, 300)}: ${error.code}: ${stderr}`));
			else resolve(stdout);
		};
		const child = execFile(program, [...args], options, done);
		child.stdin?.on("error", () => {});
		child.stdin?.end(input);
	});
}
