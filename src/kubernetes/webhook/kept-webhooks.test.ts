import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import { defaultInjectConfig } from "../../inject/inject-config.ts";
import type { Log } from "../../runtime/log.ts";
import { silentLog } from "../../runtime/log.ts";
import { VirtualClock } from "../../runtime/virtual-clock.ts";
import { configMaps, secrets } from "../client/api-resources.ts";
import { FakeApi } from "../client/fake-api.testing.ts";
import type { ApiResource } from "../client/resource-path.ts";
import { KeptCaBundle } from "./kept-ca-bundle.ts";
import { keepInjectConfig } from "./kept-inject-config.ts";
import { KeptSecret } from "./kept-secret.ts";
import { caBundleOf, planWebhookSecret, type WebhookSecret } from "./webhook-authority.ts";

const namespace = "keepmesh-system";
const service = "keepmesh-control";
const mutating: ApiResource = {
	group: "admissionregistration.k8s.io",
	version: "v1",
	plural: "mutatingwebhookconfigurations",
	kind: "MutatingWebhookConfiguration",
	namespaced: false,
};
const dayMs = 86_400_000;

describe("webhooks of several replicas", () => {
	let api: FakeApi;
	let clock: VirtualClock;
	let leader: string;
	const open: { close(): void }[] = [];
	beforeEach(() => {
		api = new FakeApi();
		clock = new VirtualClock();
		leader = "a";
	});
	afterEach(() => {
		for (const one of open.splice(0)) one.close();
	});

	async function settle(ms = 0): Promise<void> {
		for (let turn = 0; turn < 20; turn++) await new Promise((done) => setImmediate(done));
		if (ms === 0) return;
		clock.advance(ms);
		await settle();
	}

	function replica(id: string) {
		const isLeader = (): boolean => leader === id;
		const bundle = new KeptCaBundle({ service, namespace }, { client: api, clock, log: silentLog, isLeader });
		let held: WebhookSecret | undefined;
		const onSecret = (secret: WebhookSecret): void => {
			held = secret;
			bundle.use(caBundleOf(secret));
		};
		const options = { namespace, name: "keepmesh-webhook", dnsNames: [`${service}.${namespace}.svc`] };
		const secret = new KeptSecret(options, { client: api, clock, log: silentLog, isLeader, onSecret });
		bundle.open();
		secret.open();
		open.push(secret, bundle);
		return { bundle, secret, held: () => held ?? assert.fail("it has none") };
	}

	const webhook = (name: string, called: object) => ({ name, clientConfig: called });
	const ours = { service: { name: service, namespace, path: "/inject" } };
	const theirs = { service: { name: "istiod", namespace: "istio-system" }, caBundle: "dGhlaXJz" };
	const put = (...webhooks: readonly object[]) =>
		api.put(mutating, {
			metadata: { name: "injector", labels: { "app.kubernetes.io/part-of": "keepmesh" } },
			webhooks,
		});
	const bundles = (): readonly (string | undefined)[] => {
		const webhooks = api.get(mutating, undefined, "injector")?.webhooks as { clientConfig: { caBundle?: string } }[];
		return webhooks.map(({ clientConfig }) => clientConfig.caBundle);
	};

	it("serve one certificate, whoever of them made it", async () => {
		const [a, b, c] = [replica("a"), replica("b"), replica("c")];
		await settle();
		const cert = a.secret.current.cert;
		assert.deepEqual([b.secret.current.cert, c.secret.current.cert], [cert, cert]);
		assert.equal(api.asked.filter((asked) => asked.startsWith("PUT")).length, 0);
	});

	it("have it made also while nobody leads", async () => {
		leader = "nobody";
		const b = replica("b");
		await settle();
		assert.ok(b.secret.hasCertificate);
	});

	it("have it renewed by the leader alone, and take what it wrote", async () => {
		const dnsNames = [`${service}.${namespace}.svc`];
		const { secret: old } = planWebhookSecret(undefined, { dnsNames, nowMs: clock.wallMs() - 46 * dayMs });
		const data = Object.entries(old).map(([field, text]) => [field, Buffer.from(text).toString("base64")]);
		api.put(secrets, { metadata: { name: "keepmesh-webhook", namespace }, data: Object.fromEntries(data) });
		leader = "nobody";
		const [a, b] = [replica("a"), replica("b")];
		await settle();
		const { cert } = a.secret.current;
		assert.equal(cert, old["tls.crt"]);
		const renewed: string[] = [];
		b.secret.onRenewed(({ cert: next }) => renewed.push(next));
		await settle(61_000);
		assert.equal(b.secret.current.cert, cert);
		leader = "b";
		b.secret.lookNow();
		await settle();
		assert.notEqual(a.secret.current.cert, cert);
		assert.deepEqual(renewed, [a.secret.current.cert]);
		assert.equal(api.asked.filter((asked) => asked.startsWith("PUT")).length, 1);
	});

	it("have it made again when somebody deleted it, and go on with the old one until then", async () => {
		const a = replica("a");
		await settle();
		const { cert } = a.secret.current;
		api.refusals.set("/api/v1/namespaces/keepmesh-system/secrets", 403);
		api.remove(secrets, namespace, "keepmesh-webhook");
		await settle();
		assert.equal(a.secret.current.cert, cert);
		api.refusals.clear();
		await settle(70_000);
		await settle(70_000);
		assert.notEqual(a.secret.current.cert, cert);
	});

	it("serve on while the API server cannot be asked", async () => {
		const a = replica("a");
		await settle();
		const { cert } = a.secret.current;
		api.isDown = true;
		api.breakWatches();
		await settle(600_000);
		assert.equal(a.secret.current.cert, cert);
	});

	it("are known to the API server by the leader's word, and others' webhooks are left alone", async () => {
		put(webhook("theirs", theirs), webhook("ours", ours), webhook("by-url", { url: "https://x", caBundle: "eA==" }));
		const a = replica("a");
		replica("b");
		await settle();
		assert.deepEqual(bundles(), ["dGhlaXJz", caBundleOf(a.held()), "eA=="]);
		assert.equal(api.asked.filter((asked) => asked.startsWith("PATCH")).length, 1);
	});

	it("are made known again when somebody wrote over it, or a new configuration comes", async () => {
		const a = replica("a");
		await settle();
		put(webhook("ours", ours));
		await settle();
		assert.deepEqual(bundles(), [caBundleOf(a.held())]);
		put(webhook("ours", { ...ours, caBundle: "eA==" }), webhook("more", ours));
		await settle();
		assert.deepEqual(bundles(), [caBundleOf(a.held()), caBundleOf(a.held())]);
		const writes = api.asked.filter((asked) => asked.startsWith("PATCH")).length;
		await settle(600_000);
		assert.equal(api.asked.filter((asked) => asked.startsWith("PATCH")).length, writes);
	});

	it("are made known by the next leader when the first could not", async () => {
		const [a, b] = [replica("a"), replica("b")];
		await settle();
		leader = "nobody";
		put(webhook("ours", ours));
		await settle();
		assert.deepEqual(bundles(), [undefined]);
		leader = "b";
		b.bundle.look();
		await settle();
		assert.deepEqual(bundles(), [caBundleOf(a.held())]);
	});
});

