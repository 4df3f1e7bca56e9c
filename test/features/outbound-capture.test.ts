// What an application's outbound connections meet, protocol by protocol, through the redirect and a real Envoy.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { cannotRun } from "../../src/node/namespace-rig.testing.ts";
import { MeshInAProcess } from "./mesh-in-a-process.ts";
import { selfSigned } from "./self-signed.ts";
import { clientFirst, heardAtOnce, httpServer, nextText, serverFirst, tlsServer } from "./servers.ts";

const v1 = "10.77.0.3";
const v2 = "10.77.0.4";
const outside = "10.77.0.9";

const services = `
apiVersion: v1
kind: Service
metadata: { name: web, namespace: default }
spec:
  clusterIP: 10.96.0.1
  selector: { app: web }
  ports:
  - { name: http, port: 80, targetPort: 8080 }
  - { name: unnamed, port: 81, targetPort: 8080 }
  - { name: other, port: 82, targetPort: 7000 }
  - { name: tls, port: 443, targetPort: 8443 }
  - { name: mysql, port: 3306, targetPort: 3306 }
  - { name: tcp, port: 7000, targetPort: 7000 }
---
apiVersion: v1
kind: Service
metadata: { name: same-port, namespace: default }
spec:
  clusterIP: 10.96.0.2
  selector: { app: web }
  ports: [{ name: http, port: 3306, targetPort: 8080 }]
---
apiVersion: v1
kind: Service
metadata: { name: headless, namespace: default }
spec:
  clusterIP: None
  selector: { app: web }
  ports: [{ name: tcp, port: 3307, targetPort: 3306 }]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: web, namespace: default }
spec:
  host: web
  subsets:
  - { name: v1, labels: { version: v1 } }
  - { name: v2, labels: { version: v2 } }
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: sni, namespace: default }
spec:
  hosts: [a.sni.example]
  addresses: [10.55.0.0/16]
  ports: [{ number: 9443, name: tls, protocol: TLS }]
  resolution: STATIC
  endpoints: [{ address: ${v2}, ports: { tls: 8443 } }]
`;

function pod(name: string, ip: string, version: string): string {
	return `
---
apiVersion: v1
kind: Pod
metadata: { name: ${name}, namespace: default, labels: { app: web, version: ${version} } }
spec: { serviceAccountName: web }
status: { podIP: ${ip}, phase: Running, conditions: [{ type: Ready, status: "True" }] }
`;
}

const base = services + pod("web-1", v1, "v1") + pod("web-2", v2, "v2");

const virtualService = (spec: string): string => `
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: web, namespace: default }
spec:
  hosts: [web]
${spec}`;

