// AuthorizationPolicies of a gateway at a real Envoy: who may come in from outside, by address, host, path, TLS name and
// client certificate, and by an external authoriser.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { cannotRun, type Host } from "../../src/node/namespace-rig.testing.ts";
import { type HttpQuestion, httpAuthorizer } from "./authorizers.ts";
import { policy } from "./guarded-workload.ts";
import { httpOver, MeshInAProcess } from "./mesh-in-a-process.ts";
import { type KeyPair, selfSigned } from "./self-signed.ts";
import { httpServer, nextText, serverFirst, tlsServer } from "./servers.ts";

const gatewayIp = "10.77.0.2";
const edge = selfSigned("*.example.com");
const person = selfSigned("person");
const inner = selfSigned("through.example");
const base64 = (text: string): string => Buffer.from(text).toString("base64");

const resources = (policies: string): string => `
apiVersion: keepmesh.io/v1alpha1
kind: MeshConfig
metadata: { name: mesh, namespace: istio-system }
spec:
  extensionProviders:
  - { name: asked, envoyExtAuthzHttp: { service: authorizer.default.svc.cluster.local, port: 9000, includeRequestHeadersInCheck: [x-want] } }
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: edge, namespace: default }
spec:
  selector: { app: p }
  servers:
  - { port: { number: 8080, name: http, protocol: HTTP }, hosts: [a.example.com, b.example.com] }
  - { port: { number: 8443, name: https, protocol: HTTPS }, hosts: [a.example.com], tls: { mode: OPTIONAL_MUTUAL, credentialName: edge } }
  - { port: { number: 8443, name: through, protocol: TLS }, hosts: [through.example], tls: { mode: PASSTHROUGH } }
  - { port: { number: 3306, name: mysql, protocol: TCP }, hosts: ["*"] }
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: web, namespace: default }
spec:
  hosts: ["*"]
  gateways: [edge]
  http: [{ route: [{ destination: { host: web, port: { number: 80 } } }] }]
  tls: [{ match: [{ port: 8443, sniHosts: [through.example] }], route: [{ destination: { host: web, port: { number: 443 } } }] }]
  tcp: [{ match: [{ port: 3306 }], route: [{ destination: { host: web, port: { number: 3306 } } }] }]
---
apiVersion: v1
kind: Service
metadata: { name: web, namespace: default }
spec:
  selector: { app: web }
  ports:
  - { name: http, port: 80, targetPort: 8080 }
  - { name: tls, port: 443, targetPort: 8443 }
  - { name: mysql, port: 3306 }
---
apiVersion: v1
kind: Service
metadata: { name: authorizer, namespace: default }
spec:
  selector: { app: web }
  ports: [{ name: http, port: 9000 }]
---
apiVersion: v1
kind: Pod
metadata: { name: web, namespace: default, labels: { app: web } }
spec: { serviceAccountName: web }
status: { podIP: 10.77.0.3, phase: Running, conditions: [{ type: Ready, status: "True" }] }
---
apiVersion: v1
kind: Secret
metadata: { name: edge, namespace: default }
data: { tls.crt: ${base64(edge.certificate)}, tls.key: ${base64(edge.key)}, ca.crt: ${base64(person.certificate)} }
${policies}`;

describe("access control of a gateway", { skip: cannotRun }, () => {
	const asked: HttpQuestion[] = [];
	let mesh: MeshInAProcess;
	let client: Host;

	before(async () => {
		mesh = await MeshInAProcess.start(resources(""), { type: "router" });
		client = mesh.addHost("client", "10.77.0.9");
		const web = mesh.addHost("web", "10.77.0.3");
		mesh.serve(httpServer("web"), web, 8080);
		mesh.serve(tlsServer("web", inner), web, 8443);
		mesh.serve(serverFirst("web"), web, 3306);
		mesh.serve(httpAuthorizer(asked), web, 9000);
	});
	after(() => mesh?.close());

	const use = (spec: string) => mesh.use(resources(policy("p", spec)));
	const status = async (host: string, path = "/", headers = {}): Promise<number> =>
		(await mesh.http(gatewayIp, 8080, { host, path, headers }, client)).status;
	const tls = (servername: string, root: KeyPair, own?: KeyPair) =>
		mesh.connectTls(
			gatewayIp,
			8443,
			{ servername, ca: root.certificate, ...(own && { cert: own.certificate, key: own.key }) },
			client,
		);

	it("closes hosts and paths before routes are chosen", async () => {
		await use("{ action: DENY, rules: [{ to: [{ operation: { hosts: [b.example.com], notPaths: [/open] } }] }] }");
		assert.equal(await status("a.example.com"), 200);
		assert.deepEqual([await status("b.example.com"), await status("B.example.com:8080", "/x/../y")], [403, 403]);
		assert.equal(await status("b.example.com", "/open"), 200);
	});

	it("believes no address that a client outside claims", async () => {
		await use('{ rules: [{ from: [{ source: { remoteIpBlocks: ["9.9.9.9"] } }] }] }');
		assert.equal(await status("a.example.com", "/", { "x-forwarded-for": "9.9.9.9" }), 403);
		await use("{ rules: [{ from: [{ source: { remoteIpBlocks: [10.77.0.9] } }] }] }");
		assert.equal(await status("a.example.com", "/", { "x-forwarded-for": "9.9.9.9" }), 200);
	});

	it("knows who shows a client certificate, and that another does not", async () => {
		await use('{ rules: [{ from: [{ source: { principals: ["*"] } }] }] }');
		const asPerson = async (own?: KeyPair) =>
			(await httpOver(await tls("a.example.com", edge, own), { host: "a.example.com" })).status;
		assert.deepEqual([await asPerson(person), await asPerson()], [200, 403]);
		assert.equal(await status("a.example.com"), 403);
	});

	it("closes connections that it only passes on by their TLS name and port", async () => {
		const talk = async () => nextText(await tls("through.example", inner));
		await use('{ action: DENY, rules: [{ when: [{ key: connection.sni, values: ["other.example"] }] }] }');
		assert.equal(await talk(), "web");
		await use('{ action: DENY, rules: [{ when: [{ key: connection.sni, values: ["*.example"] }] }] }');
		await assert.rejects(talk);
		assert.equal(await status("a.example.com"), 200);
		await use('{ action: DENY, rules: [{ to: [{ operation: { ports: ["3306"] } }] }] }');
		const socket = await mesh.connect(gatewayIp, 3306, client);
		socket.on("error", () => {});
		socket.write("hello");
		await new Promise((resolve) => socket.once("close", resolve).resume());
	});

	it("asks an external authoriser", async () => {
		await use(
			'{ action: CUSTOM, provider: { name: asked }, rules: [{ to: [{ operation: { paths: ["/guarded*"] } }] }] }',
		);
		assert.deepEqual(
			[await status("a.example.com", "/guarded"), await status("a.example.com", "/guarded", { "x-want": "deny" })],
			[200, 401],
		);
		assert.equal(await status("a.example.com", "/open", { "x-want": "deny" }), 200);
		assert.equal(asked.length, 2);
	});
});
