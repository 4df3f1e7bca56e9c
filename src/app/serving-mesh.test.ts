// Sidecars end, or are switched by hand; their callers, on real Envoys, are told by the control plane, at once, and go on.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { SwitchRecord } from "../hotswitch/switch-record.ts";
import { cannotRun, type Host } from "../node/namespace-rig.testing.ts";
import type { PodStatus } from "../node/node-agent.ts";
import { createServingMesh, type ServingMesh, serviceIp } from "./serving-mesh.testing.ts";

interface Load {
	readonly sent: number;
	readonly failed: number;
	readonly errors: readonly unknown[];
	readonly failedAtMs: readonly number[];
}

describe("callers of a pod whose sidecar fails", { skip: cannotRun }, () => {
	let mesh: ServingMesh;
	let client: Host;
	let caller: PodStatus;
	const webs: Host[] = [];
	const ip = (n: number): string => webs[n - 1]?.ip ?? "";
	/** A request each 5 ms, each on a connection of its own from the application. */
	const load = (durationMs: number): Promise<Load> =>
		client.run<Load>({ op: "load", host: serviceIp, port: 80, durationMs, intervalMs: 5 });
	const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
	const isCalled = (n: number, how: string) => async () => (await mesh.calledAs(caller, ip(n))) === how;
	const toSidecar = async (name: string, signal: NodeJS.Signals): Promise<void> => {
		const { pid } = await mesh.pod(name);
		assert.ok(pid);
		process.kill(pid, signal);
	};
	/** From the node's own stamp of the last switch to `step` until the caller's Envoy has what follows. */
	const msUntilCalled = async (n: number, how: string, step: string): Promise<number> => {
		await mesh.until(`web-${n} is called: ${how}`, isCalled(n, how));
		const haveMs = Date.now();
		const last = (await mesh.events()).findLast(({ pod, to }) => pod === `web-${n}` && to === step);
		return haveMs - (last?.atMs ?? 0);
	};
	const policy = async (steps: readonly string[]): Promise<void> => {
		mesh.write("hot-switch.json", {
			apiVersion: "keepmesh.io/v1alpha1",
			kind: "HotSwitch",
			metadata: { name: "mesh", namespace: "istio-system" },
			spec: { steps, prove: "1s", flap: { count: 100 } },
		});
		await mesh.until("the node knows the policy", () =>
			mesh.policies().every((one) => one.direct === steps.includes("direct")),
		);
	};
	const peers = (mode: string | undefined): void =>
		mesh.write(
			"peers.json",
			mode === undefined
				? undefined
				: {
						apiVersion: "security.istio.io/v1",
						kind: "PeerAuthentication",
						metadata: { name: "default", namespace: "default" },
						spec: { mtls: { mode } },
					},
		);
	const bypass = async (): Promise<void> => {
		const { status } = await mesh.call("POST", "/v1/pods/web-1/bypass?by=anna&why=test&forSeconds=60");
		assert.equal(status, 200);
		await mesh.until("it is called in plaintext", isCalled(1, "plaintext"));
	};
	/** Breaks web-1's sidecar under load, and says what callers lost, before and after they were told. */
	const underLoad = async (signal: NodeJS.Signals, how: string, step: string) => {
		const sent = load(3_500);
		await pause(300);
		await toSidecar("web-1", signal);
		const tookMs = await msUntilCalled(1, how, step);
		const toldMs = Date.now();
		await mesh.until("it is served by its sidecar again", isCalled(1, "mutual TLS"));
		const { errors, failedAtMs, sent: count } = await sent;
		const later = failedAtMs.filter((atMs) => atMs > toldMs).length;
		return { tookMs, count, failed: failedAtMs.length, later, errors };
	};

	before(async () => {
		mesh = await createServingMesh();
		const { rig } = mesh;
		await mesh.startControl();
		await mesh.startNode();
		client = rig.addHost("client", "10.77.0.2");
		for (const n of [1, 2, 3]) webs.push(rig.addHost(`web${n}`, `10.77.0.${n + 2}`));
		for (const [n, host] of webs.entries()) await host.run({ op: "serveHttp", port: 8080, name: `web-${n + 1}` });
		caller = await mesh.addPod(client, "client", "client");
		const [web] = webs;
		assert.ok(web);
		await mesh.addPod(web, "web-1", "web");
		await mesh.until("the first request", async () => {
			const { status } = await client.run<{ status?: number }>({ op: "http", host: serviceIp, port: 80 });
			return status === 200;
		});
	});
	after(() => mesh?.close());

	it("stop mutual TLS to one that was killed, lose nothing more, and begin again when it is back", async () => {
		await policy(["direct"]);
		const told = await underLoad("SIGKILL", "plaintext", "direct");
		assert.ok(told.tookMs < 5_000, JSON.stringify(told));
		assert.equal(told.later, 0, JSON.stringify(told));
		await mesh.until("the control plane knows how the requests ended", async () => {
			const calls = (await mesh.serving()).find(({ pod }) => pod === "client")?.calls;
			return calls !== undefined && calls.total >= told.count - told.failed;
		});
	});

	it("stop mutual TLS to one that hangs, and lose nothing more", async () => {
		const told = await underLoad("SIGSTOP", "plaintext", "direct");
		assert.ok(told.tookMs < 5_000, JSON.stringify(told));
		assert.equal(told.later, 0, JSON.stringify(told));
	});

	it("are told again what they were told by a control plane that was killed, and hear nothing else meanwhile", async () => {
		await bypass();
		const heard = new Set<string>();
		let isOver = false;
		const endMs = performance.now() + 20_000;
		const watching = (async () => {
			while (!isOver && performance.now() < endMs) {
				heard.add(await mesh.calledAs(caller, ip(1)));
				await pause(10);
			}
		})();
		await mesh.killControl();
		await mesh.startControl();
		await mesh.until("the control plane has heard of it from the node", async () =>
			(await mesh.serving()).some(
				({ pod, serving, requests }) => pod === "web-1" && serving?.step === "direct" && requests,
			),
		);
		const ofWeb = (await mesh.events()).filter(({ pod }) => pod === "web-1");
		let items: readonly SwitchRecord[] = [];
		await mesh.until("it has all switches", async () => {
			({ items } = await mesh.ask<{ readonly items: readonly SwitchRecord[] }>("/api/v1/events?pod=web-1"));
			return items.length >= ofWeb.length;
		});
		assert.deepEqual(items, ofWeb);
		const last = items.at(-1);
		assert.deepEqual([last?.by, last?.cause, last?.because], ["anna", "bypass", "bypass by anna: test"]);
		assert.equal((await load(300)).failed, 0);
		isOver = true;
		await watching;
		assert.deepEqual([...heard], ["plaintext"]);
	});

	it("are not told that it is closed while the node's agent is started anew", async () => {
		await mesh.killNode();
		await mesh.startNode();
		const untilMs = performance.now() + 300;
		while (performance.now() < untilMs) assert.notEqual(await mesh.calledAs(caller, ip(1)), "not at all");
		assert.equal((await mesh.events()).findLast(({ pod }) => pod === "web-1")?.by, "anna");
	});

	it("never call it in plaintext once STRICT is in force", async () => {
		await policy(["direct"]);
		await bypass();
		peers("STRICT");
		await mesh.until("plaintext ends", async () => (await mesh.calledAs(caller, ip(1))) !== "plaintext");
		await mesh.call("POST", "/v1/pods/web-1/restore?by=anna");
		await mesh.until("mutual TLS", isCalled(1, "mutual TLS"));
		const heard = new Set<string>();
		const before = (await mesh.events()).length;
		await toSidecar("web-1", "SIGKILL");
		await mesh.until("it is back", async () => {
			heard.add(await mesh.calledAs(caller, ip(1)));
			const steps = (await mesh.events()).slice(before).map(({ to }) => to);
			return steps.includes("closed") && steps.at(-1) === "sidecar" && (await isCalled(1, "mutual TLS")());
		});
		assert.equal(heard.has("plaintext"), false);
		peers(undefined);
	});

	it("leave out one that is closed, lose nothing more with two others, and come back to it", async () => {
		await policy([]);
		for (const n of [2, 3]) await mesh.addPod(webs[n - 1] as Host, `web-${n}`, "web");
		await mesh.until(
			"three are called",
			async () => (await isCalled(2, "mutual TLS")()) && (await isCalled(3, "mutual TLS")()),
		);
		const told = await underLoad("SIGKILL", "not at all", "closed");
		assert.ok(told.tookMs < 5_000, JSON.stringify(told));
		assert.equal(told.later, 0, JSON.stringify(told));
	});
});
