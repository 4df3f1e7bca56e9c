// Services from files through a control plane into a node's kernel: `keepmesh control` and `keepmesh node` as processes in a
// node's namespace. Control planes die, agents die; what was in force stays in force.

import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Layer4Status } from "../../src/node/layer4/layer4-status.ts";
import { cannotRun, envoyBinary } from "../../src/node/namespace-rig.testing.ts";
import { addresses, createL4World, type L4World } from "../l4/l4-world.ts";

const program = join(import.meta.dirname, "../../bin/keepmesh.ts");
const web = "10.96.0.1";

describe("layer 4 of a node with a control plane", { skip: cannotRun }, () => {
	let world: L4World;
	let directory = "";
	const processes = new Map<string, ChildProcess>();
	let said = "";

	const keepmesh = (name: string, ...flags: readonly string[]): void => {
		const command = [`--net=${world.node.netns}`, "--", process.execPath, "--no-warnings", program, name, ...flags];
		const child = spawn("nsenter", command, { stdio: ["ignore", "ignore", "pipe"] });
		child.stderr?.setEncoding("utf8").on("data", (text: string) => {
			said += text;
		});
		processes.set(name, child);
	};
	const kill = async (name: string, signal: NodeJS.Signals = "SIGKILL"): Promise<void> => {
		const child = processes.get(name);
		if (!child) return;
		processes.delete(name);
		const ended = once(child, "exit");
		child.kill(signal);
		await ended;
	};
	const startControl = () =>
		keepmesh(
			"control",
			"--resources",
			`${directory}/resources`,
			"--insecure-xds",
			"127.0.0.1:15010",
			"--api",
			"127.0.0.1:15014",
		);
	const startNode = (...flags: readonly string[]) =>
		keepmesh(
			"node",
			...["--node", "node-1", "--state", `${directory}/n`, "--control", "127.0.0.1:15010", "--insecure-control"],
			...["--envoy", envoyBinary, "--layer4", "nftables", "--pod-ranges", "10.244.0.0/16", ...flags],
		);
	const until = async (what: string, is: () => Promise<boolean>): Promise<void> => {
		const endMs = performance.now() + 15_000;
		while (!(await is().catch(() => false))) {
			if (performance.now() > endMs) throw new Error(`waited in vain: ${what}\n${said.slice(-3000)}`);
			await sleep(10);
		}
	};
	const status = (): Promise<Layer4Status> =>
		new Promise((resolve, reject) => {
			request({ socketPath: `${directory}/n/node.sock`, path: "/layer4", agent: false }, (response) => {
				let text = "";
				response.setEncoding("utf8").on("data", (chunk: string) => {
					text += chunk;
				});
				response.on("end", () => resolve(JSON.parse(text) as Layer4Status));
			})
				.on("error", reject)
				.end();
		});
	const write = (name: string, objects: readonly object[]): void => {
		const file = `${directory}/resources/${name}`;
		writeFileSync(`${file}.new`, objects.map((one) => JSON.stringify(one)).join("\n---\n"));
		renameSync(`${file}.new`, file);
	};
	const service = (name: string, clusterIP?: string) => ({
		apiVersion: "v1",
		kind: "Service",
		metadata: { name },
		spec: { ...(clusterIP ? { clusterIP } : {}), selector: { app: name }, ports: [{ port: 80, targetPort: 8080 }] },
	});
	const pod = (name: string, app: string, ip: string) => ({
		apiVersion: "v1",
		kind: "Pod",
		metadata: { name, labels: { app } },
		spec: { nodeName: "node-1" },
		status: { podIP: ip, phase: "Running", conditions: [{ type: "Ready", status: "True" }] },
	});
	const who = async (address: string, tries = 12) =>
		(await world.peers.pod.probe([{ protocol: "tcp", address, port: 80, tries, timeoutMs: 1_000 }]))[0]?.answeredBy;
	const answersAre =
		(...hosts: readonly string[]) =>
		async () =>
			(await who(web))?.join() === hosts.map((host) => `${host}:8080`).join();

	before(async () => {
		world = await createL4World();
		directory = world.rig.directory;
		mkdirSync(`${directory}/resources`);
		write("web.json", [service("web", web), service("plain"), pod("web-1", "web", addresses.podA[0])]);
		startControl();
		startNode();
		await until("the first Service answers", answersAre(addresses.podA[0]));
	});
	after(async () => {
		for (const name of [...processes.keys()]) await kill(name);
		world?.close();
	});

	it("follows pods of Services that nobody made slices for", async () => {
		write("more.json", [pod("web-2", "web", addresses.podA[1])]);
		await until("both answer", answersAre(addresses.podA[0], addresses.podA[1]));
	});

	it("reaches a Service without an address of its own where its name leads", async () => {
		write("plain.json", [pod("plain-1", "plain", addresses.podA[2])]);
		await until("it has an endpoint", async () =>
			(await status()).services.some(
				({ service: { name, ports } }) => name === "plain" && ports[0]?.endpoints.length === 1,
			),
		);
		const address = (await status()).services.find(({ service: { name } }) => name === "plain")?.service
			.clusterAddresses[0];
		assert.match(address ?? "", /^240\.240\./);
		assert.deepEqual(await who(address ?? ""), [`${addresses.podA[2]}:8080`]);
	});

	it("goes on while no control plane lives, and while no agent does", async () => {
		await kill("control");
		await kill("node");
		assert.deepEqual(await who(web), [`${addresses.podA[0]}:8080`, `${addresses.podA[1]}:8080`]);
	});

	it("has its Services again after a restart of the machine, without any control plane", async () => {
		execFileSync("nsenter", [`--net=${world.node.netns}`, "nft", "flush", "ruleset"]);
		assert.deepEqual(await who(web, 1), []);
		startNode();
		await until("what was accepted last is in force", answersAre(addresses.podA[0], addresses.podA[1]));
	});

	it("hears what changed meanwhile once a control plane is back", async () => {
		rmSync(`${directory}/resources/more.json`);
		startControl();
		await until("one is left", answersAre(addresses.podA[0]));
	});

	it("takes its rules away with --clean-up, and leaves them on SIGTERM", async () => {
		const tables = () =>
			execFileSync("nsenter", [`--net=${world.node.netns}`, "nft", "list", "tables"], { encoding: "utf8" });
		await kill("node", "SIGTERM");
		assert.match(tables(), /keepmesh-l4/);
		keepmesh("node", "--state", `${directory}/n`, "--clean-up");
		const child = processes.get("node");
		if (child) await once(child, "exit");
		processes.delete("node");
		assert.doesNotMatch(tables(), /keepmesh-l4/);
	});
});
