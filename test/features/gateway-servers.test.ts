// What clients outside the mesh meet at a gateway: Gateway and VirtualService with their Secrets, through a real Envoy.

import assert from "node:assert/strict";
import { once } from "node:events";
import { connect as connectHttp2 } from "node:http2";
import { after, before, describe, it } from "node:test";
import type { TLSSocket } from "node:tls";
import { cannotRun, type Host } from "../../src/node/namespace-rig.testing.ts";
import { httpOver, MeshInAProcess } from "./mesh-in-a-process.ts";
import { type KeyPair, selfSigned } from "./self-signed.ts";
import { httpServer, nextText, serverFirst, tlsServer } from "./servers.ts";

const gatewayIp = "10.77.0.2";
const both = selfSigned("*.example.com");
const other = selfSigned("other.example");
const person = selfSigned("person");
const stranger = selfSigned("stranger");
const inner = selfSigned("through.example");

function secret(name: string, pair: KeyPair, ca?: string): string {
	const base64 = (text: string): string => Buffer.from(text).toString("base64");
	return `
---
apiVersion: v1
kind: Secret
metadata: { name: ${name}, namespace: default }
data:
  tls.crt: ${base64(pair.certificate)}
  tls.key: ${base64(pair.key)}
${ca === undefined ? "" : `  ca.crt: ${base64(ca)}`}
`;
}

const https = (name: string, host: string, credential: string, mode = "SIMPLE"): string => `
  - port: { number: 8443, name: ${name}, protocol: HTTPS }
    hosts: [${host}]
    tls: { mode: ${mode}, credentialName: ${credential} }`;

const virtualService = (name: string, host: string, more: string): string => `
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: ${name}, namespace: default }
spec:
  hosts: [${host}]
  gateways: [edge]
  ${more}
`;

const toWeb = "http: [{ route: [{ destination: { host: web, port: { number: 80 } } }] }]";
const resources = `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: edge, namespace: default }
spec:
  selector: { app: p }
  servers:
  - { port: { number: 8080, name: http, protocol: HTTP }, hosts: [a.example.com] }
  - { port: { number: 8081, name: http-up, protocol: HTTP }, hosts: [a.example.com], tls: { httpsRedirect: true } }
  - { port: { number: 3306, name: mysql, protocol: TCP }, hosts: ["*"] }
${https("https-a", "a.example.com", "both")}
${https("https-b", "b.example.com", "both")}
${https("https-other", "other.example", "other")}
${https("https-missing", "missing.example.com", "missing")}
${https("https-mutual", "mutual.example.com", "mutual", "MUTUAL")}
${https("https-optional", "optional.example.com", "mutual", "OPTIONAL_MUTUAL")}
  - port: { number: 8443, name: through, protocol: TLS }
    hosts: [through.example]
    tls: { mode: PASSTHROUGH }
---
apiVersion: v1
kind: Service
metadata: { name: web, namespace: default }
spec:
  clusterIP: 10.96.0.1
  selector: { app: web }
  ports:
  - { name: http, port: 80, targetPort: 8080 }
  - { name: tls, port: 443, targetPort: 8443 }
  - { name: mysql, port: 3306 }
---
apiVersion: v1
kind: Pod
metadata: { name: web, namespace: default, labels: { app: web } }
spec: { serviceAccountName: web }
status: { podIP: 10.77.0.3, phase: Running, conditions: [{ type: Ready, status: "True" }] }
${virtualService("a", "a.example.com", toWeb)}
${virtualService("b", "b.example.com", "http: [{ match: [{ uri: { prefix: /only } }], route: [{ destination: { host: web, port: { number: 80 } } }] }]")}
${["other.example", "missing.example.com", "mutual.example.com", "optional.example.com"].map((host, index) => virtualService(`v${index}`, host, toWeb)).join("")}
${virtualService("through", "through.example", "tls: [{ match: [{ port: 8443, sniHosts: [through.example] }], route: [{ destination: { host: web, port: { number: 443 } } }] }]")}
${virtualService("mysql", "'*'", "tcp: [{ match: [{ port: 3306 }], route: [{ destination: { host: web, port: { number: 3306 } } }] }]")}
${secret("both", both)}
${secret("other", other)}
${secret("mutual", both, person.certificate)}
`;

