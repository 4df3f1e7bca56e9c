// Drills on a real cluster, as an administrator types them: what they measure, what they leave, what they refuse to do; and a bypass
// by the Pod's annotations, which two of them use.

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import { programsDirectory } from "../../cluster/cluster-paths.ts";
import { baseImage, keepmeshImage } from "../../cluster/images/image-names.ts";
import type { DrillFigures } from "../../src/lab/drill/drill.ts";
import { commandAt } from "./administrator.ts";
import { isSpareReady } from "./node-socket.ts";
import { type CommandOutcome, loadKeepmesh, noCluster, openCluster, type TestCluster, until } from "./test-cluster.ts";

const noHelm = existsSync(`${programsDirectory}/helm`) ? undefined : "Helm is not built";
/** On a machine with too much to do. */
const patienceMs = 180_000;

describe("drills on a cluster", { skip: noCluster ?? noHelm, timeout: 900_000 }, () => {
	let cluster: TestCluster;
	before(async () => {
		cluster = await openCluster();
		await loadKeepmesh(cluster);
		const { code, stderr } = await keepmesh("install", "--image", keepmeshImage);
		assert.equal(code, 0, stderr);
	});
	after(async () => {
		if (!cluster) return;
		await cluster.close();
		await keepmesh("uninstall", "--purge", "--force");
	});

	function start(...args: readonly string[]): ChildProcess {
		const [program, words, env] = commandAt(cluster, ["keepmesh", ...args]);
		return spawn(program, words, { env, stdio: ["ignore", "pipe", "pipe"] });
	}

	async function ended(child: ChildProcess): Promise<CommandOutcome> {
		let [stdout, stderr] = ["", ""];
		child.stdout?.setEncoding("utf8").on("data", (text: string) => {
			stdout += text;
		});
		child.stderr?.setEncoding("utf8").on("data", (text: string) => {
			stderr += text;
		});
		return new Promise((resolve) => child.once("close", (code) => resolve({ code: code ?? 1, stdout, stderr })));
	}

	const keepmesh = (...args: readonly string[]): Promise<CommandOutcome> => ended(start(...args));
	const drillNamespaces = async (): Promise<readonly string[]> => {
		const query = ["-l", "keepmesh.io/drill", "-o", "jsonpath={range .items[*]}{.metadata.name} {.status.phase};{end}"];
		const names = (await cluster.kubectl("get", "namespaces", ...query)).split(";");
		return names.filter((one) => one.endsWith("Active"));
	};

	it("break an Envoy, bypass it by hand, and give it its connections back, losing nothing on the way back", async (test) => {
		const { stderr, stdout } = await keepmesh(
			"drill",
			"--kubernetes",
			"restore",
			"spare-bypass",
			"--rate",
			"20",
			"--json",
		);
		test.diagnostic(stdout);
		const lines = stdout
			.trim()
			.split("\n")
			.map((line) => JSON.parse(line) as DrillFigures);
		assert.deepEqual(
			lines.map(({ drill }) => drill),
			["none", "restore", "none", "spare-bypass"],
			stderr,
		);
		assert.doesNotMatch(stderr, /not within|error: (?!bars)/);
		for (const { drill, lost, sent, wrong } of lines) {
			assert.ok(sent > 20, `${drill} sent ${sent}`);
			assert.equal(wrong, 0, `${drill}: ${stderr}`);
			// A machine with too much to do loses some without anybody's doing.
			assert.ok(lost <= sent / 10, `${drill} lost ${lost} of ${sent}: ${stderr}`);
		}
		assert.ok((lines[1]?.restoreMs ?? 0) > 0, "an Envoy that was killed comes back");
		assert.deepEqual(await drillNamespaces(), []);
	});

	it("leave nothing when they are interrupted", async () => {
		const drill = start("drill", "--kubernetes", "pod-drain");
		const outcome = ended(drill);
		await until("it has begun", async () => (await drillNamespaces()).length === 1, patienceMs);
		drill.kill("SIGINT");
		assert.equal((await outcome).code, 130);
		assert.deepEqual(await drillNamespaces(), []);
	});

	it("say what the cluster lacks, and touch nothing", async () => {
		const { code, stderr } = await keepmesh("drill", "--kubernetes", "vip-crash");
		assert.equal(code, 69);
		assert.match(stderr, /vip-crash needs virtual IPs on two nodes, and they are on 0\n.*next: keepmesh upgrade/);
	});

	it("are not needed for a bypass: a Pod's annotations ask for it, with no control plane there", async () => {
		await cluster.apply(pod("web"), pod("plain", "false"));
		await cluster.kubectl("wait", "--for=condition=Ready", "pod/web", "pod/plain", `--timeout=${patienceMs / 1000}s`);
		const controls = (replicas: number) =>
			cluster.kubectl(
				...["scale", "deployment/keepmesh-control", "--namespace", "keepmesh-system", `--replicas=${replicas}`],
			);
		const serving = 'jsonpath={.status.conditions[?(@.type=="keepmesh.io/serving")].reason}';
		await until(
			"its agent says that its sidecar serves, and the spare could",
			async () =>
				(await cluster.kubectl("get", "pod", "web", "-o", serving)) === "BySidecar" &&
				(await isSpareReady(cluster, "web", "/var/lib/keepmesh/node")),
			patienceMs,
		);
		await controls(0);
		const flags = ["--kubernetes", "-n", cluster.namespace];
		const done = await keepmesh("bypass", "web", ...flags, "--for", "10m", "--reason", "a test", "--by", "ada");
		assert.equal(done.code, 0, done.stderr);
		assert.match(done.stdout, /web +n\d +spare +in (10m|9m)/);
		const because = 'jsonpath={.status.conditions[?(@.type=="keepmesh.io/bypassed")].message}';
		assert.equal(await cluster.kubectl("get", "pod", "web", "-o", because), "ada (annotation): a test");
		assert.match((await keepmesh("bypass", "--list", ...flags)).stdout, /web +n\d +spare +ada +.*a test/);
		const plain = await keepmesh("bypass", "plain", ...flags);
		assert.equal(plain.code, 1);
		assert.match(plain.stdout, /it has no proxy of Keepmesh/);
		const restored = await keepmesh("restore", "web", ...flags);
		assert.match(restored.stdout, /web +n\d +sidecar/, restored.stderr);
		await controls(1);
	});
});

const pod = (name: string, inject = "true"): object => ({
	apiVersion: "v1",
	kind: "Pod",
	metadata: { name, labels: { app: name, "sidecar.istio.io/inject": inject } },
	spec: {
		terminationGracePeriodSeconds: 0,
		containers: [{ name: "app", image: baseImage, command: ["sleep", "infinity"] }],
	},
});
