import assert from "node:assert/strict";
import { Agent, request } from "node:https";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { connect, type TLSSocket } from "node:tls";
import { silentLog } from "../../runtime/log.ts";
import { allow } from "../admission/admission-review.ts";
import { planWebhookSecret, type WebhookSecret } from "./webhook-authority.ts";
import {
	type AnswerReview,
	type ServingCertificate,
	startWebhookServer,
	type WebhookServer,
} from "./webhook-server.ts";

const name = "keepmesh-control.keepmesh-system.svc";
const secretNow = (): WebhookSecret => planWebhookSecret(undefined, { dnsNames: [name], nowMs: Date.now() }).secret;
const servingOf = (secret: WebhookSecret): ServingCertificate => ({ cert: secret["tls.crt"], key: secret["tls.key"] });

const review = { apiVersion: "admission.k8s.io/v1", kind: "AdmissionReview" };
const podReview = {
	...review,
	request: { uid: "u1", kind: { group: "", version: "v1", kind: "Pod" }, operation: "CREATE" },
};

describe("the webhook server", () => {
	const first = secretNow();
	let serving = servingOf(first);
	let renew: (certificate: ServingCertificate) => void = () => {};
	let server: WebhookServer;
	let release: () => void = () => {};
	const answered: [string, number][] = [];

	const handlers = new Map<string, AnswerReview>([
		["/inject", ({ request }, path) => ({ ...allow(request), warnings: [path] })],
		["/slow", ({ request }) => new Promise((done) => (release = () => done(allow(request))))],
		["/broken", () => Promise.reject(new Error("boom"))],
	]);
	const start = (): Promise<WebhookServer> =>
		startWebhookServer(
			{
				listen: { host: "127.0.0.1", port: 0 },
				certificates: {
					get current() {
						return serving;
					},
					onRenewed: (use) => {
						renew = use;
						return () => {};
					},
				},
			},
			handlers,
			{ log: silentLog, onAnswered: (path, status) => answered.push([path, status]) },
		);
	before(async () => {
		server = await start();
	});
	after(() => server.close());

	const ask = (
		path: string,
		body: unknown,
		{ agent, ca = first["ca.crt"], method = "POST" }: { agent?: Agent; ca?: string; method?: string } = {},
	): Promise<{ status: number; text: string; connection: string | undefined }> =>
		new Promise((resolve, reject) => {
			const target = { host: "127.0.0.1", port: server.port, path, method, ca, servername: name };
			const asked = request({ ...target, agent: agent ?? false }, (response) => {
				let text = "";
				response.setEncoding("utf8").on("data", (chunk: string) => {
					text += chunk;
				});
				response.on("end", () =>
					resolve({ status: response.statusCode ?? 0, text, connection: response.headers.connection }),
				);
			});
			asked.on("error", reject);
			asked.end(typeof body === "string" ? body : JSON.stringify(body));
		});

	it("answers reviews, on the path and below it", async () => {
		for (const path of ["/inject", "/inject/canary", "/inject?timeout=10s"]) {
			const { status, text } = await ask(path, podReview);
			assert.equal(status, 200);
			const [at = ""] = path.split("?");
			assert.deepEqual(JSON.parse(text), { ...review, response: { uid: "u1", allowed: true, warnings: [at] } });
		}
		assert.deepEqual(answered.slice(0, 2), [
			["/inject", 200],
			["/inject", 200],
		]);
	});

	it("refuses what is no review, without failing", async () => {
		assert.equal((await ask("/nobody", podReview)).status, 404);
		assert.equal((await ask("/injected", podReview)).status, 404);
		assert.equal((await ask("/inject", "", { method: "GET" })).status, 405);
		assert.equal((await ask("/inject", "{")).status, 400);
		assert.equal((await ask("/inject", { ...podReview, apiVersion: "admission.k8s.io/v1beta1" })).status, 400);
		assert.equal((await ask("/inject", { ...review, request: {} })).status, 400);
		assert.equal((await ask("/inject", "x".repeat(9 * 1024 * 1024))).status, 413);
	});

	it("tells the API server nothing when its own code fails: then the failurePolicy counts", async () => {
		const { status, text } = await ask("/broken", podReview);
		assert.deepEqual([status, text], [500, "internal error\n"]);
	});

	it("serves a renewed certificate to new connections, and keeps those that are open", async () => {
		const agent = new Agent({ keepAlive: true, maxSockets: 1 });
		await ask("/inject", podReview, { agent });
		const next = secretNow();
		serving = servingOf(next);
		renew(serving);
		assert.equal((await ask("/inject", podReview, { ca: next["ca.crt"] })).status, 200);
		await assert.rejects(ask("/inject", podReview), /certificate|signature/);
		assert.equal((await ask("/inject", podReview, { agent })).status, 200);
		agent.destroy();
		renew({ cert: "no certificate", key: "" });
		assert.equal((await ask("/inject", podReview, { ca: next["ca.crt"] })).status, 200);
		serving = servingOf(first);
		renew(serving);
	});

	it("speaks no TLS below 1.2", async () => {
		const socket: TLSSocket = connect({
			host: "127.0.0.1",
			port: server.port,
			ca: first["ca.crt"],
			servername: name,
			maxVersion: "TLSv1.1",
			minVersion: "TLSv1",
		});
		await new Promise((failed) => socket.once("error", failed));
	});

	it("still answers for a while once it is to end, for callers that have not heard yet, and asks them to go", async () => {
		const closed = server.close(400);
		const { connection, status } = await ask("/inject", podReview);
		assert.deepEqual([status, connection], [200, "close"]);
		await closed;
		await assert.rejects(ask("/inject", podReview), /ECONNREFUSED/);
		server = await start();
	});

	it("ends when what it was asked has been answered", async () => {
		const asked = ask("/slow", podReview);
		await sleep(150);
		const closed = server.close();
		await sleep(50);
		release();
		const { connection, status } = await asked;
		assert.equal(status, 200);
		assert.notEqual(connection, "keep-alive");
		await closed;
		await assert.rejects(ask("/inject", podReview), /ECONNREFUSED/);
		server = await start();
	});
});
