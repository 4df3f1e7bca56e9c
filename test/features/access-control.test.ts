// AuthorizationPolicies at a real Envoy, attacked: hosts and bytes that get round rules, identities and addresses that look
// like others. Paths have their own test; the meaning of the fields is the policy matrix's subject.

import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { cannotRun, type Host } from "../../src/node/namespace-rig.testing.ts";
import { bytesPort, type Caller, callAs, guardedWorkload, httpPort, policy } from "./guarded-workload.ts";
import { MeshInAProcess } from "./mesh-in-a-process.ts";
import { askRaw, headOrigin, type RawAnswer } from "./raw-http.ts";
import { clientFirst, nextText } from "./servers.ts";
import { testAuthority } from "./test-authority.ts";

const noAdmin = policy("no-admin", '{ action: DENY, rules: [{ to: [{ operation: { paths: ["/admin*"] } }] }] }');
const get = (path: string, more = "") => `GET ${path} HTTP/1.1\r\nhost: p\r\n${more}\r\n`;

describe("access control", { skip: cannotRun }, () => {
	const authority = testAuthority();
	const logs = mkdtempSync(join(tmpdir(), "keepmesh-access-"));
	let mesh: MeshInAProcess;
	let client: Host;

	before(async () => {
		chmodSync(logs, 0o777);
		const certificate = authority.issue("spiffe://cluster.local/ns/default/sa/p");
		mesh = await MeshInAProcess.start(guardedWorkload(""), { certificate });
		mesh.serve(headOrigin(), mesh.proxyHost, httpPort);
		mesh.serve(clientFirst("app"), mesh.proxyHost, bytesPort);
		client = mesh.addHost("client", "10.77.0.3");
	});
	after(async () => {
		await mesh?.close();
		rmSync(logs, { recursive: true, force: true });
	});

	const ask = async (request: string, caller: Caller = {}): Promise<RawAnswer> =>
		askRaw(await callAs(mesh, client, authority, caller), request);
	const statuses = async (requests: readonly string[], caller: Caller = {}): Promise<readonly number[]> =>
		Promise.all(requests.map(async (request) => (await ask(request, caller)).status));
	const talks = async (caller: Caller): Promise<boolean> => {
		const socket = await callAs(mesh, client, authority, { port: bytesPort, ...caller });
		socket.on("error", () => {});
		socket.write("hello");
		const answer = await nextText(socket);
		socket.destroy();
		return answer === "app hello";
	};

	describe("of hosts and headers", () => {
		it("a DENY rule's host is closed in any case, with a port, with a final dot and among several", async () => {
			const spec = '{ action: DENY, rules: [{ to: [{ operation: { hosts: [a.example, "*.b.example"] } }] }] }';
			await mesh.use(guardedWorkload(policy("h", spec)));
			const to = (host: string) => `GET / HTTP/1.1\r\nhost: ${host}\r\n\r\n`;
			const closed = ["a.example", "A.Example", "a.example:80", "a.example.", "a.example.:8080", "x@a.example"];
			const more = ["q\r\nhost: a.example", "a.example\r\nhost: q", "x.b.example", "x.B.example:80"];
			assert.deepEqual(
				await statuses([...closed, ...more].map(to)),
				[...closed, ...more].map(() => 403),
			);
			assert.deepEqual(await statuses(["GET http://a.example/ HTTP/1.1\r\nhost: q\r\n\r\n"]), [403]);
			const open = ["a.example.org", "xa.example", "b.example"];
			assert.deepEqual(await statuses(open.map(to)), [200, 200, 200]);
		});

		it("an ALLOW rule's host means that host alone", async () => {
			const spec = "{ rules: [{ to: [{ operation: { hosts: [a.example] } }] }] }";
			await mesh.use(guardedWorkload(policy("h", spec)));
			const to = (host: string) => `GET / HTTP/1.1\r\nhost: ${host}\r\n\r\n`;
			const hosts = ["a.example", "A.EXAMPLE", "a.example:80", "q\r\nhost: a.example", "a.example.", "x@a.example"];
			assert.deepEqual(await statuses(hosts.map(to)), [200, 200, 403, 403, 403, 403]);
			await mesh.use(
				guardedWorkload(policy("h", '{ rules: [{ to: [{ operation: { hosts: ["*.b.example", "c.*"] } }] }] }')),
			);
			const open = ["x.b.example", "X.Y.B.EXAMPLE", "c.d", "c.d:80"];
			const lists = ["q\r\nhost: x.b.example", "q@x.b.example", "c.d\r\nhost: q", "c.d@q"];
			assert.deepEqual(await statuses([...open, ...lists].map(to)), [200, 200, 200, 200, 403, 403, 403, 403]);
		});

		it("bytes that are no UTF-8 open nothing", async () => {
			const when = (values: string) => `[{ when: [{ key: "request.headers[X-Role]", ${values} }] }]`;
			const roles = ["guest", "guest\xff", "\xff\xfe", "\xffguest", ""].map((role) => get("/", `x-role: ${role}\r\n`));
			const outcomes = async (spec: string) => {
				await mesh.use(guardedWorkload(policy("r", spec)));
				return statuses([...roles, get("/")]);
			};
			assert.deepEqual(
				await outcomes(`{ action: DENY, rules: ${when('values: ["*"]')} }`),
				[403, 403, 403, 403, 403, 200],
			);
			assert.deepEqual(
				await outcomes(`{ action: DENY, rules: ${when('values: ["guest*"]')} }`),
				[403, 403, 200, 200, 200, 200],
			);
			assert.deepEqual(
				await outcomes(`{ action: DENY, rules: ${when('values: ["*guest"]')} }`),
				[403, 200, 200, 403, 200, 200],
			);
			assert.deepEqual(await outcomes(`{ rules: ${when('notValues: ["*"]')} }`), [403, 403, 403, 403, 403, 200]);
		});
	});

	describe("of identities", () => {
		const good = "spiffe://cluster.local/ns/good/sa/a";
		const crafted = [
			"spiffe://cluster.local/ns/evil/sa/good",
			"spiffe://cluster.local/ns/evil/sa/a.ns.good.sa.a",
			"spiffe://good/ns/evil/sa/a",
			"spiffe://ns.good.sa/ns/evil/sa/a",
			"spiffe://cluster.local/ns/goodish/sa/a",
			"spiffe://cluster.local/ns/not-good/sa/a",
			"spiffe://cluster.local/ns/GOOD/sa/a",
			"spiffe://cluster.local/ns/evil/sa/a/ns/good/sa/a",
			"spiffe://cluster.local/x/ns/good/sa/a",
			"spiffe://cluster.local/ns/good/sa/a/b",
			"spiffe://cluster.local/ns/good/sa/",
			"spiffe://cluster.local/ns/good/sb/a",
			"https://cluster.local/ns/good/sa/a",
		];
		const allowed = async (source: string, uris: readonly (string | undefined)[]): Promise<readonly unknown[]> => {
			const rules = `{ rules: [{ from: [{ source: { ${source} } }] }] }`;
			await mesh.use(guardedWorkload(policy("who", rules), "{ trustDomainAliases: [good, ns.good.sa] }"));
			const outcomes = await Promise.all(
				uris.map(async (uri) => {
					const caller = uri === undefined ? {} : { uri };
					const answer = await ask(get("/"), caller).catch(refusedByTls);
					assert.equal(await talks(caller).catch(() => false), answer.status === 200, `HTTP and TCP differ for ${uri}`);
					return answer.status === 200 ? [uri ?? "nobody"] : [];
				}),
			);
			return outcomes.flat();
		};

		it("a namespace is granted to its own accounts, and to nothing that looks like it", async () => {
			assert.deepEqual(await allowed("namespaces: [good]", [good, ...crafted, undefined]), [good]);
			assert.deepEqual(await allowed('namespaces: ["goo*"]', [good, ...crafted, undefined]), [good, crafted[4]]);
		});

		it("a service account is that account of that namespace", async () => {
			assert.deepEqual(await allowed("serviceAccounts: [good/a]", [good, ...crafted, undefined]), [good]);
		});

		it("a trust domain is the whole of it", async () => {
			assert.deepEqual(await allowed('trustDomains: ["goo*"]', [good, ...crafted, undefined]), [crafted[2]]);
			const ours = [good, crafted[2], crafted[3]];
			assert.deepEqual(
				await allowed("trustDomains: [good]", [...ours, undefined]),
				ours,
				"aliases count as one another",
			);
		});

		it("every certificate is somebody, and plaintext is nobody", async () => {
			assert.deepEqual(await allowed('principals: ["*"]', [good, crafted[0], undefined]), [good, crafted[0]]);
			assert.deepEqual(await allowed('notPrincipals: ["*"]', [good, crafted[0], undefined]), ["nobody"]);
			assert.deepEqual(await allowed("notNamespaces: [good]", [good, crafted[0], undefined]), [crafted[0], "nobody"]);
		});
	});

	describe("of addresses", () => {
		const outcomes = async (source: string) => {
			await mesh.use(guardedWorkload(policy("where", `{ rules: [{ from: [{ source: { ${source} } }] }] }`)));
			const forwarded = (by: string) => get("/", `x-forwarded-for: ${by}\r\n`);
			return statuses([get("/"), forwarded("9.9.9.9"), forwarded("9.9.9.9, 10.77.0.3"), forwarded("1.1.1.1, 9.9.9.9")]);
		};

		it("the connection's own address is not what a header says", async () => {
			assert.deepEqual(await outcomes('ipBlocks: ["9.9.9.9"]'), [403, 403, 403, 403]);
			assert.deepEqual(await outcomes('ipBlocks: ["10.77.0.0/24"]'), [200, 200, 200, 200]);
		});

		it("a sidecar takes the last hop of X-Forwarded-For for the client", async () => {
			assert.deepEqual(await outcomes('remoteIpBlocks: ["9.9.9.9"]'), [403, 200, 403, 200]);
		});
	});

	describe("of connections without HTTP", () => {
		const bytes = `to: [{ operation: { ports: ["${bytesPort}"], methods: [GET] } }]`;

		it("a grant that speaks of HTTP is none", async () => {
			await mesh.use(guardedWorkload(policy("g", `{ rules: [{ ${bytes} }] }`)));
			assert.equal(await talks({}), false);
		});

		it("a refusal that speaks of HTTP refuses by the rest of it", async () => {
			await mesh.use(guardedWorkload(policy("d", `{ action: DENY, rules: [{ ${bytes} }] }`)));
			assert.equal(await talks({}), false);
			await mesh.use(
				guardedWorkload(policy("d", '{ action: DENY, rules: [{ to: [{ operation: { ports: ["8080"] } }] }] }')),
			);
			assert.equal(await talks({}), true);
		});
	});

	describe("of nobody and of everybody", () => {
		const outcomes = async (spec: string) => {
			await mesh.use(guardedWorkload(policy("p", spec)));
			return [(await ask(get("/"))).status, await talks({})];
		};

		it("ALLOW without rules closes the workload, one empty rule opens it", async () => {
			assert.deepEqual(await outcomes("{}"), [403, false]);
			assert.deepEqual(await outcomes("{ rules: [{}] }"), [200, true]);
		});

		it("DENY with one empty rule closes the workload", async () => {
			assert.deepEqual(await outcomes("{ action: DENY, rules: [{}] }"), [403, false]);
		});

		it("AUDIT decides nothing", async () => {
			assert.deepEqual(await outcomes("{ action: AUDIT, rules: [{}] }"), [200, true]);
		});
	});

	describe("that leaves a trace", () => {
		const format = [
			"%REQ(:PATH)%",
			"%RESPONSE_CODE_DETAILS%",
			"%DYNAMIC_METADATA(envoy.filters.http.rbac:istio_dry_run_deny_shadow_effective_policy_id)%",
			"%DYNAMIC_METADATA(envoy.filters.http.rbac:istio_dry_run_deny_shadow_engine_result)%",
			"%DYNAMIC_METADATA(envoy.filters.http.rbac:istio_dry_run_allow_shadow_engine_result)%",
		].join(" ");

		it("in the access log and in figures, for what was refused and for what a dry run would refuse", async () => {
			const file = join(logs, "access.log");
			const dry = '{ "istio.io/dry-run": "true" }';
			const policies = [
				noAdmin,
				policy("try-deny", '{ action: DENY, rules: [{ to: [{ operation: { paths: ["/tried*"] } }] }] }', dry),
				policy("try-allow", '{ rules: [{ to: [{ operation: { paths: ["/fine*"] } }] }] }', dry),
			];
			const config = `{ accessLogFile: ${file}, accessLogFormat: "${format}\\n" }`;
			await mesh.use(guardedWorkload(policies.join(""), config));
			assert.deepEqual(await statuses([get("/admin"), get("/tried"), get("/fine")]), [403, 200, 200]);
			// Envoy writes its log when it has 64 KiB of it, or after 10 s.
			const filling = get(`/fill/${"x".repeat(8000)}`);
			for (let count = 0; count < 10; count++) await ask(filling);
			assert.deepEqual((await loggedLines(file)).toSorted(), [
				"/admin rbac_access_denied_matched_policy[ns[default]-policy[no-admin]-rule[0]] - allowed -",
				"/fine via_upstream - allowed allowed",
				"/tried via_upstream ns[default]-policy[try-deny]-rule[0] denied denied",
			]);
			const stats = await mesh.admin("/stats?filter=rbac");
			const figure = (name: string) =>
				Number(new RegExp(`inbound_0.0.0.0_8080.*rbac\\.${name}: (\\d+)`).exec(stats)?.[1]);
			assert.ok(figure("denied") >= 1, stats);
			assert.ok(figure("istio_dry_run_deny_.shadow_denied") >= 1, stats);
			assert.ok(figure("istio_dry_run_allow_.shadow_denied") >= 1, stats);
		});
	});
});

async function loggedLines(file: string): Promise<readonly string[]> {
	for (let attempt = 0; ; attempt++) {
		const lines = readFileSync(file, "utf8").split("\n").filter(Boolean);
		if (lines.length > 0 || attempt === 300) return lines.filter((line) => !line.startsWith("/fill"));
		await sleep(10);
	}
}

/** Envoy ends the handshake of a certificate that is none of the mesh's. */
function refusedByTls(error: unknown): RawAnswer {
	assert.match(String(error), /certificate unknown|closed during the handshake|ECONNRESET/);
	return { status: 0, body: "" };
}