describe("a gateway", { skip: cannotRun }, () => {
	let mesh: MeshInAProcess;
	let client: Host;

	before(async () => {
		mesh = await MeshInAProcess.start(resources, { type: "router" });
		client = mesh.addHost("client", "10.77.0.9");
		const web = mesh.addHost("web", "10.77.0.3");
		mesh.serve(httpServer("web"), web, 8080);
		mesh.serve(tlsServer("web", inner), web, 8443);
		mesh.serve(serverFirst("web"), web, 3306);
	});
	after(() => mesh?.close());

	const tls = (servername: string, root: KeyPair, own?: KeyPair, alpn: readonly string[] = []): Promise<TLSSocket> =>
		mesh.connectTls(
			gatewayIp,
			8443,
			{
				servername,
				ca: root.certificate,
				ALPNProtocols: [...alpn],
				...(own && { cert: own.certificate, key: own.key }),
			},
			client,
		);

	it("serves HTTP for the hosts that it was given, and no others", async () => {
		const answer = await mesh.http(gatewayIp, 8080, { host: "a.example.com" }, client);
		assert.equal(answer.status, 200);
		assert.match(answer.body, /"x-forwarded-for":"10.77.0.9"/);
		assert.equal((await mesh.http(gatewayIp, 8080, { host: "b.example.com" }, client)).status, 404);
	});

	it("sends clients of plain HTTP to HTTPS (httpsRedirect)", async () => {
		const answer = await mesh.http(gatewayIp, 8081, { host: "a.example.com", path: "/x" }, client);
		assert.equal(answer.status, 301);
		assert.equal(answer.headers.location, "https://a.example.com/x");
	});

	it("terminates TLS of several hosts on one port, each with its certificate (credentialName)", async () => {
		const a = await tls("a.example.com", both);
		assert.equal((await httpOver(a, { host: "a.example.com" })).status, 200);
		const b = await tls("other.example", other);
		assert.equal((await httpOver(b, { host: "other.example" })).status, 200);
	});

	it("refuses only the host whose certificate is missing", async () => {
		await assert.rejects(tls("missing.example.com", both));
		assert.equal((await httpOver(await tls("a.example.com", both), { host: "a.example.com" })).status, 200);
	});

	it("speaks HTTP/2 to clients that can, and tells them when a request went to the wrong host's connection", async () => {
		const socket = await tls("a.example.com", both, undefined, ["h2"]);
		assert.equal(socket.alpnProtocol, "h2");
		const session = connectHttp2("https://a.example.com", { createConnection: () => socket });
		const status = async (authority: string, path = "/"): Promise<unknown> => {
			const stream = session.request({ ":authority": authority, ":path": path });
			const [headers] = await once(stream, "response");
			stream.close();
			return headers[":status"];
		};
		assert.equal(await status("a.example.com"), 200);
		assert.equal(await status("b.example.com"), 421);
		session.close();
		const b = await httpOver(await tls("b.example.com", both), { host: "b.example.com", path: "/nothing" });
		assert.equal(b.status, 404, "the right connection, but no such path");
	});

	it("demands a client certificate that it trusts (MUTUAL), and tells the application about it", async () => {
		const welcome = await httpOver(await tls("mutual.example.com", both, person), { host: "mutual.example.com" });
		assert.equal(welcome.status, 200);
		assert.match(welcome.body, /"x-forwarded-client-cert":"[^"]*Hash=/);
		for (const own of [undefined, stranger]) {
			// In TLS 1.3 the client learns only after its handshake that it was refused.
			const refused = tls("mutual.example.com", both, own).then((socket) => {
				socket.write("GET / HTTP/1.1\r\nhost: mutual.example.com\r\n\r\n");
				return nextText(socket);
			});
			assert.equal(await refused.catch(() => ""), "");
		}
	});

	it("asks for a client certificate without demanding one (OPTIONAL_MUTUAL)", async () => {
		const without = await httpOver(await tls("optional.example.com", both), { host: "optional.example.com" });
		assert.equal(without.status, 200);
		assert.doesNotMatch(without.body, /x-forwarded-client-cert/);
	});

	it("passes TLS through by SNI, unopened (PASSTHROUGH)", async () => {
		const socket = await tls("through.example", inner);
		assert.equal(await nextText(socket), "web");
	});

	it("forwards TCP, and the server may speak first", async () => {
		const socket = await mesh.connect(gatewayIp, 3306, client);
		assert.equal(await nextText(socket), "web");
		socket.destroy();
	});

	it("takes up a certificate that comes later, and a renewed one, without losing the others", async () => {
		const open = await tls("a.example.com", both, undefined, ["h2"]);
		await mesh.use(resources + secret("missing", both));
		const late = await tls("missing.example.com", both);
		assert.equal((await httpOver(late, { host: "missing.example.com" })).status, 200);
		const renewed = selfSigned("other.example");
		await mesh.use(resources.replace(secret("other", other), secret("other", renewed)));
		const answer = await httpOver(await tls("other.example", renewed), { host: "other.example" });
		assert.equal(answer.status, 200);
		assert.equal(open.destroyed, false);
		open.destroy();
	});
});
