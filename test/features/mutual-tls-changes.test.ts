// Mutual TLS of the mesh while something changes, through real Envoys: who answers, whether there is a certificate at all, and
// what a change of mode costs.

import assert from "node:assert/strict";
import { once } from "node:events";
import type { Socket } from "node:net";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { cannotRun } from "../../src/node/namespace-rig.testing.ts";
import type { MeshInAProcess } from "./mesh-in-a-process.ts";
import {
	answerTo,
	clientId,
	clusterIp,
	get,
	type MutualTlsMesh,
	podPorts,
	serverId,
	serverIp,
	startMutualTlsMesh,
	withMode,
} from "./mutual-tls-mesh.ts";
import { httpServer, nextText } from "./servers.ts";

describe("mutual TLS", { skip: cannotRun }, () => {
	let all: MutualTlsMesh;
	let mesh: MeshInAProcess;
	before(async () => {
		all = await startMutualTlsMesh();
		mesh = all.mesh;
	});
	after(() => mesh?.close());

	const fromClient = (port: number) => mesh.connect(clusterIp, port, all.client.host);

	it("goes only to those who may answer for the service", async () => {
		await mesh.use(withMode("STRICT"));
		const refusals = async (): Promise<string> => all.client.admin("/stats?filter=83.*fail_verify_san");
		const server = mesh.firstProxy;
		assert.equal(await answerTo(fromClient(83), "\x00bytes"), "p \x00bytes");
		assert.match(await refusals(), /: 0$/m);
		try {
			server.certificate = all.authority.issue("spiffe://cluster.local/ns/default/sa/impostor");
			await mesh.publish();
			assert.equal(await answerTo(fromClient(83), "\x00bytes"), "");
			assert.match(await refusals(), /: [1-9]\d*$/m);
		} finally {
			server.certificate = all.authority.issue(serverId);
			await mesh.publish();
		}
		assert.equal(await answerTo(fromClient(83), "\x00bytes"), "p \x00bytes");
	});

	it("that a workload without certificate cannot take shuts it, rather than leaving it open", async () => {
		const bareIp = "10.77.0.4";
		const bare = await mesh.addProxy("bare", bareIp);
		mesh.serve(httpServer("bare"), bare.host, 8080);
		mesh.serve(httpServer("bare"), bare.host, 9000);
		const service = `
---
apiVersion: v1
kind: Service
metadata: { name: bare, namespace: default }
spec: { clusterIP: 10.96.0.2, selector: { app: bare }, ports: [{ name: http, port: 80, targetPort: 8080 }] }
---
apiVersion: v1
kind: Pod
metadata: { name: bare, namespace: default, labels: { app: bare } }
spec: { serviceAccountName: bare }
status: { podIP: ${bareIp}, phase: Running, conditions: [{ type: Ready, status: "True" }] }
`;
		const strict = `
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: default, namespace: default }
spec: { mtls: { mode: STRICT } }
`;
		const ask = (port: number) => answerTo(mesh.connect(bareIp, port, all.outside), get);
		await mesh.use(withMode(undefined, {}, service));
		for (const port of [8080, 9000]) assert.match(await ask(port), /^HTTP\/1.1 200/);
		assert.equal((await mesh.http("10.96.0.2", 80, { host: "bare" }, all.client.host)).status, 200);
		await mesh.use(withMode(undefined, {}, service + strict));
		for (const port of [8080, 9000]) assert.equal(await ask(port), "");
		const dump = await bare.admin("/config_dump?resource=dynamic_listeners&name_regex=virtualInbound");
		assert.match(dump, /"virtualInbound-closed"/);
	});

	/** Requests and connections through both proxies while the mesh changes: none may be lost. `change` waits for 30 more of them. */
	const underLoad = async (change: (answered: () => Promise<void>) => Promise<void>): Promise<void> => {
		let running = true;
		let total = 0;
		const outcomes = new Map<string, number>();
		const count = (outcome: string) => {
			total++;
			outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
		};
		const answered = async (): Promise<void> => {
			for (const enough = total + 30; total < enough; ) await sleep(10);
		};
		const sender = async (port: number): Promise<void> => {
			while (running) {
				const sent = mesh.http(clusterIp, port, { host: "p" }, all.client.host);
				await sent.then(
					({ status }) => count(String(status)),
					(error: Error) => count(error.message),
				);
			}
		};
		const bytes = async (): Promise<void> => {
			while (running) count((await answerTo(fromClient(83), "\x00bytes")) === "p \x00bytes" ? "200" : "bytes lost");
		};
		const senders = [sender(80), sender(80), sender(81), bytes()];
		await change(answered);
		running = false;
		await Promise.all(senders);
		assert.deepEqual([...outcomes.keys()], ["200"], JSON.stringify([...outcomes]));
		assert.ok((outcomes.get("200") ?? 0) > 100, `${outcomes.get("200")} requests`);
	};

	it("switched between PERMISSIVE and STRICT under load loses no request of the mesh", async () => {
		await mesh.use(withMode("PERMISSIVE"));
		await underLoad(async (answered) => {
			for (const mode of ["STRICT", "PERMISSIVE", "STRICT", "PERMISSIVE", "STRICT"] as const) {
				await mesh.use(withMode(mode));
				await sleep(200);
				await answered();
			}
		});
	});

	it("loses no request when certificates are renewed, and shows the new ones", async () => {
		await mesh.use(withMode("STRICT"));
		const { chainPem, keyPem, rootPem } = all.authority.issue(clientId);
		const shown = async (): Promise<string> => {
			const options = { cert: chainPem, key: keyPem, ca: rootPem, checkServerIdentity: () => undefined };
			const socket = await mesh.connectTls(serverIp, podPorts.http, options, all.outside);
			const { serialNumber } = socket.getPeerCertificate();
			socket.destroy();
			return serialNumber;
		};
		const serials = new Set([await shown()]);
		await underLoad(async (answered) => {
			for (let renewal = 0; renewal < 4; renewal++) {
				mesh.firstProxy.certificate = all.authority.issue(serverId);
				all.client.certificate = all.authority.issue(clientId);
				await mesh.publish();
				await sleep(150);
				await answered();
				serials.add(await shown());
			}
		});
		assert.equal(serials.size, 5);
	});

	it("switched to STRICT ends connections in plaintext, and leaves those of the mesh alone", async () => {
		await mesh.use(withMode("PERMISSIVE"));
		const ofMesh = await Promise.all([fromClient(82), fromClient(83)]);
		const inPlaintext = await Promise.all(
			[podPorts.sniffedBytes, podPorts.bytes].map((port) => mesh.connect(serverIp, port, all.outside)),
		);
		const echo = async (socket: Socket) => {
			socket.on("error", () => {});
			socket.write("\x00bytes");
			return nextText(socket);
		};
		for (const socket of [...ofMesh, ...inPlaintext]) assert.equal(await echo(socket), "p \x00bytes");
		const ended = inPlaintext.map((socket) => once(socket, "close"));
		await mesh.use(withMode("STRICT"));
		await Promise.all(ended);
		// The drain time of one second is over.
		for (const socket of ofMesh) {
			assert.equal(await echo(socket), "p \x00bytes");
			socket.destroy();
		}
	});
});
