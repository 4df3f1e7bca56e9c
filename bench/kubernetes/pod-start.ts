// How much later an application starts because it is in the mesh: from the moment a Pod is handed to the API server until the
// application's first output. Pods without a proxy, with one as the webhook makes it, and with the other ways to hold an application
// back, by turns, one after the other on one node, so that all of them see the same machine.

import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { checkout, programsDirectory } from "../../cluster/cluster-paths.ts";
import { baseImage, keepmeshImage } from "../../cluster/images/image-names.ts";
import { readLayers } from "../../cluster/images/image-recipes.ts";
import { keepmeshRecipe } from "../../cluster/images/keepmesh-image.ts";
import { loadImage } from "../../cluster/load-image.ts";
import { readSetRecord } from "../../cluster/set-record.ts";
import { imageSources } from "../../cluster/set-up.ts";
import { defaultInjectConfig, type InjectConfig } from "../../src/inject/inject-config.ts";
import { injectPod } from "../../src/inject/inject-pod.ts";
import type { Pod } from "../../src/inject/pod-shape.ts";
import { namespaces, pods } from "../../src/kubernetes/client/api-resources.ts";
import { pathOf } from "../../src/kubernetes/client/resource-path.ts";
import { type BenchRow, spreadOf } from "../support/bench-report.ts";
import { type BenchCluster, openBenchCluster } from "./bench-cluster.ts";

const system = "keepmesh-system";
const meshed = "bench-start-mesh";
const plain = "bench-start-plain";
const limitMs = 120_000;

interface Way {
	readonly what: string;
	readonly namespace: string;
	readonly podOf: (name: string) => Pod;
	readonly target?: string;
}

const runs = (): number => {
	const at = process.argv.indexOf("--runs");
	return at === -1 ? 20 : Number(process.argv[at + 1]);
};

export async function benchPodStart(): Promise<readonly BenchRow[]> {
	const cluster = await openBenchCluster({ kubeProxy: true });
	try {
		await install(cluster);
		await makeNamespace(cluster, plain, {});
		await makeNamespace(cluster, meshed, { "istio-injection": "enabled" });
		const without: Way = { what: "no proxy", namespace: plain, podOf };
		const ways: readonly Way[] = [
			{ what: "injected", namespace: meshed, podOf, target: "<= 1" },
			{ what: "injected, held by a startup probe", namespace: plain, podOf: byHand({ cni: false }) },
			{
				what: "injected, a plain container",
				namespace: plain,
				podOf: byHand({ nativeSidecars: false, holdApplicationUntilProxyStarts: true }),
			},
		];
		const seconds = new Map<Way, number[]>([without, ...ways].map((way) => [way, []]));
		for (let run = 0; run <= runs(); run++)
			for (const [way, values] of seconds) {
				const value = await startOne(cluster, way, run);
				// The first one warms caches.
				if (run > 0) values.push(value);
			}
		const of = (way: Way): readonly number[] => seconds.get(way) ?? [];
		return [
			{ what: "to the first output, no proxy", unit: "s", spread: spreadOf(of(without)) },
			...ways.map((way) => ({ what: `to the first output, ${way.what}`, unit: "s", spread: spreadOf(of(way)) })),
			...ways.map((way) => ({
				what: `more than without, ${way.what}`,
				unit: "s",
				spread: spreadOf(of(way).map((value, run) => value - (of(without)[run] ?? 0))),
				...(way.target === undefined ? {} : { target: way.target }),
			})),
		];
	} finally {
		for (const name of [plain, meshed])
			await cluster.client.request("DELETE", pathOf(namespaces, undefined, name)).catch(() => {});
		await cluster.close();
	}
}

/** The application says when it runs, on the machine's own clock, which nodes of the test cluster share. */
function podOf(name: string): Pod {
	const command = ["sh", "-c", "cut -d' ' -f1 /proc/uptime; exec sleep 3600"];
	return {
		metadata: { name, labels: { app: name } },
		spec: {
			containers: [{ name: "app", image: baseImage, imagePullPolicy: "Never", command }],
			terminationGracePeriodSeconds: 0,
		},
	};
}

/** As the webhook would with that configuration, in a namespace that it is not asked about. */
function byHand(config: Partial<InjectConfig>): (name: string) => Pod {
	return (name) => {
		const injected = injectPod(podOf(name), plain, { ...defaultInjectConfig, image: keepmeshImage, ...config });
		if (injected.outcome !== "injected") throw new Error(JSON.stringify(injected));
		return injected.pod;
	};
}

async function startOne({ client }: BenchCluster, { namespace, podOf: make }: Way, run: number): Promise<number> {
	const name = `p${run}-${Math.random().toString(36).slice(2, 8)}`;
	const body = { apiVersion: "v1", kind: "Pod", ...make(name) };
	const startSeconds = uptime();
	const made = await client.request("POST", pathOf(pods, namespace), { body });
	if (made.status !== 201) throw new Error(`the pod was refused: ${JSON.stringify(made.body)}`);
	const log = pathOf(pods, namespace, name, "log");
	const endMs = performance.now() + limitMs;
	let said = "";
	while (said === "") {
		if (performance.now() > endMs) throw new Error(`${namespace}/${name} did not start within ${limitMs / 1000} s`);
		await sleep(250);
		const { body: text, status } = await client.request("GET", log, { query: { container: "app" } });
		if (status === 200) said = String(text).trim();
	}
	const query = { gracePeriodSeconds: 0 };
	await client.request("DELETE", pathOf(pods, namespace, name), { query });
	// So that its end is not the next one's burden.
	await sleep(1_500);
	return Number(said) - startSeconds;
}

const uptime = (): number => Number(readFileSync("/proc/uptime", "utf8").split(" ")[0]);

async function makeNamespace({ client }: BenchCluster, name: string, labels: object): Promise<void> {
	const body = { apiVersion: "v1", kind: "Namespace", metadata: { name, labels } };
	const { status } = await client.request("POST", pathOf(namespaces), { body });
	if (status !== 201) throw new Error(`namespace ${name} could not be made: ${status}`);
	const account = `/api/v1/namespaces/${name}/serviceaccounts/default`;
	while ((await client.request("GET", account)).status !== 200) await sleep(100);
}

/** Nothing where a mesh is installed already. */
async function install({ client, kubeconfig, networkNamespace, set }: BenchCluster): Promise<void> {
	if ((await client.request("GET", pathOf(namespaces, undefined, system))).status === 200) return;
	const record = readSetRecord(set);
	if (!record) throw new Error(`there is no set ${set}`);
	await loadImage(record, keepmeshRecipe(imageSources, readLayers(imageSources)));
	const env = {
		...process.env,
		KUBECONFIG: kubeconfig,
		PATH: `${programsDirectory}:${checkout}:${process.env.PATH}`,
	};
	const command = [join(checkout, "keepmesh"), "install", "--image", keepmeshImage];
	await promisify(execFile)("nsenter", [`--net=${networkNamespace}`, "--", ...command], {
		env,
		cwd: checkout,
		timeout: 600_000,
		maxBuffer: 64 << 20,
	});
}
