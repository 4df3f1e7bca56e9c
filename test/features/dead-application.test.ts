// An application that is gone while its proxy lives: what callers get with the mesh's default retries, through real Envoys.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { after, before, describe, it } from "node:test";
import { cannotRun, type Host } from "../../src/node/namespace-rig.testing.ts";
import { MeshInAProcess } from "./mesh-in-a-process.ts";

const clusterIp = "10.96.0.1";
const livesAt = "10.77.0.3";
const diesAt = "10.77.0.4";

const pod = (name: string, ip: string): string => `---
apiVersion: v1
kind: Pod
metadata: { name: ${name}, namespace: default, labels: { app: web } }
spec: { serviceAccountName: ${name} }
status: { podIP: ${ip}, phase: Running, conditions: [{ type: Ready, status: "True" }] }
`;

const resources = `
apiVersion: v1
kind: Service
metadata: { name: web, namespace: default }
spec:
  clusterIP: ${clusterIp}
  selector: { app: web }
  ports: [{ name: http, port: 80, targetPort: 8080 }]
---
apiVersion: v1
kind: Pod
metadata: { name: p, namespace: default, labels: { app: p } }
spec: { serviceAccountName: p }
status: { podIP: 10.77.0.2, phase: Running, conditions: [{ type: Ready, status: "True" }] }
${pod("lives", livesAt)}${pod("dies", diesAt)}`;

const noRetries = `---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: web, namespace: default }
spec: { hosts: [web], http: [{ retries: { attempts: 0 }, route: [{ destination: { host: web } }] }] }
`;

/** Counts requests by path. At `/hang-up` a server that `hangsUp` ends the connection instead of answering. */
function application(hangsUp: boolean, seen: Map<string, number>): Server {
	return createServer((incoming, response) => {
		const { url = "" } = incoming;
		seen.set(url, (seen.get(url) ?? 0) + 1);
		if (hangsUp && url === "/hang-up") return void incoming.socket.destroy();
		response.statusCode = url === "/unavailable" ? 503 : 200;
		response.end("ok");
	});
}

describe("an application that is gone behind its proxy", { skip: cannotRun }, () => {
	let mesh: MeshInAProcess;
	let dies: Host;
	const seen = new Map<string, number>();

	before(async () => {
		mesh = await MeshInAProcess.start(resources);
		const lives = (await mesh.addProxy("lives", livesAt, { labels: { app: "web" } })).host;
		dies = (await mesh.addProxy("dies", diesAt, { labels: { app: "web" } })).host;
		mesh.serve(application(false, seen), lives, 8080);
	});

	after(() => mesh?.close());

	const answers = async (method: string, path: string, requests = 10): Promise<readonly number[]> => {
		const statuses: number[] = [];
		for (let i = 0; i < requests; i++) {
			const { status, headers } = await mesh.http(clusterIp, 80, { host: "web", method, path });
			assert.equal(headers["x-keepmesh-undelivered"], undefined);
			statuses.push(status);
		}
		return statuses;
	};
	const all = (status: number): readonly number[] => new Array(10).fill(status);

	it("loses no request, whatever its method: none of them was delivered", async () => {
		assert.deepEqual(await answers("GET", "/gone"), all(200));
		assert.deepEqual(await answers("POST", "/gone"), all(200));
		assert.equal(seen.get("/gone"), 20);
	});

	it("is told apart from one that answers 503", async () => {
		assert.deepEqual(await answers("GET", "/unavailable"), [503, 503, 503, 503, 503, 503, 503, 503, 503, 503]);
		assert.equal(seen.get("/unavailable"), 10);
	});

	it("is answered for with 503 when the caller wants no retries, and the reason stays in the mesh", async () => {
		await mesh.use(resources + noRetries);
		assert.deepEqual(new Set(await answers("GET", "/once", 40)), new Set([200, 503]));
		await mesh.use(resources);
	});

	it("that ends in the middle of a request has it asked again only where that changes nothing", async () => {
		const server = application(true, seen);
		mesh.serve(server, dies, 8080);
		await once(server, "listening");
		assert.deepEqual(await answers("GET", "/hang-up"), all(200));
		const lost = (await answers("POST", "/hang-up", 40)).filter((status) => status === 503);
		assert.ok(lost.length > 0, "a POST that was begun must not be sent again");
	});
});