describe("outbound connections", { skip: cannotRun }, () => {
	let mesh: MeshInAProcess;

	before(async () => {
		mesh = await MeshInAProcess.start(base);
		const certificate = selfSigned("a.sni.example");
		for (const [name, ip] of [
			["v1", v1],
			["v2", v2],
			["outside", outside],
		] as const) {
			const host = mesh.addHost(name, ip);
			mesh.serve(httpServer(name), host, 8080);
			mesh.serve(serverFirst(name), host, 3306);
			mesh.serve(serverFirst(name), host, 3307);
			mesh.serve(clientFirst(name), host, 7000);
			mesh.serve(tlsServer(name, certificate), host, 8443);
			mesh.serve(tlsServer(name, certificate), host, 9443);
		}
	});
	after(() => mesh?.close());

	it("reach an HTTP service by its host, whatever address they were made to", async () => {
		const answer = await mesh.http("10.96.0.1", 80, { host: "web" });
		assert.equal(answer.status, 200);
		assert.match(answer.body, /"name":"v[12]"/);
		assert.equal((await mesh.http("10.123.0.1", 80, { host: "web.default.svc.cluster.local" })).status, 200);
	});

	it("are split by weight", async () => {
		const route =
			"{ destination: { host: web, subset: v1 }, weight: 80 }, { destination: { host: web, subset: v2 }, weight: 20 }";
		await mesh.use(base + virtualService(`  http: [{ route: [${route}] }]`));
		const count = { v1: 0, v2: 0 };
		for (let i = 0; i < 200; i++) {
			const { headers } = await mesh.http("10.96.0.1", 80, { host: "web" });
			count[headers["x-server"] as "v1" | "v2"]++;
		}
		// 160 of 200 expected; five standard deviations (5.7 each) around it.
		assert.ok(count.v1 > 131 && count.v1 < 189, JSON.stringify(count));
		await mesh.use(base);
	});

	it("of HTTP are found out on a port that does not say what it speaks", async () => {
		const rule =
			"  http: [{ fault: { abort: { httpStatus: 418, percentage: { value: 100 } } }, route: [{ destination: { host: web } }] }]";
		await mesh.use(base + virtualService(rule));
		assert.equal((await mesh.http("10.96.0.1", 81, { host: "anything" })).status, 418);
		await mesh.use(base);
		assert.equal((await mesh.http("10.96.0.1", 81, { host: "anything" })).status, 200);
	});

	it("of anything else on such a port go on as TCP", async () => {
		const socket = await mesh.connect("10.96.0.1", 82);
		socket.write("EHLO: not http");
		assert.match(await nextText(socket), /^v[12] EHLO: not http$/);
		socket.destroy();
	});

	it("hear a server that speaks first at once", async () => {
		assert.match(await heardAtOnce(() => mesh.connect("10.96.0.1", 3306), 90), /^v[12]$/);
	});

	it("of HTTP share a port number with another service's TCP", async () => {
		assert.equal((await mesh.http("10.96.0.2", 3306, { host: "same-port" })).status, 200);
	});

	it("to one pod of a headless TCP service reach that pod, and hear it first", async () => {
		for (const [name, ip] of [
			["v1", v1],
			["v2", v2],
		] as const) {
			const socket = await mesh.connect(ip, 3307);
			assert.equal(await nextText(socket), name);
			socket.destroy();
		}
		const figures = await mesh.admin("/stats?filter=3307.*headless.*upstream_cx_total");
		assert.match(figures, /upstream_cx_total: 2/);
	});

	it("of TLS pass through unopened", async () => {
		const socket = await mesh.connectTls("10.96.0.1", 443, { servername: "a.sni.example", rejectUnauthorized: false });
		assert.match(await nextText(socket), /^v[12]$/);
	});

	it("of TLS to an address range follow the ServiceEntry that owns it", async () => {
		const socket = await mesh.connectTls("10.55.3.4", 9443, { servername: "a.sni.example", rejectUnauthorized: false });
		assert.equal(await nextText(socket), "v2");
	});

	it("of TLS follow the SNI hosts of a VirtualService", async () => {
		const rule =
			"  tls: [{ match: [{ port: 443, sniHosts: [web] }], route: [{ destination: { host: web, subset: v2 } }] }]";
		await mesh.use(base + virtualService(rule));
		for (let i = 0; i < 5; i++) {
			const socket = await mesh.connectTls("10.96.0.1", 443, { servername: "web", rejectUnauthorized: false });
			assert.equal(await nextText(socket), "v2");
		}
		await mesh.use(base);
	});

	it("of TCP are split by a VirtualService", async () => {
		const rule = "  tcp: [{ match: [{ port: 3306 }], route: [{ destination: { host: web, subset: v2 } }] }]";
		await mesh.use(base + virtualService(rule));
		for (let i = 0; i < 5; i++) {
			const socket = await mesh.connect("10.96.0.1", 3306);
			assert.equal(await nextText(socket), "v2");
			socket.destroy();
		}
		await mesh.use(base);
	});

	it("may become a WebSocket", async () => {
		const socket = await mesh.connect("10.96.0.1", 80);
		socket.write("GET / HTTP/1.1\r\nhost: web\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n");
		assert.match(await nextText(socket), /^HTTP\/1.1 101/);
		socket.write("over the socket");
		assert.equal(await nextText(socket), "over the socket");
		socket.destroy();
	});

	it("to what the mesh does not know go where they were meant to", async () => {
		assert.match((await mesh.http(outside, 8080)).body, /"name":"outside"/);
		const socket = await mesh.connect(outside, 3306);
		socket.destroy();
	});

	it("to what the mesh does not know are closed where only the registry may be reached", async () => {
		const mode = `
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: { name: default, namespace: default }
spec: { outboundTrafficPolicy: { mode: REGISTRY_ONLY } }
`;
		await mesh.use(base + mode);
		const socket = await mesh.connect(outside, 7000);
		socket.write("hello");
		assert.equal(await nextText(socket), "");
		assert.equal((await mesh.http("10.96.0.1", 80, { host: "web" })).status, 200);
		await mesh.use(base);
	});
});
