// The mesh's pathNormalization and DENY rules on paths at a real Envoy: no spelling of a closed path may reach an origin that
// reads it as that path. Under NONE each spelling passes as it came: that is what the operator then asks for.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { cannotRun, type Host } from "../../src/node/namespace-rig.testing.ts";
import { guardedWorkload, httpPort, podIp, policy } from "./guarded-workload.ts";
import { MeshInAProcess } from "./mesh-in-a-process.ts";
import { askRaw, askRawHttp2, headOrigin, pathSeen, type RawAnswer } from "./raw-http.ts";

const noAdmin = policy("no-admin", '{ action: DENY, rules: [{ to: [{ operation: { paths: ["/admin*"] } }] }] }');
const get = (path: string, more = "") => `GET ${path} HTTP/1.1\r\nhost: p\r\n${more}\r\n`;

/** All lead an origin of some sort to /admin. */
const spellings = [
	..."/admin /admin/ /admin/x /admin?x /admin;x=1 //admin ///admin /.//admin /./admin /x/../admin /x//../../admin".split(
		" ",
	),
	..."/%61dmin /ad%6Din /admi%6e /%2e/admin /%2e%2e/admin /x/%2e%2e/admin /x/.%2e/admin /x/%2E./admin".split(" "),
	..."/%2Fadmin /%2fadmin /x%2f..%2fadmin /x/%2e%2e%2fadmin /x/..%2Fadmin /%5cadmin /x/%5c../../admin".split(" "),
	..."\\admin /\\admin /x\\..\\admin /x/..\\admin /x/..;/admin /..;/admin /admin#x /x#/../admin".split(" "),
	..."http://p/admin http://p//admin http://p/x/../admin HTTP://P/admin http://q/%61dmin".split(" "),
	..."/%00/../admin /x/..%00/admin /%c0%ae%c0%ae/admin /x/%252e%252e/admin /%2561dmin".split(" "),
	..."/\xff/../admin /admin\xff /adm\xc0\xaein \t/admin /admin\t admin ?/admin".split(" "),
];

/** How an origin reads a path that resolves dots, decodes what needs no encoding, and does what its kind adds to that. */
function readByOrigin(path: string, kind: "BASE" | "MERGE_SLASHES" | "DECODE_AND_MERGE_SLASHES"): string {
	let text = path.replace(/[?#].*$/s, "").replace(/%([0-9a-f]{2})/gi, (whole, digits: string) => {
		const character = String.fromCharCode(Number.parseInt(digits, 16));
		const slash = character === "/" || character === "\\";
		return slash ? (kind === "DECODE_AND_MERGE_SLASHES" ? "/" : whole) : character;
	});
	text = text.replaceAll("\\", "/");
	if (kind !== "BASE") text = text.replace(/\/+/g, "/");
	const segments: string[] = [];
	for (const segment of text.split("/")) {
		const plain = segment.replace(/;.*$/, "");
		if (plain === "..") segments.pop();
		else if (plain !== ".") segments.push(segment);
	}
	return segments.join("/");
}

