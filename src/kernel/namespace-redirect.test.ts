// The redirect in a real kernel, with a real Envoy behind it whose configuration is static: all it does is pass connections on.

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { noPlaintext, type PlaintextPorts, planRedirect } from "../hotswitch/redirect-plan.ts";
import { renderRedirect, renderReleasedRedirect } from "../hotswitch/render-redirect.ts";
import { envoyAdmin } from "../node/envoy-admin.ts";
import { cannotRun, createRig, envoyBinary, type Host, type Rig } from "../node/namespace-rig.testing.ts";
import { envoyCommand } from "../node/plan/envoy-command.ts";
import { parseStats } from "../node/plan/envoy-stats.ts";
import { applyRedirect, readRedirect, removeRedirect } from "./namespace-redirect.ts";
import { passThroughBootstrap } from "./pass-through-envoy.testing.ts";

interface Echo {
	readonly name: string;
	readonly remoteAddress: string;
}

describe("the redirect in a pod's namespace", { skip: cannotRun }, () => {
	let rig: Rig;
	let client: Host;
	let pod: Host;
	let envoy: ChildProcess | undefined;
	let adminSocket = "";

	const load = async (ruleset: string) =>
		assert.deepEqual(await applyRedirect(pod.netns, { ruleset, ipv6: false, lowPorts: false }), { ok: true });
	const apply = async (mode: "TPROXY" | "REDIRECT", annotations: Readonly<Record<string, string>> = {}) => {
		const { plan } = planRedirect({ owner: "default/app", mode, ips: [pod.ip], annotations });
		await load(renderRedirect(plan));
	};
	const planWith = (plaintext: PlaintextPorts, mode: "TPROXY" | "REDIRECT" = "TPROXY") =>
		planRedirect({ owner: "default/app", mode, ips: [pod.ip], annotations: {}, plaintext }).plan;
	/** Which of the application's ports answer the client. */
	const answering = async (): Promise<readonly number[]> => {
		const open: number[] = [];
		for (const port of [8080, 8081]) {
			const { status } = await client.run<{ status?: number }>({ op: "http", host: pod.ip, port });
			if (status === 200) open.push(port);
		}
		return open;
	};
	const startEnvoy = async (transparent: boolean) => {
		const bootstrap = join(rig.directory, "bootstrap.json");
		adminSocket = join(rig.directory, "admin.sock");
		writeFileSync(bootstrap, JSON.stringify(passThroughBootstrap({ adminSocket, transparent })));
		const { file, args } = envoyCommand({
			envoy: envoyBinary,
			netns: pod.netns,
			bootstrap,
			concurrency: 1,
			transparent,
		});
		envoy = spawn(file, args, { stdio: ["ignore", "ignore", "inherit"] });
		for (;;) {
			if ((await envoyAdmin(adminSocket).get("/ready"))?.status === 200) return;
			await new Promise((resolve) => setTimeout(resolve, 20));
		}
	};
	const stopEnvoy = async (signal: NodeJS.Signals) => {
		if (!envoy) return;
		const ended = once(envoy, "exit");
		envoy.kill(signal);
		await ended;
		envoy = undefined;
	};
	/** Connections that Envoy took so far: inbound, outbound. */
	const taken = async (): Promise<readonly [number, number]> => {
		const stats = parseStats((await envoyAdmin(adminSocket).get("/stats?filter=downstream_cx_total"))?.body ?? "");
		return [stats.get("tcp.inbound.downstream_cx_total") ?? 0, stats.get("tcp.outbound.downstream_cx_total") ?? 0];
	};
	/** Runs it and tells how many connections Envoy took meanwhile. */
	const counting = async <Result>(run: () => Promise<Result>) => {
		const before = await taken();
		const result = await run();
		const now = await taken();
		return { result, inbound: now[0] - before[0], outbound: now[1] - before[1] };
	};
	const get = async (from: Host, host: string, port: number, uid = 0) => {
		const answer = await from.run<{ status?: number; body?: string; error?: string }>(
			{ op: "http", host, port },
			{ uid },
		);
		assert.equal(answer.status, 200, JSON.stringify(answer));
		return JSON.parse(answer.body ?? "") as Echo;
	};

	before(async () => {
		rig = createRig();
		chmodSync(rig.directory, 0o777);
		client = rig.addHost("client", "10.77.0.2");
		pod = rig.addHost("pod", "10.77.0.3");
		await pod.run({ op: "serveHttp", port: 8080, name: "app" });
		await pod.run({ op: "serveHttp", port: 8081, name: "app-excluded" });
		await pod.run({ op: "serveGreeting", port: 3306, greeting: "8.0.35-greeting" });
		await client.run({ op: "serveHttp", port: 9090, name: "outside" });
		await client.run({ op: "serveHttp", port: 9091, name: "outside-excluded" });
		await client.run({ op: "serveGreeting", port: 3306, greeting: "server speaks first" });
	});
	after(async () => {
		await stopEnvoy("SIGKILL");
		rig?.close();
	});

	for (const mode of ["TPROXY", "REDIRECT"] as const)
		describe(mode, () => {
			before(async () => {
				await startEnvoy(mode === "TPROXY");
				await apply(mode, {
					"traffic.sidecar.istio.io/excludeInboundPorts": "8081",
					"traffic.sidecar.istio.io/excludeOutboundPorts": "9091",
				});
			});
			after(() => stopEnvoy("SIGTERM"));

			it("brings inbound connections through Envoy to the application", async () => {
				const { result, inbound } = await counting(() => get(client, pod.ip, 8080));
				assert.deepEqual(
					{ name: result.name, from: result.remoteAddress, inbound },
					{ name: "app", from: "127.0.0.6", inbound: 1 },
				);
			});

			it("brings the application's outbound connections through Envoy", async () => {
				const { result, outbound } = await counting(() => get(pod, client.ip, 9090));
				assert.deepEqual({ name: result.name, outbound }, { name: "outside", outbound: 1 });
			});

			it("leaves excluded ports alone, both ways", async () => {
				const excludedIn = await counting(() => get(client, pod.ip, 8081));
				assert.deepEqual([excludedIn.result.remoteAddress, excludedIn.inbound], [client.ip, 0]);
				const excludedOut = await counting(() => get(pod, client.ip, 9091));
				assert.deepEqual([excludedOut.result.remoteAddress, excludedOut.outbound], [pod.ip, 0]);
			});

			it("lets the pod reach itself by its address and by loopback without Envoy", async () => {
				const { result, inbound, outbound } = await counting(async () => [
					await get(pod, pod.ip, 8080),
					await get(pod, "127.0.0.1", 8080),
				]);
				assert.deepEqual([result.map((echo) => echo.name), inbound, outbound], [["app", "app"], 0, 0]);
			});

			it("brings Envoy's own calls to its pod through the inbound side", async () => {
				const { result, inbound } = await counting(() => get(pod, pod.ip, 8080, 1337));
				assert.deepEqual([result.name, inbound], ["app", 1]);
			});

			it("passes protocols whose server speaks first, at once", async () => {
				for (const [from, to] of [
					[client, pod],
					[pod, client],
				] as const) {
					const answer = await from.run<{ first: string; text: string; greetedMs: number }>({
						op: "greeting",
						host: to.ip,
						port: 3306,
					});
					assert.match(answer.first, /greeting|speaks first/);
					assert.equal(answer.text, "you said hello");
					assert.ok(answer.greetedMs < 1000, `greeted after ${answer.greetedMs} ms`);
				}
			});

			it("marks redirected connections, so that they can be found", async () => {
				await get(client, pod.ip, 8080);
				const marked = pod.exec("conntrack", "-L", "-m", "0x539");
				assert.match(marked, /dport=8080/);
			});

			it("is applied twice as if once", async () => {
				const earlier = await readRedirect(pod.netns);
				await apply(mode, {
					"traffic.sidecar.istio.io/excludeInboundPorts": "8081",
					"traffic.sidecar.istio.io/excludeOutboundPorts": "9091",
				});
				assert.equal(await readRedirect(pod.netns), earlier);
			});
		});

	const dead: readonly (readonly [string, PlaintextPorts | undefined, readonly number[]])[] = [
		["nowhere, as long as nobody has said what it takes", undefined, []],
		["where it takes plaintext", { others: true, except: [] }, [8080, 8081]],
		["but not on ports that do not take plaintext", { others: true, except: [8080] }, [8081]],
		["on those ports alone that take plaintext", { others: false, except: [8080] }, [8080]],
	];
	for (const [where, plaintext, expected] of dead) {
		it(`with TPROXY lets inbound through to the application when Envoy is dead, ${where}`, async () => {
			await startEnvoy(true);
			await load(renderRedirect(planWith(plaintext ?? noPlaintext)));
			assert.deepEqual(await answering(), [8080, 8081], "through Envoy");
			await stopEnvoy("SIGKILL");
			assert.deepEqual(await answering(), expected);
			assert.equal((await get(pod, pod.ip, 8080)).name, "app", "the pod itself is not concerned");
		});
	}

	for (const mode of ["TPROXY", "REDIRECT"] as const) {
		it(`of ${mode}, once released, lets new connections in only where plaintext is taken`, async () => {
			await load(renderReleasedRedirect(planWith({ others: true, except: [] }, mode)));
			assert.deepEqual(await answering(), [8080, 8081]);
			await load(renderReleasedRedirect(planWith({ others: false, except: [8081] }, mode)));
			assert.deepEqual(await answering(), [8081]);
			assert.equal((await get(pod, client.ip, 9090)).name, "outside", "outbound goes on");
		});
	}

	it("sends excluded address ranges directly", async () => {
		await apply("TPROXY", { "traffic.sidecar.istio.io/excludeOutboundIPRanges": "10.77.0.0/24,10.77.0.2/32" });
		assert.equal((await get(pod, client.ip, 9090)).remoteAddress, pod.ip);
	});

	it("redirects nothing else when only some ranges are included", async () => {
		await apply("TPROXY", { "traffic.sidecar.istio.io/includeOutboundIPRanges": "10.99.0.0/16" });
		assert.equal((await get(pod, client.ip, 9090)).remoteAddress, pod.ip);
	});

	it("is gone after removal, and removal twice is harmless", async () => {
		await apply("TPROXY");
		assert.deepEqual(await removeRedirect(pod.netns), { ok: true });
		assert.deepEqual(await removeRedirect(pod.netns), { ok: true });
		assert.equal(await readRedirect(pod.netns), undefined);
		assert.equal((await get(pod, client.ip, 9090)).name, "outside");
	});

	it("sends DNS queries to the node's server, whatever resolver the pod names, but not those of Envoy", async () => {
		await client.run({ op: "serveUdp", port: 5353, name: "node's DNS" });
		const dns = { address: client.ip, port: 5353 };
		for (const mode of ["TPROXY", "NONE"] as const) {
			const { plan } = planRedirect({ owner: "default/app", mode, ips: [pod.ip], annotations: {}, dns });
			await applyRedirect(pod.netns, { ruleset: renderRedirect(plan), ipv6: false, lowPorts: false });
			const query = { op: "udp", host: "192.0.2.53", port: 53 };
			assert.deepEqual(await pod.run(query), { text: "node's DNS", from: "192.0.2.53" });
			assert.equal((await pod.run<{ text?: string }>(query, { uid: 1337 })).text, undefined);
			assert.equal((await pod.run<{ text?: string }>({ ...query, port: 54 })).text, undefined);
		}
	});

	it("lets a gateway's Envoy, which is not root, listen below port 1024", async () => {
		const settings = { ruleset: "", ipv6: false, lowPorts: true };
		assert.deepEqual(await applyRedirect(pod.netns, settings), { ok: true });
		assert.deepEqual(await pod.run({ op: "serveHttp", port: 81, name: "gateway" }, { uid: 1337 }), {});
		assert.equal((await get(client, pod.ip, 81)).name, "gateway");
	});

	it("says which namespace is missing", async () => {
		const result = await applyRedirect("/run/netns/kmn-none", { ruleset: "", ipv6: false, lowPorts: false });
		assert.equal(result.ok, false);
		assert.equal(!result.ok && result.because, "namespaceMissing");
	});
});
