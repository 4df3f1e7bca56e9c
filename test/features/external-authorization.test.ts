// CUSTOM policies with real external authorisers behind a real Envoy: what they are asked, what their answers do, and what
// happens while they cannot be asked.

import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";
import type { CheckRequest } from "../../src/envoy/gen/envoy/service/auth/v3/external_auth_pb.ts";
import { cannotRun, type Host } from "../../src/node/namespace-rig.testing.ts";
import { grpcAuthorizer, type HttpQuestion, httpAuthorizer } from "./authorizers.ts";
import { bytesPort, callAs, guardedWorkload, httpPort, podIp, policy, sniffedPort } from "./guarded-workload.ts";
import { type HttpAsk, httpOver, MeshInAProcess } from "./mesh-in-a-process.ts";
import { askRaw, headOrigin } from "./raw-http.ts";
import { clientFirst, httpServer, nextText } from "./servers.ts";
import { testAuthority } from "./test-authority.ts";

const services = `
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: authorizers, namespace: default }
spec:
  hosts: [authorizers.example]
  location: MESH_EXTERNAL
  resolution: STATIC
  ports:
  - { number: 9000, name: http, protocol: HTTP }
  - { number: 9001, name: grpc, protocol: GRPC }
  - { number: 9002, name: http-nobody, protocol: HTTP }
  - { number: 9003, name: grpc-nobody, protocol: GRPC }
  endpoints: [{ address: 10.77.0.4 }]
`;

const provider = (name: string, kind: "Http" | "Grpc", port: number, more = "", timeout = "5s"): string =>
	`{ name: ${name}, envoyExtAuthz${kind}: { service: authorizers.example, port: ${port}, timeout: ${timeout}${more && `, ${more}`} } }`;

const httpFields = [
	'pathPrefix: /check, includeRequestHeadersInCheck: [x-want, "x-ctx-*"], includeAdditionalHeadersInCheck: { x-added: "100% of %REQ(:path)%" }',
	"headersToUpstreamOnAllow: [x-user], headersToDownstreamOnDeny: [x-why], headersToDownstreamOnAllow: [x-ok]",
	"includeRequestBodyInCheck: { maxRequestBytes: 8, allowPartialMessage: true }",
].join(", ");

const providers = [
	provider("http", "Http", 9000, httpFields),
	provider("grpc", "Grpc", 9001),
	provider("http-late", "Http", 9000, httpFields, "0.3s"),
	provider("grpc-late", "Grpc", 9001, "", "0.3s"),
	provider("http-gone", "Http", 9002, "includeRequestHeadersInCheck: [x-want]"),
	provider("http-gone-open", "Http", 9002, 'failOpen: true, statusOnError: "503"'),
	provider("http-503", "Http", 9002, 'statusOnError: "503"'),
	provider("grpc-gone", "Grpc", 9003),
	provider("grpc-gone-open", "Grpc", 9003, "failOpen: true"),
	provider("no-such-port", "Http", 9999, "failOpen: true"),
	"{ name: no-such-service, envoyExtAuthzHttp: { service: nowhere.example, port: 80, failOpen: true } }",
];

const asks = (name: string, rules = '[{ to: [{ operation: { paths: ["/guarded*"] } }] }]'): string =>
	policy(`ask-${name}`, `{ action: CUSTOM, provider: { name: ${name} }, rules: ${rules} }`);