describe("access control of paths", { skip: cannotRun }, () => {
	let mesh: MeshInAProcess;
	let client: Host;

	before(async () => {
		mesh = await MeshInAProcess.start(guardedWorkload(""));
		mesh.serve(headOrigin(), mesh.proxyHost, httpPort);
		client = mesh.addHost("client", "10.77.0.3");
	});
	after(() => mesh?.close());

	const ask = async (request: string): Promise<RawAnswer> =>
		askRaw(await mesh.connect(podIp, httpPort, client), request);
	const askHttp2 = async (path: string, ...more: readonly (readonly [string, string])[]): Promise<RawAnswer> => {
		const headers = [
			[":method", "GET"],
			[":scheme", "http"],
			[":authority", "p"],
			[":path", path],
		] as const;
		return askRawHttp2(await mesh.connect(podIp, httpPort, client), [...headers, ...more]);
	};
	const statuses = (paths: readonly string[]): Promise<readonly number[]> =>
		Promise.all(paths.map(async (path) => (await ask(get(path))).status));

	for (const mode of ["BASE", "MERGE_SLASHES", "DECODE_AND_MERGE_SLASHES"] as const)
		it(`under ${mode} lets no spelling of /admin through to an origin that reads it so`, async () => {
			await mesh.use(guardedWorkload(noAdmin, `{ pathNormalization: { normalization: ${mode} } }`));
			const through: string[] = [];
			let refused = 0;
			for (const spelling of spellings) {
				const answer = await ask(get(spelling));
				if (answer.status !== 200) refused++;
				else if (readByOrigin(pathSeen(answer), mode).startsWith("/admin")) through.push(spelling);
			}
			assert.deepEqual(through, []);
			assert.ok(refused > spellings.length / 2, `${refused}`);
			assert.equal((await ask(get("/else/admin"))).status, 200);
		});

	it("takes each step of plainness as the mesh's setting says, and forwards the plain path", async () => {
		const paths = ["/x/../a", "//a", "/%2Fa", "/%61"];
		const seen: Record<string, readonly string[]> = {};
		for (const mode of ["NONE", "BASE", "MERGE_SLASHES", "DECODE_AND_MERGE_SLASHES"]) {
			await mesh.use(guardedWorkload("", `{ pathNormalization: { normalization: ${mode} } }`));
			seen[mode] = await Promise.all(paths.map(async (path) => pathSeen(await ask(get(path)))));
		}
		assert.deepEqual(seen, {
			NONE: ["/x/../a", "//a", "/%2Fa", "/%61"],
			BASE: ["/a", "//a", "/%2Fa", "/a"],
			MERGE_SLASHES: ["/a", "/a", "/%2Fa", "/a"],
			DECODE_AND_MERGE_SLASHES: ["/a", "/a", "/a", "/a"],
		});
	});

	it("refuses whatever is no path, a fragment or a second request in disguise", async () => {
		await mesh.use(guardedWorkload(noAdmin));
		const admin = get("/admin");
		const bad = [
			get("/ok#x"),
			get("/\xff"),
			get("/ok /admin"),
			"GET /ok HTTP/1.1\r\n\r\n",
			"CONNECT /admin HTTP/1.1\r\nhost: p\r\n\r\n",
			get("/ok", ":path: /admin\r\n"),
			get("/ok", ":authority: q\r\n"),
			get("/ok", " folded: x\r\n"),
			get("/ok", "x\0: y\r\n"),
			`${get("/ok", "content-length: 5\r\ntransfer-encoding: chunked\r\n")}0\r\n\r\n${admin}`,
			`${get("/ok", "transfer-encoding: chunked, identity\r\n")}0\r\n\r\n${admin}`,
			`${get("/ok", "transfer-encoding : chunked\r\n")}0\r\n\r\n${admin}`,
			`${get("/ok", "transfer-encoding: xchunked\r\ncontent-length: 3\r\n")}abc${admin}`,
			`${get("/ok", "content-length: 3\r\ncontent-length: 4\r\n")}abcd${admin}`,
			`${get("/ok", "content-length: +3\r\n")}abc${admin}`,
		];
		for (const request of bad) {
			const { status, body } = await ask(request);
			assert.ok(status >= 400 || status === 0, `${status} to ${JSON.stringify(request)}: ${body}`);
		}
	});

	it("is not told another path by headers", async () => {
		const more = "x-envoy-original-path: /ok\r\nx-original-url: /ok\r\nx-rewrite-url: /ok\r\n";
		assert.equal((await ask(get("/admin", more))).status, 403);
	});

	it("holds over HTTP/2 as well, whatever bytes come", async () => {
		await mesh.use(guardedWorkload(noAdmin));
		assert.equal((await askHttp2("/ok")).status, 200);
		const attacks = await Promise.all([
			...["/admin", "/%61dmin", "/admin\xff", "/\xff/../admin", "http://q/admin", "admin", "/ok\r\nx: y", ""].map(
				(path) => askHttp2(path),
			),
			askHttp2("/ok", [":path", "/admin"]),
			askHttp2("/ok", [":PATH", "/admin"]),
			askHttp2("/ok", ["transfer-encoding", "chunked"]),
			askHttp2("/ok", ["connection", "x"]),
			askHttp2("/ok", ["x-a", "b\r\nx-c: d"]),
		]);
		assert.deepEqual(
			attacks.filter(({ status }) => status === 200),
			[],
		);
	});

	it("closes by template what Envoy's own template takes for no path", async () => {
		const spec = '{ action: DENY, rules: [{ to: [{ operation: { paths: ["/admin/{*}/x", "/all/{**}"] } }] }] }';
		await mesh.use(guardedWorkload(policy("t", spec), "{ pathNormalization: { normalization: NONE } }"));
		const closed = ["/admin/a/x", "/admin/a|b/x", '/admin/"/x', "/admin/[a]/x", "/admin/%00/x", "/all/", "/all/a|b/c"];
		assert.deepEqual(
			await statuses(closed),
			closed.map(() => 403),
		);
		assert.deepEqual(await statuses(["/admin/a/b/x", "/admin/x", "/all"]), [200, 200, 200]);
		const answer = await askHttp2("/admin/\xff/x");
		assert.deepEqual([answer.status, answer.body], [400, "RBAC: access denied"]);
	});

	it("closes a path in each way that a request may spell it", async () => {
		const paths = ["/v1/thing:delete", "/users('1')*", "*.(x)", "/caf%C3%A9", "/bar|pipe", "/%61b+c", "/t:t/{*}/x@y"];
		const spec = `{ action: DENY, rules: [{ to: [{ operation: { paths: ${JSON.stringify(paths)} } }] }] }`;
		await mesh.use(guardedWorkload(policy("t", spec)));
		const closed = [
			..."/v1/thing:delete /v1/thing%3Adelete /v1/thing%3adelete /v1/th%69ng%3adelete /users('1')/x /users%28'1')".split(
				" ",
			),
			..."/users%28%271%27%29?x /a.(x) /a.%28x) /a.%28x%29 /caf%C3%A9 /caf%c3%a9 /caf%c3%A9 /bar|pipe /bar%7Cpipe".split(
				" ",
			),
			..."/bar%7cpipe /ab+c /%61b+c /ab%2Bc /ab%2bc /t:t/a/x@y /t%3At/a/x%40y".split(" "),
		];
		const statusOf = await statuses(closed);
		assert.deepEqual(
			closed.filter((_, index) => statusOf[index] !== 403),
			[],
		);
		const open = [
			"/v1/thing",
			"/v1/thing;delete",
			"/users",
			"/a.(y)",
			"/caf%C3%AA",
			"/bar",
			"/abc",
			"/t:/x@y",
			"/t:a/xy",
		];
		assert.deepEqual(
			await statuses(open),
			open.map(() => 200),
		);
	});
});
