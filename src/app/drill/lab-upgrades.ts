// Upgrades of the drills, made of a lab: copies of the program with another version, of Envoy in another file, and the lab's processes
// started again as those.

import { copyFileSync, cpSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { DrillUpgrades } from "../../lab/drill/drill-upgrades.ts";
import type { Lab, RunningPod } from "../../lab/lab.ts";
import { runDirectory } from "../../lab/lab-record.ts";
import type { MeshStatus } from "../api/api-types.ts";
import { until } from "../demo/applied-everywhere.ts";
import { askControl } from "../demo/control-query.ts";
import { agentPodOf, askAgent, envoyPidOf, podOf, podsOf, podsOfAgent } from "./drill-pods.ts";
import { redirectOf } from "./lab-redirect.ts";

export interface LabUpgrades extends DrillUpgrades {
	/** Removes the copies. */
	close(): void;
}

const root = fileURLToPath(new URL("../../../", import.meta.url));
const limitMs = 60_000;

export async function labUpgrades(lab: Lab): Promise<LabUpgrades> {
	const { nodes, controls } = await lab.status();
	const directory = join(runDirectory(lab.name), "versions");
	const program = join(root, "bin/keepmesh.ts");
	let count = 0;
	/** By the name of a process of the lab: the words that stand in its command now. */
	const programs = new Map<string, string>();
	const envoys = new Map<string, string>();
	let oldEnvoys: readonly number[] = [];

	/** The checkout once more, with another version; dependencies are those of the checkout. Two of them serve in turn. */
	function anotherVersion(): string {
		const copy = join(directory, `keepmesh-${++count % 2}`);
		const path = join(copy, "bin/keepmesh.ts");
		if (existsSync(path)) return path;
		mkdirSync(copy, { recursive: true });
		for (const name of ["bin", "src", "samples", "scripts"])
			cpSync(join(root, name), join(copy, name), { recursive: true });
		for (const name of ["node_modules", ".keepmesh"]) symlinkSync(join(root, name), join(copy, name));
		const about = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as object;
		writeFileSync(join(copy, "package.json"), JSON.stringify({ ...about, version: `99.0.${count}` }));
		return path;
	}
	/** Ends it, and resolves when it runs as something else. */
	async function replace(name: string, words: Readonly<Record<string, string>>): Promise<void> {
		const before = await pidOf(name);
		await lab.replaceProcess(name, words);
		await until(`${name} has been started again`, async () => ![undefined, before].includes(await pidOf(name)));
	}
	async function pidOf(name: string): Promise<number | undefined> {
		return (await lab.status()).processes.find((one) => one.name === name)?.pid;
	}
	async function wrongProgram(name: string, path: string): Promise<readonly string[]> {
		const pid = await pidOf(name);
		const runs = pid !== undefined && commandOf(pid).includes(path);
		return runs ? [] : [`${name} does not run as the other version`];
	}
	const untilReady = (node: string, pods: number) =>
		until(`the agent of ${node} has all pods`, async () => {
			const found = await podsOfAgent(lab, node).catch(() => []);
			return found.length >= pods && found.every(({ ready }) => ready);
		});
	const loaded = async (): Promise<readonly RunningPod[]> => [
		...(await podsOf(lab, "client")),
		...(await podsOf(lab, "server")),
	];

	/** Ordered at once where the agent has not begun by itself; rejects when a pod keeps its Envoy. */
	async function untilReplaced(pod: RunningPod, envoy: string): Promise<void> {
		const untilMs = performance.now() + limitMs;
		for (;;) {
			const { uid, pid } = await agentPodOf(lab, pod);
			if (commandOf(pid ?? 0).includes(envoy)) return;
			const asked = askAgent(lab, pod.node, "POST", `/v1/pods/${uid}/replace-proxy?why=drill`);
			const refusal = await asked.then(
				() => "it was replaced by another",
				(error: Error) => error.message,
			);
			if (performance.now() > untilMs) throw new Error(`${pod.name} keeps its Envoy: ${refusal}`);
			await sleep(100);
		}
	}

	return {
		upgradeAgents: async () => {
			const path = anotherVersion();
			const pods = (await lab.pods()).filter(({ proxy }) => proxy === "ready");
			const look = async () => ({
				envoys: (await Promise.all(nodes.map(({ name }) => podsOfAgent(lab, name)))).flat(),
				redirects: await Promise.all(pods.map(({ netns }) => redirectOf(netns))),
			});
			const before = await look();
			const startedMs = performance.now();
			for (const { name } of nodes) {
				const count = (await podsOfAgent(lab, name)).length;
				await replace(name, { [programs.get(name) ?? program]: path });
				programs.set(name, path);
				await untilReady(name, count);
			}
			const tookMs = performance.now() - startedMs;
			const after = await look();
			const wrong = [
				...(await Promise.all(nodes.map(({ name }) => wrongProgram(name, path)))).flat(),
				...before.envoys
					.filter(({ uid, pid }) => after.envoys.find((one) => one.uid === uid)?.pid !== pid)
					.map(({ name }) => `the Envoy of ${name} is another one`),
				...pods
					.filter((_, index) => before.redirects[index] !== after.redirects[index])
					.map(({ name }) => `the redirect of ${name} is another one`),
			];
			return { tookMs, wrong };
		},
		upgradeControlPlanes: async () => {
			const path = anotherVersion();
			const proxied = (await lab.pods()).filter(({ proxy }) => proxy === "ready").length;
			const startedMs = performance.now();
			for (const { name } of controls) {
				await replace(name, { [programs.get(name) ?? program]: path });
				programs.set(name, path);
				await until(`every proxy is in sync, after ${name}`, async () => {
					const asked = controls.map((control) => askControl<MeshStatus>(lab, control, "GET", "/api/v1/status"));
					const statuses = await Promise.all(asked).catch(() => []);
					const connected = statuses.reduce((sum, { proxies }) => sum + proxies.connected, 0);
					return connected >= proxied && statuses.every(({ proxies }) => proxies.stale === 0);
				});
			}
			const tookMs = performance.now() - startedMs;
			return { tookMs, wrong: (await Promise.all(controls.map(({ name }) => wrongProgram(name, path)))).flat() };
		},
		upgradeEnvoys: async () => {
			const pods = await loaded();
			oldEnvoys = await Promise.all(pods.map((pod) => envoyPidOf(lab, pod)));
			for (const { name } of nodes) {
				const pid = await pidOf(name);
				const from = envoys.get(name) ?? argumentOf(pid ?? 0, "--envoy");
				if (from === undefined) throw new Error(`the agent of ${name} was not told which Envoy to run`);
				// Two files in turn: each is another program than the one before.
				const to = join(directory, from === join(directory, "envoy-a") ? "envoy-b" : "envoy-a");
				mkdirSync(directory, { recursive: true });
				if (!existsSync(to)) copyFileSync(from, to);
				const count = (await podsOfAgent(lab, name)).length;
				await replace(name, { [from]: to });
				envoys.set(name, to);
				await untilReady(name, count);
			}
			const startedMs = performance.now();
			await Promise.all(pods.map((pod) => untilReplaced(pod, envoys.get(pod.node) ?? "")));
			return { tookMs: performance.now() - startedMs, wrong: [] };
		},
		untilOldEnvoysEnded: async () => {
			const startedMs = performance.now();
			while (oldEnvoys.some((pid) => commandOf(pid).length > 0)) {
				if (performance.now() - startedMs > limitMs) throw new Error("an Envoy that was replaced has not ended");
				await sleep(50);
			}
			return performance.now() - startedMs;
		},
		drainServer: async () => {
			const pod = await podOf(lab, "server");
			const startedMs = performance.now();
			await lab.deletePod(pod.namespace, pod.name);
			const tookMs = performance.now() - startedMs;
			const pending = await lab.untilRolledOut(limitMs);
			if (pending.length > 0) throw new Error(`not ready: ${pending.join(", ")}`);
			return tookMs;
		},
		close: () => rmSync(directory, { recursive: true, force: true }),
	};
}

/** Empty for one that has ended. */
function commandOf(pid: number): readonly string[] {
	try {
		return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").slice(0, -1);
	} catch {
		return [];
	}
}

function argumentOf(pid: number, flag: string): string | undefined {
	const words = commandOf(pid);
	const at = words.indexOf(flag);
	return at < 0 ? undefined : words[at + 1];
}