describe("external authorisation", { skip: cannotRun }, () => {
	const authority = testAuthority();
	const http: HttpQuestion[] = [];
	const grpc: CheckRequest[] = [];
	let mesh: MeshInAProcess;
	let client: Host;

	const use = (policies: string) =>
		mesh.use(guardedWorkload(services + policies, `{ extensionProviders: [${providers.join(", ")}] }`));
	const ask = async (path: string, headers: HttpAsk["headers"] = {}) =>
		httpOver(await mesh.connect(podIp, httpPort, client), { path, headers });
	const talks = async (namespace: string): Promise<boolean> => {
		const uri = `spiffe://cluster.local/ns/${namespace}/sa/a`;
		const socket = await callAs(mesh, client, authority, { uri, port: bytesPort });
		socket.on("error", () => {});
		socket.write("hello");
		const answer = await nextText(socket);
		socket.destroy();
		return answer === "app hello";
	};

	before(async () => {
		const certificate = authority.issue("spiffe://cluster.local/ns/default/sa/p");
		mesh = await MeshInAProcess.start(guardedWorkload(services), { certificate });
		mesh.serve(httpServer("app"), mesh.proxyHost, httpPort);
		mesh.serve(clientFirst("app"), mesh.proxyHost, bytesPort);
		mesh.serve(headOrigin(), mesh.proxyHost, sniffedPort);
		client = mesh.addHost("client", "10.77.0.3");
		const authorizers = mesh.addHost("authorizers", "10.77.0.4");
		mesh.serve(httpAuthorizer(http), authorizers, 9000);
		mesh.serve(grpcAuthorizer(grpc), authorizers, 9001);
	});
	beforeEach(() => {
		http.length = 0;
		grpc.length = 0;
	});
	after(() => mesh?.close());

	describe("by HTTP", () => {
		before(() => use(asks("http")));

		it("asks with the method, the prefixed path and the headers that it is given, and no others", async () => {
			await ask("/guarded/x?y", { "x-ctx-a": "1", "x-other": "2", cookie: "c", authorization: "t" });
			const [{ method, path, headers } = assert.fail("not asked")] = http;
			assert.deepEqual([method, path, headers.host], ["GET", "/check/guarded/x?y", "host.example"]);
			assert.deepEqual([headers["x-ctx-a"], headers.authorization], ["1", "t"]);
			assert.equal(headers["x-added"], "100% of /guarded/x?y");
			assert.deepEqual([headers["x-other"], headers.cookie], [undefined, undefined]);
		});

		it("sends as much of the body as it may", async () => {
			const socket = await mesh.connect(podIp, httpPort, client);
			socket.write("POST /guarded HTTP/1.1\r\nhost: p\r\ncontent-length: 12\r\n\r\nabcdefghijkl");
			assert.match(await nextText(socket), /^HTTP\/1.1 200/);
			socket.destroy();
			assert.equal(http[0]?.body, "abcdefgh");
		});

		it("hands the named headers on when it allows", async () => {
			const { status, headers, body } = await ask("/guarded", { "x-user": "eve" });
			assert.deepEqual([status, headers["x-ok"], headers["x-hidden"]], [200, "fine", undefined]);
			const seen = JSON.parse(body).headers;
			assert.deepEqual([seen["x-user"], seen["x-hidden"]], ["ada", undefined]);
		});

		it("refuses with its status, its body and the named headers", async () => {
			const { status, headers, body } = await ask("/guarded", { "x-want": "deny" });
			assert.deepEqual([status, body, headers["x-why"], headers["x-hidden"]], [401, "go away", "not today", undefined]);
		});

		it("is not asked about anything else", async () => {
			assert.equal((await ask("/open", { "x-want": "deny" })).status, 200);
			assert.equal(http.length, 0);
		});

		it("refuses after the time-out", async () => {
			await use(asks("http-late"));
			const { status, tookMs } = await ask("/guarded", { "x-want": "hang" });
			assert.equal(status, 403);
			assert.ok(tookMs > 250 && tookMs < 4000, `${tookMs} ms`);
		});

		it("is not asked about connections without HTTP, which pass on ports that are said to have none", async () => {
			await use(asks("http", "[{}]"));
			assert.equal(await talks("evil"), true);
		});

		it("is not got round on a sniffed port by HTTP that looks like none", async () => {
			const status = async (start: string) => {
				const socket = await mesh.connect(podIp, sniffedPort, client);
				return (await askRaw(socket, `${start}GET /guarded HTTP/1.1\r\nhost: p\r\nx-want: deny\r\n\r\n`)).status;
			};
			const starts = ["", "\r\n", "\n", " "];
			assert.deepEqual(await Promise.all(starts.map(status)), [401, 0, 0, 0]);
			await use("");
			assert.deepEqual(await Promise.all(starts.slice(1).map(status)), [200, 200, 200]);
		});
	});

	describe("by gRPC", () => {
		before(() => use(asks("grpc")));

		it("asks with all headers and with who the client is", async () => {
			const uri = "spiffe://cluster.local/ns/good/sa/a";
			const socket = await callAs(mesh, client, authority, { uri });
			assert.equal((await httpOver(socket, { path: "/guarded/x", headers: { "x-any": "1" } })).status, 200);
			const { source, request } = grpc[0]?.attributes ?? assert.fail("not asked");
			assert.deepEqual(
				[source?.principal, request?.http?.path, request?.http?.headers["x-any"]],
				[uri, "/guarded/x", "1"],
			);
		});

		it("hands headers on when it allows, to the application and to the client", async () => {
			const { status, headers, body } = await ask("/guarded", { "x-user": "eve" });
			assert.deepEqual([status, headers["x-ok"], JSON.parse(body).headers["x-user"]], [200, "fine", "ada"]);
		});

		it("refuses with its status, body and headers", async () => {
			const { status, headers, body } = await ask("/guarded", { "x-want": "deny" });
			assert.deepEqual([status, body, headers["x-why"]], [401, "go away", "not today"]);
		});

		it("refuses after the time-out", async () => {
			await use(asks("grpc-late"));
			assert.equal((await ask("/guarded", { "x-want": "hang" })).status, 403);
		});

		it("is asked about connections without HTTP as well, by what the rules say of those", async () => {
			await use(asks("grpc", `[{ to: [{ operation: { ports: ["${bytesPort}"] } }] }]`));
			assert.deepEqual([await talks("good"), await talks("evil")], [true, false]);
			assert.equal(grpc.length, 2);
		});
	});

	describe("that nobody answers", () => {
		const outcomes = async (name: string) => {
			await use(asks(name));
			return [(await ask("/guarded")).status, (await ask("/open")).status];
		};

		it("refuses with 403, or with the status that it says", async () => {
			assert.deepEqual(await outcomes("http-gone"), [403, 200]);
			assert.deepEqual(await outcomes("grpc-gone"), [403, 200]);
			assert.deepEqual(await outcomes("http-503"), [503, 200]);
		});

		it("lets pass where it fails open", async () => {
			assert.deepEqual(await outcomes("http-gone-open"), [200, 200]);
			assert.deepEqual(await outcomes("grpc-gone-open"), [200, 200]);
		});

		it("closes or opens connections without HTTP in the same way", async () => {
			await use(asks("grpc-gone", "[{}]"));
			assert.equal(await talks("good"), false);
			await use(asks("grpc-gone-open", "[{}]"));
			assert.equal(await talks("evil"), true);
		});

		it("refuses what it was to be asked when it is no provider or has no service", async () => {
			for (const name of ["unknown", "no-such-service", "no-such-port"]) {
				assert.deepEqual(await outcomes(name), [403, 200], name);
				await use(asks(name, "[{}]"));
				assert.equal(await talks("good"), false, name);
			}
		});
	});

	describe("with other policies", () => {
		it("refuses what policies of several providers meet", async () => {
			await use(asks("http") + asks("grpc", '[{ to: [{ operation: { paths: ["/other"] } }] }]'));
			const paths = ["/guarded", "/other", "/open"];
			assert.deepEqual(await Promise.all(paths.map(async (path) => (await ask(path)).status)), [403, 403, 200]);
			assert.equal(http.length + grpc.length, 0);
		});

		it("comes before DENY and ALLOW, which still decide what it allows", async () => {
			const deny = policy("deny", '{ action: DENY, rules: [{ to: [{ operation: { paths: ["/guarded/no"] } }] }] }');
			const allow = policy("allow", '{ rules: [{ to: [{ operation: { paths: ["/guarded/yes", "/guarded/no"] } }] }] }');
			await use(asks("http") + deny + allow);
			assert.equal((await ask("/guarded/yes")).status, 200);
			assert.equal((await ask("/guarded/yes", { "x-want": "deny" })).status, 401);
			assert.equal((await ask("/guarded/no")).status, 403);
			assert.equal((await ask("/guarded/else")).status, 403);
			assert.equal(http.length, 4);
		});
	});
});
