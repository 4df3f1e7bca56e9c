// Policies, and requests made from their text, through a real Envoy with real certificates and tokens. What Envoy answers
// must be what the text says, as `decideAccess` reads it without knowing anything of Envoy.

import assert from "node:assert/strict";
import { generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { Agent, type IncomingMessage, request } from "node:http";
import type { Socket } from "node:net";
import { text as textOf } from "node:stream/consumers";
import { after, before, describe, it } from "node:test";
import type { AuthorizationPolicyView } from "../../src/model/security.ts";
import { cannotRun, type Host } from "../../src/node/namespace-rig.testing.ts";
import type { AccessRequest } from "../../src/policy/access-request.ts";
import { decideAccess } from "../../src/policy/decide-access.ts";
import { readResourceFile } from "../../src/resources/read-resources.ts";
import { MeshInAProcess } from "./mesh-in-a-process.ts";
import { policyMatrixCases } from "./policy-matrix-cases.ts";
import { iss, type MatrixPoint, pointsOf, sidesOf } from "./policy-matrix-samples.ts";
import { clientFirst, httpServer, nextText } from "./servers.ts";
import { type TestAuthority, testAuthority } from "./test-authority.ts";

const pod = "10.77.0.2";
const clientIp = "10.77.0.3";
const httpPorts = [8080, 8081];
const bytesPort = 7000;
const trustDomains = ["cluster.local", "old.example"];
const pointsPerCase = 120;

const workload = (jwks: string) => `
apiVersion: keepmesh.io/v1alpha1
kind: MeshConfig
metadata: { name: mesh, namespace: istio-system }
spec: { trustDomainAliases: [old.example] }
---
apiVersion: v1
kind: Service
metadata: { name: p, namespace: default }
spec:
  selector: { app: p }
  ports:
  - { name: http, port: 80, targetPort: 8080 }
  - { name: http-admin, port: 81, targetPort: 8081 }
  - { name: tcp, port: 82, targetPort: ${bytesPort} }
---
apiVersion: v1
kind: Pod
metadata: { name: p, namespace: default, labels: { app: p } }
spec: { serviceAccountName: p }
status: { podIP: ${pod}, phase: Running, conditions: [{ type: Ready, status: "True" }] }
---
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: { name: tokens, namespace: default }
spec:
  jwtRules:
  - { issuer: "${iss}", jwks: '${jwks}' }
`;

describe("a matrix of policies and requests", { skip: cannotRun }, () => {
	const authority = testAuthority();
	const tokens = generateKeyPairSync("rsa", { modulusLength: 2048 });
	const jwks = JSON.stringify({
		keys: [{ ...tokens.publicKey.export({ format: "jwk" }), kid: "k", alg: "RS256", use: "sig" }],
	});
	let mesh: MeshInAProcess;
	let clients: Clients;
	let tried = 0;

	before(async () => {
		const certificate = authority.issue("spiffe://cluster.local/ns/default/sa/p");
		mesh = await MeshInAProcess.start(workload(jwks), { certificate });
		for (const port of httpPorts) mesh.serve(httpServer("app"), mesh.proxyHost, port);
		mesh.serve(clientFirst("app"), mesh.proxyHost, bytesPort);
		clients = new Clients(mesh, mesh.addHost("client", clientIp), authority);
	});
	after(async () => {
		clients?.close();
		await mesh?.close();
	});

	for (const [index, { title, policies }] of policyMatrixCases.entries())
		it(title, async () => {
			const { objects, problems } = readResourceFile("policies.yaml", policies);
			assert.deepEqual(
				problems.filter(({ severity }) => severity === "error"),
				[],
			);
			const views = objects.flatMap((object) => (object.kind === "AuthorizationPolicy" ? [viewOf(object)] : []));
			assert.ok(views.length > 0);
			clients.close();
			await mesh.use(`${workload(jwks)}---\n${policies}`);
			const specs = objects.flatMap((object) => (object.kind === "AuthorizationPolicy" ? [object.spec] : []));
			const outcomes = { allowed: 0, denied: 0 };
			const wrong: string[] = [];
			const note = (what: unknown, expected: ReturnType<typeof decideAccess>, allowed: boolean): void => {
				tried++;
				outcomes[allowed ? "allowed" : "denied"]++;
				if ((expected.outcome === "allowed") !== allowed)
					wrong.push(
						`${JSON.stringify(what)}: text says ${expected.outcome} (${expected.because}), Envoy ${allowed ? "allowed" : "denied"} it`,
					);
			};
			const sides = sidesOf(specs, httpPorts);
			for (const point of pointsOf(sides, pointsPerCase, index + 1)) {
				const token = point.claims && tokenOf(point.claims, tokens.privateKey);
				const status = await clients.ask(point, token);
				assert.ok(status === 200 || status === 403, `${status} to ${JSON.stringify(point)}`);
				note(point, decideAccess(views, requestOf(point), trustDomains), status === 200);
			}
			for (const principal of sides.principals) {
				const expected = decideAccess(views, { ...callerOf(principal), destinationPort: bytesPort }, trustDomains);
				note({ principal, port: bytesPort }, expected, await clients.canTalk(principal, bytesPort));
			}
			assert.deepEqual(wrong, []);
			assert.ok(outcomes.allowed > 0 && outcomes.denied > 0, `a case that tells nothing: ${JSON.stringify(outcomes)}`);
		});

	it("was of at least 300 combinations", (context) => {
		context.diagnostic(`${tried} combinations`);
		assert.ok(tried >= 300, `${tried}`);
	});
});

function viewOf(object: {
	readonly metadata: { readonly namespace: string; readonly name: string };
	readonly spec: import("../../src/resources/kinds/security.ts").AuthorizationPolicySpec;
}): AuthorizationPolicyView {
	const { namespace, name } = object.metadata;
	const { action = "ALLOW", rules = [] } = object.spec;
	return { source: `AuthorizationPolicy/${namespace}/${name}`, namespace, name, action, dryRun: false, rules };
}

function requestOf(point: MatrixPoint): AccessRequest {
	const { method, path, host } = { method: point.methods, path: point.paths, host: point.hosts };
	return {
		...callerOf(point.principals),
		destinationPort: point.ports,
		http: {
			method,
			path: path.replace(/\?.*$/, ""),
			host,
			headers: point.headers,
			...(point.claims && { claims: point.claims }),
		},
	};
}

function callerOf(principal: string | undefined): Pick<AccessRequest, "principal" | "sourceIp" | "destinationIp"> {
	return { ...(principal !== undefined && { principal }), sourceIp: clientIp, destinationIp: pod };
}

function tokenOf(claims: Readonly<Record<string, unknown>>, key: KeyObject): string {
	const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
	const exp = Math.floor(Date.now() / 1000) + 600;
	const signed = `${part({ alg: "RS256", kid: "k" })}.${part({ exp, ...claims })}`;
	return `${signed}.${sign("sha256", Buffer.from(signed), key).toString("base64url")}`;
}

/** One connection for each principal and port, kept while a case runs. */
class Clients {
	readonly #mesh: MeshInAProcess;
	readonly #host: Host;
	readonly #authority: TestAuthority;
	readonly #certificates = new Map<string, ReturnType<TestAuthority["issue"]>>();
	readonly #agents = new Map<string, { readonly agent: Agent; readonly socket: Socket }>();

	constructor(mesh: MeshInAProcess, host: Host, authority: TestAuthority) {
		this.#mesh = mesh;
		this.#host = host;
		this.#authority = authority;
	}

	async ask(point: MatrixPoint, token: string | undefined): Promise<number> {
		const { principals: principal, ports: port } = point;
		const headers = { host: point.hosts, ...point.headers, ...(token && { authorization: `Bearer ${token}` }) };
		const agent = await this.#agentFor(principal, port);
		const incoming = await new Promise<IncomingMessage>((resolve, reject) => {
			const outgoing = request({ agent, method: point.methods, path: point.paths, headers }, resolve);
			outgoing.on("error", reject);
			outgoing.end();
		});
		await textOf(incoming);
		return incoming.statusCode ?? 0;
	}

	async canTalk(principal: string | undefined, port: number): Promise<boolean> {
		const socket = await this.#connect(principal, port, "istio");
		socket.on("error", () => {});
		socket.write("hello");
		const answer = await nextText(socket);
		socket.destroy();
		return answer === "app hello";
	}

	close(): void {
		for (const { agent, socket } of this.#agents.values()) {
			agent.destroy();
			socket.destroy();
		}
		this.#agents.clear();
	}

	async #agentFor(principal: string | undefined, port: number): Promise<Agent> {
		const key = `${principal} ${port}`;
		const known = this.#agents.get(key);
		if (known && !known.socket.destroyed) return known.agent;
		const socket = await this.#connect(principal, port, "istio-http/1.1");
		const agent = new Agent({ keepAlive: true, maxSockets: 1 });
		agent.createConnection = () => socket;
		this.#agents.set(key, { agent, socket });
		return agent;
	}

	async #connect(principal: string | undefined, port: number, protocol: string): Promise<Socket> {
		if (principal === undefined) return this.#mesh.connect(pod, port, this.#host);
		const own = this.#certificates.get(principal) ?? this.#authority.issue(`spiffe://${principal}`);
		this.#certificates.set(principal, own);
		const options = { cert: own.chainPem, key: own.keyPem, ca: own.rootPem, ALPNProtocols: [protocol] };
		return this.#mesh.connectTls(pod, port, { ...options, checkServerIdentity: () => undefined }, this.#host);
	}
}
