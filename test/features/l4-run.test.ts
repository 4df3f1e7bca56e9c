// `keepmesh l4 run` as a process over a node's namespace: Services of files in force, kept over its death, repaired after a
// stranger's hand; UDP clients of an endpoint that leaves; health-check node ports; what the socket tells.

import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Layer4Status } from "../../src/node/layer4/layer4-status.ts";
import { cannotRun } from "../../src/node/namespace-rig.testing.ts";
import { addresses, createL4World, type L4World } from "../l4/l4-world.ts";

const program = join(import.meta.dirname, "../../bin/keepmesh.ts");
const cluster = "10.96.0.1";
const nameServer = "10.96.0.53";
const balanced = "10.97.0.1";

const service = (name: string, spec: object) => ({ apiVersion: "v1", kind: "Service", metadata: { name }, spec });
const slice = (name: string, port: object, endpoints: readonly object[]) => ({
	apiVersion: "discovery.k8s.io/v1",
	kind: "EndpointSlice",
	metadata: { name: `${name}-1`, labels: { "kubernetes.io/service-name": name } },
	addressType: "IPv4",
	ports: [port],
	endpoints,
});
const here = (address: string) => ({ addresses: [address], nodeName: "node-1" });

describe("keepmesh l4 run", { skip: cannotRun }, () => {
	let world: L4World;
	let resources = "";
	let state = "";
	let running: ChildProcess | undefined;
	let said = "";

	const write = (name: string, objects: readonly object[]): void => {
		const file = join(resources, name);
		writeFileSync(`${file}.new`, objects.map((one) => JSON.stringify(one)).join("\n---\n"));
		renameSync(`${file}.new`, file);
	};
	const status = (directory = state): Promise<Layer4Status> =>
		new Promise((resolve, reject) => {
			const socketPath = join(directory, "node.sock");
			request({ socketPath, path: "/layer4", agent: false, signal: AbortSignal.timeout(5_000) }, (response) => {
				let text = "";
				response.setEncoding("utf8").on("data", (chunk: string) => {
					text += chunk;
				});
				response.on("end", () => resolve(JSON.parse(text) as Layer4Status));
			})
				.on("error", reject)
				.end();
		});
	const until = async (what: string, is: () => Promise<boolean>): Promise<void> => {
		const endMs = performance.now() + 10_000;
		while (!(await is().catch(() => false))) {
			if (performance.now() > endMs) throw new Error(`waited in vain: ${what}\n${said.slice(-3000)}`);
			await sleep(10);
		}
	};
	const inNode = (flags: readonly string[]): readonly string[] => {
		const node = [process.execPath, "--no-warnings", program];
		return [`--net=${world.node.netns}`, "--", ...node, "l4", "run", ...flags];
	};
	const start = async (): Promise<void> => {
		const flags = [
			"-f",
			resources,
			"--node",
			"node-1",
			"--state",
			state,
			"--kube-proxy-config",
			join(state, "kp.yaml"),
		];
		running = spawn("nsenter", inNode(flags), { stdio: ["ignore", "ignore", "pipe"] });
		running.stderr?.setEncoding("utf8").on("data", (text: string) => {
			said += text;
		});
		await until("the socket answers", async () => (await status()).state === "inForce");
	};
	const end = async (signal: NodeJS.Signals): Promise<void> => {
		if (!running) return;
		const exited = once(running, "exit");
		running.kill(signal);
		await exited;
		running = undefined;
	};
	const who = async (address: string, port: number, protocol: "tcp" | "udp" = "tcp", tries = 12) =>
		(await world.peers.outside.probe([{ protocol, address, port, tries, timeoutMs: 1_000 }]))[0]?.answeredBy;

	before(async () => {
		world = await createL4World();
		resources = join(world.rig.directory, "resources");
		state = join(world.rig.directory, "state");
		mkdirSync(resources);
		mkdirSync(state);
		writeFileSync(
			join(state, "kp.yaml"),
			"apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\nmode: nftables\nclusterCIDR: 10.244.0.0/16\n",
		);
		write("web.json", [
			service("web", { clusterIP: cluster, ports: [{ port: 80, targetPort: 8080 }] }),
			slice("web", { port: 8080 }, [
				here(addresses.podA[0]),
				{ addresses: [addresses.otherPods[0]], nodeName: "node-2" },
			]),
		]);
		await start();
	});
	after(async () => {
		await end("SIGKILL");
		world?.close();
	});

	it("puts Services of files in force, and follows their changes", async () => {
		assert.deepEqual(await who(cluster, 80), [`${addresses.podA[0]}:8080`, `${addresses.otherPods[0]}:8080`]);
		write("web.json", [
			service("web", { clusterIP: cluster, ports: [{ port: 80, targetPort: 8080 }] }),
			slice("web", { port: 8080 }, [here(addresses.podA[1])]),
		]);
		const backends = async () =>
			(await status()).services.flatMap(({ service: { ports } }) =>
				ports.flatMap(({ endpoints }) => endpoints.map(({ address }) => address)),
			);
		await until("the change is there", async () => (await backends()).join() === addresses.podA[1]);
		assert.deepEqual(await who(cluster, 80), [`${addresses.podA[1]}:8080`]);
	});

	it("leaves the rules when it is killed, and takes them over without a gap", async () => {
		await end("SIGKILL");
		assert.deepEqual(await who(cluster, 80), [`${addresses.podA[1]}:8080`]);
		const asked = world.peers.outside.probe([
			{ protocol: "tcp", address: cluster, port: 80, tries: 2_000, until: ["nobody"] },
		]);
		await start();
		const met = (await asked)[0];
		assert.ok(met);
		assert.deepEqual(
			{ refused: met.refused, silent: met.silent, errors: met.errors },
			{ refused: 0, silent: 0, errors: [] },
		);
		assert.equal((await status()).applied.at(-1)?.reason, "first");
	});

	it("does not run twice on one machine: two would take each other's rules away", async () => {
		const other = [
			"-f",
			resources,
			"--node",
			"node-1",
			"--state",
			join(world.rig.directory, "other"),
			"--layer4",
			"nftables",
		];
		const second = spawn("nsenter", inNode(other), {
			stdio: ["ignore", "ignore", "pipe"],
			timeout: 15_000,
			killSignal: "SIGKILL",
		});
		let complaint = "";
		second.stderr?.setEncoding("utf8").on("data", (text: string) => {
			complaint += text;
		});
		const ended = once(second, "close");
		// It listens before it has the lock, and whoever asks then is not left without an answer.
		let early: unknown;
		await until("the second answers", async () => {
			early = await status(join(world.rig.directory, "other"));
			return true;
		});
		assert.deepEqual(early, { because: "layer 4 is starting", hint: "ask again" });
		const [code] = await ended;
		assert.equal(code, 69, complaint);
		assert.match(complaint, /another process balances Services in this network namespace/);
	});

	it("builds its table again when somebody deletes it", async () => {
		execFileSync("nsenter", [`--net=${world.node.netns}`, "nft", "delete", "table", "ip", "keepmesh-l4"]);
		await until("it was built again", async () => (await status()).applied[0]?.reason === "foreignChange");
		assert.deepEqual(await who(cluster, 80), [`${addresses.podA[1]}:8080`]);
	});

	it("lets UDP clients of an endpoint that left find another one at once", async () => {
		const dns = service("dns", { clusterIP: nameServer, ports: [{ port: 53, targetPort: 8080, protocol: "UDP" }] });
		const endpoints = (address: string) => slice("dns", { port: 8080, protocol: "UDP" }, [here(address)]);
		const ask = () =>
			world.peers.outside
				.probe([{ protocol: "udp", address: nameServer, port: 53, tries: 1, fromPort: 40_053, timeoutMs: 500 }])
				.then(([met]) => met?.answeredBy);
		write("dns.json", [dns, endpoints(addresses.podA[0])]);
		await until("the first answers", async () => (await ask())?.[0] === `${addresses.podA[0]}:8080`);
		write("dns.json", [dns, endpoints(addresses.podA[2])]);
		await until("the other answers", async () => (await ask())?.[0] === `${addresses.podA[2]}:8080`);
	});

	it("answers at health-check node ports whether the node has a ready endpoint", async () => {
		const lb = service("lb", {
			type: "LoadBalancer",
			clusterIP: "10.96.0.9",
			externalTrafficPolicy: "Local",
			healthCheckNodePort: 32_000,
			ports: [{ port: 80, targetPort: 8080, nodePort: 30_080 }],
		});
		const status = { loadBalancer: { ingress: [{ ip: balanced }] } };
		const ask = () =>
			execFileSync("nsenter", [`--net=${world.client.netns}`, "curl", "-sim2", `http://${addresses.node[0]}:32000/`], {
				encoding: "utf8",
			});
		write("lb.json", [{ ...lb, status }, slice("lb", { port: 8080 }, [here(addresses.podA[0])])]);
		await until("it answers", async () => ask().includes("200 OK"));
		assert.match(ask(), /X-Load-Balancing-Endpoint-Weight: 1/i);
		assert.deepEqual(await who(balanced, 80), [`${addresses.podA[0]}:8080`]);
		write("lb.json", [
			{ ...lb, status },
			slice("lb", { port: 8080 }, [{ addresses: [addresses.otherPods[0]], nodeName: "node-2" }]),
		]);
		await until("it says no", async () => ask().includes("503"));
		assert.match(ask(), /"localEndpoints":\s*0/);
	});

	it("answers for itself where kube-proxy does", () => {
		const inNode = (url: string) =>
			execFileSync("nsenter", [`--net=${world.node.netns}`, "curl", "-sim2", url], { encoding: "utf8" });
		assert.match(inNode("http://127.0.0.1:10256/healthz"), /200 OK[\s\S]*"nodeEligible":true/);
		const metrics = inNode("http://127.0.0.1:10249/metrics");
		assert.match(metrics, /kubeproxy_sync_proxy_rules_duration_seconds_count\{ip_family="IPv4"\} [1-9]/);
		assert.match(metrics, /keepmesh_l4_services 3/);
		assert.match(metrics, /no_local_endpoints_total\{traffic_policy="external",ip_family="IPv4"\} 1/);
	});

	it("answers node ports on addresses that the node gets while it runs", async () => {
		write("np.json", [
			service("np", {
				type: "NodePort",
				clusterIP: "10.96.0.11",
				ports: [{ port: 80, targetPort: 8080, nodePort: 30_090 }],
			}),
			slice("np", { port: 8080 }, [here(addresses.podA[0])]),
		]);
		await until("the node port answers", async () => (await who(addresses.node[0], 30_090, "tcp", 1))?.length === 1);
		const config = readFileSync(join(state, "kp.yaml"), "utf8");
		writeFileSync(join(state, "kp.yaml"), `${config}nodePortAddresses: [10.77.0.0/24]\n`);
		await end("SIGTERM");
		await start();
		assert.equal((await who("10.77.0.55", 30_090, "tcp", 1))?.length, 0);
		execFileSync("ip", ["-n", world.node.name, "address", "add", "10.77.0.55/24", "dev", "eth0"]);
		await until("the new address answers", async () => (await who("10.77.0.55", 30_090, "tcp", 1))?.length === 1);
	});
});
