// A mesh for tests of mutual TLS: a server `p` and a client behind real Envoys with certificates of the test's own authority,
// and a host outside of the mesh. The server's application listens on ports of every sort of protocol.

import { createServer as createHttp2Server, type ServerHttp2Stream } from "node:http2";
import type { TLSSocket } from "node:tls";
import type { Host } from "../../src/node/namespace-rig.testing.ts";
import { MeshInAProcess } from "./mesh-in-a-process.ts";
import type { RunningProxy } from "./running-proxy.ts";
import { selfSigned } from "./self-signed.ts";
import { clientFirst, httpServer, nextText, serverFirst, tlsServer } from "./servers.ts";
import { type TestAuthority, testAuthority } from "./test-authority.ts";

export const serverIp = "10.77.0.2";
/** Of the service. */
export const clusterIp = "10.96.0.1";
export const get = "GET / HTTP/1.1\r\nhost: p\r\nconnection: close\r\n\r\n";
export const serverId = "spiffe://cluster.local/ns/default/sa/p";
export const clientId = "spiffe://cluster.local/ns/default/sa/client";

/** Ports of the server's pod. `unserved` ones are named by no service. */
export const podPorts = {
	http: 8080,
	http2: 8081,
	sniffedHttp: 8082,
	sniffedHttp2: 8083,
	sniffedBytes: 7000,
	bytes: 7001,
	mysql: 3306,
	ownTls: 8443,
	unservedHttp: 9998,
	unservedBytes: 9999,
} as const;

const services = `
apiVersion: v1
kind: Service
metadata: { name: p, namespace: default }
spec:
  clusterIP: ${clusterIp}
  selector: { app: p }
  ports:
  - { name: http, port: 80, targetPort: 8080 }
  - { name: grpc, port: 90, targetPort: 8081 }
  - { name: unnamed, port: 81, targetPort: 8082 }
  - { name: other, port: 82, targetPort: 7000 }
  - { name: tcp, port: 83, targetPort: 7001 }
  - { name: mysql, port: 3306 }
  - { name: tls, port: 443, targetPort: 8443 }
  - { name: unnamed2, port: 84, targetPort: 8083 }
---
apiVersion: v1
kind: Service
metadata: { name: headless, namespace: default }
spec:
  clusterIP: None
  selector: { app: p }
  ports:
  - { name: http, port: 8080 }
  - { name: tcp, port: 7001 }
`;

export function pod(name: string, ip: string): string {
	return `
---
apiVersion: v1
kind: Pod
metadata: { name: ${name}, namespace: default, labels: { app: ${name}, security.istio.io/tlsMode: istio } }
spec: { serviceAccountName: ${name} }
status: { podIP: ${ip}, phase: Running, conditions: [{ type: Ready, status: "True" }] }
`;
}

const base = services + pod("p", serverIp) + pod("client", "10.77.0.3");

export type Mode = "STRICT" | "PERMISSIVE" | "DISABLE";

/** The mesh's resources, with a PeerAuthentication for the server where a mode is given. */
export function withMode(mode?: Mode, ports: Readonly<Record<number, Mode>> = {}, more = ""): string {
	if (mode === undefined) return base + more;
	const byPort = Object.entries(ports).map(([port, own]) => `    ${port}: { mode: ${own} }\n`);
	return `${base}
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: p, namespace: default }
spec:
  selector: { matchLabels: { app: p } }
  mtls: { mode: ${mode} }
${byPort.length > 0 ? `  portLevelMtls:\n${byPort.join("")}` : ""}${more}`;
}

export interface MutualTlsMesh {
	readonly mesh: MeshInAProcess;
	readonly authority: TestAuthority;
	readonly client: RunningProxy;
	/** Without a proxy. */
	readonly outside: Host;
}

export async function startMutualTlsMesh(): Promise<MutualTlsMesh> {
	const authority = testAuthority();
	const mesh = await MeshInAProcess.start(withMode(), {
		certificate: authority.issue(serverId),
		interception: "TPROXY",
		drainSeconds: 1,
	});
	try {
		const client = await mesh.addProxy("client", "10.77.0.3", { certificate: authority.issue(clientId) });
		const outside = mesh.addHost("outside", "10.77.0.9");
		const at = mesh.proxyHost;
		for (const port of [podPorts.http, podPorts.sniffedHttp, podPorts.unservedHttp])
			mesh.serve(httpServer("p"), at, port);
		for (const port of [podPorts.http2, podPorts.sniffedHttp2]) mesh.serve(http2Server(), at, port);
		for (const port of [podPorts.sniffedBytes, podPorts.bytes]) mesh.serve(clientFirst("p"), at, port);
		for (const port of [podPorts.mysql, podPorts.unservedBytes]) mesh.serve(serverFirst("p"), at, port);
		mesh.serve(tlsServer("p", selfSigned("p.example")), at, podPorts.ownTls);
		return { mesh, authority, client, outside };
	} catch (error) {
		await mesh.close();
		throw error;
	}
}

function http2Server() {
	const server = createHttp2Server();
	server.on("stream", (stream: ServerHttp2Stream, headers) => {
		stream.respond({ ":status": 200 });
		stream.end(JSON.stringify({ headers }));
	});
	return server;
}

/** What comes back when these bytes are sent; "" when the connection is refused or ends without a word. */
export async function answerTo(connect: Promise<TLSSocket> | ReturnType<MeshInAProcess["connect"]>, bytes: string) {
	try {
		const socket = await connect;
		socket.on("error", () => {});
		socket.write(bytes);
		const text = await nextText(socket);
		socket.destroy();
		return text;
	} catch {
		return "";
	}
}
