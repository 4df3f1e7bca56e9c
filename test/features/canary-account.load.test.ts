// A canary under a service account of its own comes and goes, through real Envoys: clients must learn that it may answer for
// the service before they send it a request, also while other clusters change and are not confirmed yet.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { cannotRun } from "../../src/node/namespace-rig.testing.ts";
import { answerTo, clusterIp, type MutualTlsMesh, podPorts, startMutualTlsMesh, withMode } from "./mutual-tls-mesh.ts";
import { clientFirst, httpServer } from "./servers.ts";

const canaryIp = "10.77.0.4";

const canary = (ready: "True" | "False") => `
---
apiVersion: v1
kind: Pod
metadata: { name: canary, namespace: default, labels: { app: p, security.istio.io/tlsMode: istio } }
spec: { serviceAccountName: canary }
status: { podIP: ${canaryIp}, phase: Running, conditions: [{ type: Ready, status: "${ready}" }] }
`;

/** Changes a cluster that has nothing to do with the canary. */
const unrelated = (round: number) => `
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: headless, namespace: default }
spec:
  host: headless.default.svc.cluster.local
  trafficPolicy: { connectionPool: { tcp: { maxConnections: ${1000 + round} } } }
`;

describe("a canary with a service account of its own", { skip: cannotRun }, () => {
	let all: MutualTlsMesh;
	before(async () => {
		all = await startMutualTlsMesh();
		const { mesh, authority } = all;
		const certificate = authority.issue("spiffe://cluster.local/ns/default/sa/canary");
		const proxy = await mesh.addProxy("canary", canaryIp, {
			certificate,
			labels: { app: "p" },
			interception: "TPROXY",
			drainSeconds: 1,
		});
		mesh.serve(httpServer("canary"), proxy.host, podPorts.http);
		mesh.serve(clientFirst("canary"), proxy.host, podPorts.bytes);
	});
	after(() => all?.mesh.close());

	interface Outcome {
		readonly failed: number;
		readonly byCanary: number;
		/** Answers, and what the client's Envoy counted, for messages. */
		readonly text: string;
	}

	/** Sends on two ports while `round` runs 10 times; `met` waits until the canary has answered. */
	const underLoad = async (
		round: (use: (pod: string) => Promise<void>, met: () => Promise<void>) => Promise<void>,
	): Promise<Outcome> => {
		const { mesh, client } = all;
		let running = true;
		let changes = 0;
		let before = "";
		const answers = new Map<string, number>();
		const count = (answer: string) => answers.set(answer, (answers.get(answer) ?? 0) + 1);
		const send = async (): Promise<void> => {
			// Bytes: nothing retries them.
			while (running) count(await answerTo(mesh.connect(clusterIp, 83, client.host), "x"));
		};
		const ask = async (): Promise<void> => {
			while (running) count(String((await mesh.http(clusterIp, 80, { host: "p" }, client.host)).status));
		};
		const senders = [send(), send(), send(), ask()];
		const byCanary = (): number => answers.get("canary x") ?? 0;
		const met = async (): Promise<void> => {
			for (const enough = byCanary() + 3; byCanary() < enough; ) await sleep(2);
		};
		for (let done = 0; done < 10; done++)
			await round(async (pod) => {
				// The first is not confirmed when the second comes.
				const first = mesh.use(withMode("STRICT", {}, unrelated(++changes) + before));
				before = pod;
				await Promise.all([first, mesh.use(withMode("STRICT", {}, unrelated(changes) + pod))]);
			}, met);
		running = false;
		await Promise.all(senders);
		const bad = [...answers].filter(([answer]) => !["p x", "canary x", "200"].includes(answer));
		const refused = await client.admin("/stats?filter=outbound.(80|83).*fail_verify_san&usedonly");
		const text = JSON.stringify([...answers]) + refused;
		return { failed: bad.reduce((sum, [, times]) => sum + times, 0), byCanary: byCanary(), text };
	};

	it("costs no request when it comes and goes 10 times as pods do, not ready at first and at last", async () => {
		const { failed, byCanary, text } = await underLoad(async (use, met) => {
			await use(canary("False"));
			await sleep(40);
			await use(canary("True"));
			await Promise.all([met(), sleep(40)]);
			await use(canary("False"));
			await sleep(40);
			await use("");
		});
		assert.equal(failed, 0, text);
		assert.ok(byCanary >= 30, text);
	});

	it("costs next to none when it is there all at once: Envoy swaps a cluster just after it has its endpoints", async () => {
		const { failed, byCanary, text } = await underLoad(async (use, met) => {
			await use(canary("True"));
			await Promise.all([met(), sleep(60)]);
			await use("");
			await sleep(30);
		});
		assert.ok(failed <= 6, text);
		assert.ok(byCanary >= 30, text);
	});
});