describe("the injection configuration in its ConfigMap", () => {
	const name = "keepmesh-injector";
	const base = { ...defaultInjectConfig, image: "base:1" };
	const settle = async (): Promise<void> => {
		for (let turn = 0; turn < 20; turn++) await new Promise((done) => setImmediate(done));
	};
	const put = (api: FakeApi, config: string) =>
		api.put(configMaps, { metadata: { name, namespace }, data: { config } });

	it("is in force as it is written; where it says nothing, the defaults are", async () => {
		const api = new FakeApi();
		const clock = new VirtualClock();
		const kept = await keepInjectConfig({ namespace, name, base }, { client: api, clock, log: silentLog });
		assert.equal(kept.current, base);
		put(api, "logLevel: debug");
		await settle();
		assert.deepEqual([kept.current.logLevel, kept.current.image], ["debug", "base:1"]);
		kept.close();
	});

	it("keeps the last good one when an edit breaks it, and when it is deleted", async () => {
		const api = new FakeApi();
		const clock = new VirtualClock();
		const errors: object[] = [];
		const log: Log = { ...silentLog, error: (facts) => errors.push(facts) };
		put(api, "logLevel: debug");
		const kept = await keepInjectConfig({ namespace, name, base }, { client: api, clock, log });
		for (const broken of ["logLevel: loud", "logLevel: [", "unknown: 1"]) {
			put(api, broken);
			await settle();
			assert.equal(kept.current.logLevel, "debug");
			assert.equal(kept.problems.length, 1);
		}
		assert.equal(errors.length, 3);
		put(api, "logLevel: info");
		await settle();
		assert.deepEqual([kept.current.logLevel, kept.problems], ["info", []]);
		api.remove(configMaps, namespace, name);
		await settle();
		assert.equal(kept.current.logLevel, "info");
		kept.close();
	});

	it("does not hold the control plane up when the API server does not answer", async () => {
		const api = new FakeApi();
		api.isDown = true;
		const clock = new VirtualClock();
		const opened = keepInjectConfig({ namespace, name, base }, { client: api, clock, log: silentLog, withinMs: 500 });
		clock.advance(600);
		const kept = await opened;
		assert.equal(kept.current, base);
		kept.close();
	});
});
