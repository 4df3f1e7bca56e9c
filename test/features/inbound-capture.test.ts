// What connections to a workload meet before its application, with either way of redirecting, through a real Envoy.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { cannotRun, type Host } from "../../src/node/namespace-rig.testing.ts";
import { MeshInAProcess } from "./mesh-in-a-process.ts";
import { clientFirst, heardAtOnce, httpServer, nextText, serverFirst } from "./servers.ts";

const pod = "10.77.0.2";

const resources = `
apiVersion: v1
kind: Service
metadata: { name: p, namespace: default }
spec:
  clusterIP: 10.96.0.1
  selector: { app: p }
  ports:
  - { name: http, port: 80, targetPort: 8080 }
  - { name: unnamed, port: 81, targetPort: 8081 }
  - { name: other, port: 82, targetPort: 7000 }
  - { name: mysql, port: 3306 }
---
apiVersion: v1
kind: Pod
metadata: { name: p, namespace: default, labels: { app: p } }
spec: { serviceAccountName: p }
status: { podIP: ${pod}, phase: Running, conditions: [{ type: Ready, status: "True" }] }
`;

for (const interception of ["REDIRECT", "TPROXY"] as const) {
	describe(`inbound connections by ${interception}`, { skip: cannotRun }, () => {
		let mesh: MeshInAProcess;
		let client: Host;

		before(async () => {
			mesh = await MeshInAProcess.start(resources, { interception });
			client = mesh.addHost("client", "10.77.0.3");
			mesh.serve(httpServer("app"), mesh.proxyHost, 8080);
			mesh.serve(httpServer("app"), mesh.proxyHost, 8081);
			mesh.serve(clientFirst("app"), mesh.proxyHost, 7000);
			mesh.serve(serverFirst("app"), mesh.proxyHost, 3306);
			mesh.serve(serverFirst("app"), mesh.proxyHost, 9999);
		});
		after(() => mesh?.close());

		it("of HTTP come to the application as requests, from the proxy's own address", async () => {
			const answer = await mesh.http(pod, 8080, { path: "/a/../b" }, client);
			assert.equal(answer.status, 200);
			const seen = JSON.parse(answer.body) as { path: string; from: string };
			assert.equal(seen.path, "/b", "Envoy has made the path plain");
			assert.match(seen.from, /127\.0\.0\.6$/);
		});

		it("lose a client certificate header that nobody vouches for", async () => {
			const headers = { "x-forwarded-client-cert": "URI=spiffe://cluster.local/ns/evil/sa/evil" };
			const { body } = await mesh.http(pod, 8080, { headers }, client);
			assert.doesNotMatch(body, /evil/);
		});

		it("of HTTP are found out on a port that does not say", async () => {
			const answer = await mesh.http(pod, 8081, { path: "/a/../b" }, client);
			assert.equal((JSON.parse(answer.body) as { path: string }).path, "/b");
		});

		it("of anything else on such a port go on as TCP", async () => {
			const socket = await mesh.connect(pod, 7000, client);
			socket.write("\x00 not http");
			assert.equal(await nextText(socket), "app \x00 not http");
			socket.destroy();
		});

		for (const [port, what] of [
			[3306, "a declared port"],
			[9999, "a port that no service names"],
		] as const) {
			it(`hear a server that speaks first at once, on ${what}`, async () => {
				assert.equal(await heardAtOnce(() => mesh.connect(pod, port, client), 90), "app");
			});
		}

		it("may become a WebSocket", async () => {
			const socket = await mesh.connect(pod, 8080, client);
			socket.write("GET / HTTP/1.1\r\nhost: p\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n");
			assert.match(await nextText(socket), /^HTTP\/1.1 101/);
			socket.write("over the socket");
			assert.equal(await nextText(socket), "over the socket");
			socket.destroy();
		});

		it("find readiness and statistics on ports of their own", async () => {
			assert.equal((await mesh.http(pod, 15_021, { path: "/healthz/ready" }, client)).status, 200);
			assert.match((await mesh.http(pod, 15_090, { path: "/stats/prometheus" }, client)).body, /envoy_server_live/);
		});
	});
}
