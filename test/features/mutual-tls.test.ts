// Mutual TLS of the mesh through real Envoys: what each mode of PeerAuthentication lets in, what every protocol meets on its
// way, and who is taken for whom.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { connect as connectHttp2 } from "node:http2";
import { join } from "node:path";
import { text as textOf } from "node:stream/consumers";
import { after, before, describe, it } from "node:test";
import type { ConnectionOptions } from "node:tls";
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
import { heardAtOnce, nextText } from "./servers.ts";

describe("mutual TLS", { skip: cannotRun }, () => {
	let all: MutualTlsMesh;
	let mesh: MeshInAProcess;
	before(async () => {
		all = await startMutualTlsMesh();
		mesh = all.mesh;
	});
	after(() => mesh?.close());

	const headersSeen = (body: string) => (JSON.parse(body) as { headers: Record<string, string> }).headers;
	/** TLS handshakes that the server's proxy has completed. */
	const handshakes = async (): Promise<number> => {
		const text = await mesh.admin("/stats?filter=listener.*15006.*ssl.handshake");
		return [...text.matchAll(/: (\d+)$/gm)].reduce((sum, [, count]) => sum + Number(count), 0);
	};
	const fromClient = (port: number) => mesh.connect(clusterIp, port, all.client.host);
	const plain = (port: number, bytes: string) => answerTo(mesh.connect(serverIp, port, all.outside), bytes);
	const tls = (port: number, options: ConnectionOptions, bytes = get) =>
		answerTo(mesh.connectTls(serverIp, port, { rejectUnauthorized: false, ...options }, all.outside), bytes);
	const meshTls = (uri: string, alpn = "istio-http/1.1") => {
		const { chainPem, keyPem, rootPem } = all.authority.issue(uri);
		const servername = "outbound_.80_._.p.default.svc.cluster.local";
		return { cert: chainPem, key: keyPem, ca: rootPem, ALPNProtocols: [alpn, "istio"], servername };
	};

	for (const mode of ["PERMISSIVE", "STRICT"] as const) {
		describe(`from sidecar to sidecar under ${mode}`, () => {
			before(() => mesh.use(withMode(mode)));

			/** On a new connection, so that there is one handshake more. */
			const byMutualTls = async (ask: () => Promise<void>): Promise<void> => {
				const before = await handshakes();
				await ask();
				assert.equal((await handshakes()) - before > 0, true, "no handshake at the server's proxy");
			};

			it("carries HTTP/1.1, and tells the application who calls", async () => {
				const { status, body } = await mesh.http(clusterIp, 80, { host: "p" }, all.client.host);
				assert.equal(status, 200);
				const certificate = headersSeen(body)["x-forwarded-client-cert"] ?? "";
				assert.match(certificate, new RegExp(`^By=${serverId};Hash=[0-9a-f]{64};Subject="";URI=${clientId}$`));
			});

			for (const [port, what] of [
				[90, "as gRPC uses it"],
				[84, "on a port that does not say so"],
			] as const) {
				it(`carries HTTP/2, ${what}`, async () => {
					const socket = await fromClient(port);
					const session = connectHttp2(`http://p:${port}`, { createConnection: () => socket });
					const stream = session.request({ ":path": "/greeter/hello" });
					let body = "";
					for await (const chunk of stream) body += chunk;
					session.destroy();
					assert.match(headersSeen(body)["x-forwarded-client-cert"] ?? "", new RegExp(`URI=${clientId}`));
				});
			}

			it("carries HTTP on a port that does not say so, as HTTP", async () => {
				const { body } = await mesh.http(clusterIp, 81, {}, all.client.host);
				assert.match(headersSeen(body)["x-forwarded-client-cert"] ?? "", new RegExp(`URI=${clientId}`));
			});

			it("carries a WebSocket", async () => {
				const socket = await fromClient(80);
				socket.write("GET / HTTP/1.1\r\nhost: p\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n");
				assert.match(await nextText(socket), /^HTTP\/1.1 101/);
				socket.write("over the socket");
				assert.equal(await nextText(socket), "over the socket");
				socket.destroy();
			});

			it("carries bytes, on a port that says so and on one that does not", () =>
				byMutualTls(async () => {
					for (const port of [82, 83]) assert.equal(await answerTo(fromClient(port), "\x00bytes"), "p \x00bytes");
				}));

			it("carries what a client sends to a pod of a headless service", () =>
				byMutualTls(async () => {
					const host = "headless:8080";
					const { body } = await mesh.http(serverIp, podPorts.http, { host }, all.client.host);
					assert.match(headersSeen(body)["x-forwarded-client-cert"] ?? "", new RegExp(`URI=${clientId}`));
					const bytes = mesh.connect(serverIp, podPorts.bytes, all.client.host);
					assert.equal(await answerTo(bytes, "\x00bytes"), "p \x00bytes");
				}));

			it("comes back to a workload that calls its own service", async () => {
				const { body } = await mesh.http(clusterIp, 80, { host: "p" });
				assert.match(headersSeen(body)["x-forwarded-client-cert"] ?? "", new RegExp(`URI=${serverId}`));
				assert.equal(await answerTo(mesh.connect(clusterIp, 83), "\x00bytes"), "p \x00bytes");
			});

			it("lets a server speak first, at once", () =>
				byMutualTls(async () => {
					assert.equal(await heardAtOnce(() => fromClient(3306), 150), "p");
				}));

			it("carries the application's own TLS inside", () =>
				byMutualTls(async () => {
					const options = { servername: "p.default.svc.cluster.local", rejectUnauthorized: false };
					const socket = await mesh.connectTls(clusterIp, 443, options, all.client.host);
					assert.match(socket.getPeerCertificate().subjectaltname ?? "", /p\.example/);
					assert.equal(await nextText(socket), "p");
					socket.destroy();
				}));
		});
	}

	describe("under STRICT", () => {
		before(() => mesh.use(withMode("STRICT")));

		it("lets no plaintext in, on any port, whatever it says of itself", async () => {
			const lies = `${get.trimEnd()}\r\nx-forwarded-proto: https\r\nx-forwarded-client-cert: URI=${clientId}\r\n\r\n`;
			for (const [name, port] of Object.entries(podPorts)) {
				assert.equal(await plain(port, get), "", name);
				assert.equal(await plain(port, lies), "", name);
				assert.equal(await plain(port, "\x00bytes"), "", name);
			}
		});

		it("lets no TLS in without a certificate of the mesh, whatever SNI and ALPN it shows", async () => {
			const { cert, key, ...rest } = meshTls(clientId);
			for (const [name, port] of Object.entries(podPorts)) {
				assert.equal(await tls(port, {}), "", name);
				for (const alpn of ["istio", "istio-http/1.1", "istio-peer-exchange", "h2"])
					assert.equal(await tls(port, { ...rest, ALPNProtocols: [alpn] }), "", `${name} ${alpn}`);
			}
		});

		it("lets the mesh's TLS in, with and without SNI and the mesh's ALPN, on any port", async () => {
			const { servername, ALPNProtocols, ...rest } = meshTls(clientId);
			assert.match(await tls(podPorts.http, { servername, ALPNProtocols, ...rest }), /^HTTP\/1.1 200/);
			assert.match(await tls(podPorts.http, rest), /^HTTP\/1.1 200/);
			assert.match(await tls(podPorts.unservedHttp, { servername, ALPNProtocols, ...rest }), /^HTTP\/1.1 200/);
			assert.match(await tls(podPorts.unservedHttp, rest), /^HTTP\/1.1 200/);
			assert.equal(await tls(podPorts.bytes, rest, "\x00b"), "p \x00b");
		});

		it("refuses openssl without a certificate, and answers it with one", async () => {
			const { chainPem, keyPem, rootPem } = all.authority.issue(clientId);
			const flags = Object.entries({ cert: chainPem, key: keyPem, CAfile: rootPem }).flatMap(([name, text]) => {
				const path = join(mesh.directory, name);
				writeFileSync(path, text);
				return [`-${name}`, path];
			});
			const sClient = async (port: number, ...more: readonly string[]): Promise<string> => {
				const place = ["-quiet", "-connect", `${serverIp}:${port}`];
				const command = ["timeout", "5", "openssl", "s_client", ...place, ...more];
				const child = spawn("nsenter", [`--net=${all.outside.netns}`, "--", ...command], {
					stdio: ["pipe", "pipe", "ignore"],
				});
				child.stdin.on("error", () => {});
				child.stdin.write(get);
				return textOf(child.stdout);
			};
			for (const port of [podPorts.http, podPorts.unservedHttp]) {
				for (const alpn of ["istio", "istio-http/1.1,istio", "http/1.1"]) {
					assert.doesNotMatch(await sClient(port, "-alpn", alpn), /HTTP/);
					assert.match(await sClient(port, "-alpn", alpn, ...flags), /^HTTP\/1.1 200/);
				}
			}
		});

		it("refuses a certificate of another trust domain, and takes it once that is an alias", async () => {
			const foreign = meshTls("spiffe://old.example/ns/default/sa/client");
			const lookalike = meshTls("spiffe://cluster.local.evil/ns/default/sa/client");
			assert.equal(await tls(podPorts.http, foreign), "");
			const alias = `
---
apiVersion: keepmesh.io/v1alpha1
kind: MeshConfig
metadata: { name: default, namespace: istio-system }
spec: { trustDomainAliases: [old.example] }
`;
			await mesh.use(withMode("STRICT", {}, alias));
			assert.match(await tls(podPorts.http, foreign), /^HTTP\/1.1 200/);
			assert.equal(await tls(podPorts.http, lookalike), "");
			await mesh.use(withMode("STRICT"));
			assert.equal(await tls(podPorts.http, foreign), "");
		});

		it("refuses TLS 1.1, and 1.2 as well where the mesh wants 1.3", async () => {
			const own = meshTls(clientId);
			const old = { minVersion: "TLSv1.1", maxVersion: "TLSv1.1", ciphers: "ALL@SECLEVEL=0" } as const;
			const usual = { maxVersion: "TLSv1.2" } as const;
			assert.equal(await tls(podPorts.http, { ...own, ...old }), "");
			assert.match(await tls(podPorts.http, { ...own, ...usual }), /^HTTP\/1.1 200/);
			const newest = `
---
apiVersion: keepmesh.io/v1alpha1
kind: MeshConfig
metadata: { name: default, namespace: istio-system }
spec: { meshMTLS: { minProtocolVersion: TLSV1_3 } }
`;
			await mesh.use(withMode("STRICT", {}, newest));
			assert.equal(await tls(podPorts.http, { ...own, ...usual }), "");
			assert.match(await tls(podPorts.http, own), /^HTTP\/1.1 200/);
		});
	});

	describe("under PERMISSIVE", () => {
		before(() => mesh.use(withMode("PERMISSIVE")));

		it("takes plaintext beside it, and the application's own TLS", async () => {
			for (const port of [podPorts.http, podPorts.sniffedHttp, podPorts.unservedHttp])
				assert.match(await plain(port, get), /^HTTP\/1.1 200/);
			for (const port of [podPorts.sniffedBytes, podPorts.bytes])
				assert.equal(await plain(port, "\x00bytes"), "p \x00bytes");
			assert.equal(await tls(podPorts.ownTls, { servername: "p.example" }), "p");
		});

		it("does not let a client without certificate pretend to have one", async () => {
			for (const port of [podPorts.http, podPorts.sniffedHttp, podPorts.unservedHttp]) {
				const headers = { "x-forwarded-client-cert": `By=${serverId};URI=spiffe://cluster.local/ns/evil/sa/evil` };
				const { body } = await mesh.http(serverIp, port, { headers }, all.outside);
				assert.equal(headersSeen(body)["x-forwarded-client-cert"], undefined, String(port));
			}
		});

		it("does not let an application pretend to be another through its own proxy", async () => {
			const headers = { "x-forwarded-client-cert": "URI=spiffe://cluster.local/ns/evil/sa/evil" };
			const { body } = await mesh.http(clusterIp, 80, { host: "p", headers }, all.client.host);
			assert.doesNotMatch(body, /evil/);
			assert.match(headersSeen(body)["x-forwarded-client-cert"] ?? "", new RegExp(`URI=${clientId}$`));
		});

		it("refuses the mesh's TLS without a certificate that it can trust", async () => {
			const { cert, key, ...rest } = meshTls(clientId);
			assert.equal(await tls(podPorts.http, rest), "");
			assert.equal(await tls(podPorts.http, meshTls("spiffe://old.example/ns/default/sa/client")), "");
		});
	});

	describe("under DISABLE", () => {
		before(() => mesh.use(withMode("DISABLE")));

		it("is not spoken, and a server may speak first to anybody", async () => {
			const before = await handshakes();
			assert.equal(await answerTo(fromClient(83), "\x00bytes"), "p \x00bytes");
			assert.equal((await handshakes()) - before, 0);
			for (const port of [podPorts.mysql, podPorts.unservedBytes]) {
				const socket = await mesh.connect(serverIp, port, all.outside);
				assert.equal(await nextText(socket), "p");
				socket.destroy();
			}
		});
	});

	describe("by port", () => {
		it("has open ports in a strict workload", async () => {
			await mesh.use(withMode("STRICT", { [podPorts.http]: "DISABLE", [podPorts.unservedHttp]: "PERMISSIVE" }));
			assert.match(await plain(podPorts.http, get), /^HTTP\/1.1 200/);
			assert.match(await plain(podPorts.unservedHttp, get), /^HTTP\/1.1 200/);
			for (const port of [podPorts.sniffedHttp, podPorts.bytes, podPorts.unservedBytes])
				assert.equal(await plain(port, get), "");
			for (const port of [80, 81])
				assert.equal((await mesh.http(clusterIp, port, { host: "p" }, all.client.host)).status, 200);
		});

		it("has strict ports in an open workload", async () => {
			await mesh.use(withMode("DISABLE", { [podPorts.http]: "STRICT", [podPorts.unservedHttp]: "STRICT" }));
			assert.equal(await plain(podPorts.http, get), "");
			assert.equal(await plain(podPorts.unservedHttp, get), "");
			assert.match(await plain(podPorts.sniffedHttp, get), /^HTTP\/1.1 200/);
			for (const port of [80, 81])
				assert.equal((await mesh.http(clusterIp, port, { host: "p" }, all.client.host)).status, 200);
		});
	});

	it("is spoken by gateways, to clients of the mesh and to workloads", async () => {
		const gatewayIp = "10.77.0.5";
		await mesh.addProxy("gw", gatewayIp, {
			type: "router",
			certificate: all.authority.issue("spiffe://cluster.local/ns/default/sa/gw"),
		});
		const gateway = `
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: gw, namespace: default }
spec:
  selector: { app: gw }
  servers:
  - port: { number: 15443, name: mesh, protocol: HTTPS }
    hosts: [p.example]
    tls: { mode: ISTIO_MUTUAL }
  - port: { number: 8080, name: http, protocol: HTTP }
    hosts: ["*"]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: gw, namespace: default }
spec:
  hosts: ["*"]
  gateways: [gw]
  http:
  - match: [{ uri: { prefix: /sniffed } }]
    route: [{ destination: { host: p.default.svc.cluster.local, port: { number: 81 } } }]
  - route: [{ destination: { host: p.default.svc.cluster.local, port: { number: 80 } } }]
`;
		await mesh.use(withMode("STRICT", {}, gateway));
		const byGateway = /URI=spiffe:\/\/cluster.local\/ns\/default\/sa\/gw/;
		for (const path of ["/", "/sniffed"]) {
			const { status, body } = await mesh.http(gatewayIp, 8080, { path }, all.outside);
			assert.equal(status, 200);
			assert.match(headersSeen(body)["x-forwarded-client-cert"] ?? "", byGateway);
		}
		const request = get.replace("host: p", "host: p.example");
		const through = (options: ConnectionOptions) => {
			const client = { rejectUnauthorized: false, ...options, servername: "p.example" };
			return answerTo(mesh.connectTls(gatewayIp, 15_443, client, all.outside), request);
		};
		assert.match(await through(meshTls(clientId, "http/1.1")), /^HTTP\/1.1 200/);
		assert.equal(await through(meshTls("spiffe://old.example/ns/default/sa/client", "http/1.1")), "");
		assert.equal(await through({}), "");
	});
});
