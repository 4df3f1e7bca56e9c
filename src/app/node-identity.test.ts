// A node with its certificates in a mesh of real parts: control plane, agent as a process, Envoys. Authorities go down, agents
// and Envoys are killed, roots are rotated; workloads go on talking mutual TLS.

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { defaultHotSwitchPolicy } from "../hotswitch/hot-switch-policy.ts";
import { decodeHotSwitchPolicy } from "../hotswitch/hot-switch-policy-codec.ts";
import { cannotRun, createRig, envoyBinary, type Host, type Rig } from "../node/namespace-rig.testing.ts";
import type { PodStatus } from "../node/node-agent.ts";
import { nodePaths } from "../node/plan/pod-paths.ts";
import { silentLog } from "../runtime/log.ts";
import { type MutualTlsMesh, serviceIp, startMutualTlsMesh } from "./mutual-tls-mesh.testing.ts";
import { startNode } from "./node.ts";
import type { IdentityStatus } from "./node-certificates.ts";

const program = join(import.meta.dirname, "../../bin/keepmesh.ts");

describe("a node and its workloads' certificates", { skip: cannotRun }, () => {
	let rig: Rig;
	let mesh: MutualTlsMesh;
	let agent: ChildProcess | undefined;
	let client: Host;
	let web: Host;
	let stranger: Host;
	let state = "";
	let tokenFile = "";
	let said = "";

	const call = <Body>(method: string, path: string, body?: unknown): Promise<{ status: number; body: Body }> =>
		new Promise((resolve, reject) => {
			const { apiSocket } = nodePaths(state);
			const outgoing = request({ socketPath: apiSocket, method, path, agent: false }, (response) => {
				let text = "";
				response.setEncoding("utf8").on("data", (chunk: string) => {
					text += chunk;
				});
				response.on("end", () => resolve({ status: response.statusCode ?? 0, body: JSON.parse(text) as Body }));
			});
			outgoing.on("error", reject).end(body === undefined ? undefined : JSON.stringify(body));
		});
	const until = async (what: string, is: () => Promise<boolean> | boolean, timeoutMs = 10_000): Promise<void> => {
		const endMs = performance.now() + timeoutMs;
		while (!(await is())) {
			if (performance.now() > endMs) throw new Error(`waited in vain: ${what}\n${said.slice(-3000)}`);
			await new Promise((resolve) => setTimeout(resolve, 10));
		}
	};
	const startAgent = async (): Promise<void> => {
		const flags = [
			"--node",
			"n1",
			"--state",
			state,
			"--envoy",
			envoyBinary,
			"--join-token-file",
			tokenFile,
			"--layer4",
			"off",
		];
		const command = ["--no-warnings", program, "node", "--control", `127.0.0.1:${mesh.port}`, ...flags];
		agent = spawn(process.execPath, command, { stdio: ["ignore", "ignore", "pipe"] });
		agent.stderr?.setEncoding("utf8").on("data", (text: string) => {
			said += text;
		});
		await until("the agent answers", () =>
			call("GET", "/v1/identity").then(
				() => true,
				() => false,
			),
		);
	};
	const killAgent = async (signal: NodeJS.Signals): Promise<void> => {
		if (!agent) return;
		const ended = once(agent, "exit");
		agent.kill(signal);
		await ended;
		agent = undefined;
	};
	const addPod = async (host: Host, name: string, app: string): Promise<PodStatus> => {
		mesh.placePod(host, name, app);
		const pod = { name, uid: name, ip: host.ip, netns: host.netns, labels: { app }, serviceAccount: app };
		const { body } = await call<PodStatus>("POST", "/v1/pods", { ...pod, concurrency: 1 });
		assert.ok(body.ready, `${JSON.stringify(body)}\n${said.slice(-3000)}`);
		return body;
	};
	const identity = async (): Promise<IdentityStatus> => (await call<IdentityStatus>("GET", "/v1/identity")).body;
	const serials = async (): Promise<readonly (string | undefined)[]> => {
		const { node, workloads } = await identity();
		return [
			node?.serial,
			...Object.keys(workloads)
				.sort()
				.map((id) => workloads[id]?.serial),
		];
	};
	const settled = async (roots: number, issuerKeyId: string): Promise<boolean> => {
		const { node, workloads, pendingTrust } = await identity();
		const all = [...Object.values(workloads), node];
		return (
			node?.roots.length === roots &&
			Object.keys(pendingTrust).length === 0 &&
			all.every((one) => one?.issuerKeyId === issuerKeyId)
		);
	};
	const ask = async (from: Host, host = serviceIp, port = 80): Promise<number | undefined> =>
		(await from.run<{ status?: number }>({ op: "http", host, port })).status;

	before(async () => {
		rig = createRig();
		mesh = await startMutualTlsMesh(rig);
		state = join(rig.directory, "s");
		tokenFile = join(rig.directory, "token");
		writeFileSync(tokenFile, mesh.newToken("n1"), { mode: 0o600 });
		[client, web, stranger] = [
			rig.addHost("client", "10.77.0.2"),
			rig.addHost("web", "10.77.0.3"),
			rig.addHost("stranger", "10.77.0.4"),
		];
		await web.run({ op: "serveHttp", port: 8080, name: "web" });
		await startAgent();
		await addPod(client, "client", "client");
		await addPod(web, "web-1", "web");
		mesh.serve([web]);
		await until("the first request", async () => (await ask(client)) === 200);
	});
	after(async () => {
		if (agent)
			for (const uid of ["client", "web-1"]) await call("DELETE", `/v1/pods/${uid}?graceSeconds=0`).catch(() => {});
		await killAgent("SIGKILL");
		await mesh?.close();
		rig?.close();
	});

	it("are given for pods that the resources place here; another is told why it has none", async () => {
		const other = rig.addHost("other", "10.77.0.5");
		const pod = { name: "other", uid: "other", ip: other.ip, netns: other.netns, serviceAccount: "admin" };
		const { status, body } = await call<{ because: string }>("POST", "/v1/pods?timeoutSeconds=1", pod);
		assert.equal(status, 504);
		assert.match(body.because, /no certificate: .*admin/);
		await call("DELETE", "/v1/pods/other?graceSeconds=0");
	});

	it("let workloads talk mutual TLS, and nobody else in", async () => {
		assert.equal(await ask(client), 200);
		assert.equal(await ask(stranger, web.ip, 8080), undefined);
	});

	it("come with what may be done when the proxy fails, kept for the next agent", async () => {
		const directory = nodePaths(state).hotSwitchPolicies;
		const kept = () =>
			readdirSync(directory)
				.filter((name) => name.endsWith(".json"))
				.map((name) => decodeHotSwitchPolicy(readFileSync(join(directory, name))));
		await until("both pods have it", () => kept().length === 2);
		const strict = { ...defaultHotSwitchPolicy, permitsPlaintext: false };
		assert.deepEqual(kept(), [strict, strict]);
	});

	it("belong to root alone: neither applications nor Envoys can read the keys", () => {
		const { identity: directory, secretSocket } = nodePaths(state);
		assert.equal(statSync(directory).mode & 0o777, 0o700);
		assert.equal(readdirSync(join(directory, "workloads")).length, 2);
		assert.equal(statSync(secretSocket).mode & 0o777, 0o660);
	});

	it("acknowledge each stage of a rotation only when the Envoys are there, and lose no request over it", async () => {
		const load = client.run<{ sent: number; failed: number; errors: unknown }>({
			op: "load",
			host: serviceIp,
			port: 80,
			durationMs: 60_000,
			intervalMs: 5,
			atLeast: 151,
		});
		let ended = false;
		void load.then(() => {
			ended = true;
		});
		const { authority } = mesh;
		const [oldRoot] = authority.roots();
		assert.ok(oldRoot);
		const before = (await identity()).node?.issuerKeyId ?? "";
		const added = authority.addRoot();
		await until("both roots are trusted", () => settled(2, before));
		authority.signWith(added.issuerKeyId);
		await until("everybody has a certificate of the new issuer", () => settled(2, added.issuerKeyId));
		authority.dropRoot(oldRoot.fingerprint);
		await until("the old root is gone", () => settled(1, added.issuerKeyId));
		assert.equal(ended, false, "the load went on all the while");
		await new Promise((resolve) => setTimeout(resolve, 2000));
		await client.run({ op: "stopLoads" });
		const result = await load;
		assert.deepEqual([result.failed, result.errors], [0, []]);
		assert.ok(result.sent > 150, `${result.sent} sent`);
		assert.equal(await ask(client), 200);
	});

	it("follow a rotation on a node without any pod as well", async () => {
		const token = mesh.newToken("idle");
		const idle = await startNode(
			{
				name: "idle",
				state: join(rig.directory, "idle"),
				control: [{ host: "127.0.0.1", port: mesh.port }],
				envoy: envoyBinary,
				security: { mode: "mutualTls", readToken: () => token, tokenPlace: "this test" },
			},
			{ log: silentLog },
		);
		try {
			const { authority } = mesh;
			const [oldRoot] = authority.roots();
			assert.ok(oldRoot);
			const has = (roots: number, issuerKeyId: string) => (): boolean => {
				const { node, pendingTrust } = idle.identity();
				const isSettled = Object.keys(pendingTrust).length === 0;
				return isSettled && node?.roots.length === roots && node.issuerKeyId === issuerKeyId;
			};
			const { issuerKeyId: first } = authority.bundle();
			await until("joined", has(1, first));
			const { issuerKeyId } = authority.addRoot();
			await until("both roots are trusted", has(2, first));
			authority.signWith(issuerKeyId);
			await until("its certificate is of the new issuer", has(2, issuerKeyId));
			// The other node as well: whoever still has a certificate of a dropped root is locked out.
			await until("those of the other node too", () => settled(2, issuerKeyId));
			authority.dropRoot(oldRoot.fingerprint);
			await until("the old root is gone", has(1, issuerKeyId));
		} finally {
			await idle.close();
		}
	});

	it("are there at once when the agent was killed, without a token", async () => {
		const before = await serials();
		await until("a rotation would wait for nobody", async () => (await mesh.blockers()).length === 0);
		await killAgent("SIGKILL");
		await until("it would wait for those who are away", async () => (await mesh.blockers()).length > 0);
		writeFileSync(tokenFile, "");
		await startAgent();
		assert.deepEqual(await serials(), before);
		await until("ready", async () => (await call<PodStatus>("GET", "/v1/pods/web-1")).body.ready);
		assert.equal(await ask(client), 200);
		await until("all have confirmed what they trust again", async () => (await mesh.blockers()).length === 0);
	});

	it("outlive every authority: a killed agent and killed Envoys come back with them", async () => {
		await mesh.close();
		assert.equal(await ask(client), 200);
		const before = await serials();
		await killAgent("SIGKILL");
		await startAgent();
		assert.equal(await ask(client), 200, "through Envoys that went on");
		assert.deepEqual(await serials(), before);
		for (const uid of ["client", "web-1"]) {
			const { pid } = (await call<PodStatus>("GET", `/v1/pods/${uid}`)).body;
			assert.ok(pid !== undefined && pid > 1);
			process.kill(pid, "SIGKILL");
			await until(`another Envoy for ${uid}`, async () => {
				const now = (await call<PodStatus>("GET", `/v1/pods/${uid}`)).body;
				return now.ready && now.pid !== pid;
			});
			assert.equal(await ask(client), 200, `after the end of ${uid}'s Envoy`);
		}
		assert.equal(await ask(stranger, web.ip, 8080), undefined, "it still takes mutual TLS only");
		assert.deepEqual(await serials(), before);
	});
});
