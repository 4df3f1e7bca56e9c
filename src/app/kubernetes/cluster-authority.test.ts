// Replicas of a control plane over one API server in memory, each with its own directory, with the real authority and a clock that
// is moved by hand.

import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, describe, it } from "node:test";
import { JoinTokens } from "../../identity/authority/join-tokens.ts";
import { NodeRegistrations } from "../../identity/authority/node-registrations.ts";
import { FakeCluster } from "../../kubernetes/authority/replicas.testing.ts";
import { pods, secrets } from "../../kubernetes/client/api-resources.ts";
import { silentLog } from "../../runtime/log.ts";
import { createMetrics } from "../../runtime/metrics.ts";
import { emptySnapshot } from "../../snapshot/snapshot.ts";
import { type CertificateAuthority, openCertificateAuthority } from "../control/certificate-authority.ts";
import { RotationDriver } from "../control/rotation-driver.ts";
import { ClusterAuthority, clusterRotationPace } from "./cluster-authority.ts";

const namespace = "keepmesh-system";
const scratch = mkdtempSync(join(tmpdir(), "keepmesh-cluster-authority-"));
after(() => rmSync(scratch, { recursive: true }));
const open: Replica[] = [];
afterEach(async () => {
	for (const replica of open.splice(0)) await replica.close();
});

interface Replica {
	readonly name: string;
	readonly shared: ClusterAuthority;
	readonly certificates: CertificateAuthority;
	readonly driver: RotationDriver;
	readonly waits: (string | undefined)[];
	isLeader: boolean;
	proxies: string[];
	stubborn: string[];
	cut(isCut: boolean): void;
	writes(): Promise<string>;
	/** As kill -9 does it: nothing more is said. */
	kill(): void;
	close(): Promise<void>;
}

let count = 0;

async function start(
	cluster: FakeCluster,
	name: string,
	options: { readonly directory?: string; readonly isCut?: boolean; readonly isLeader?: boolean } = {},
): Promise<Replica> {
	const { api, clock } = cluster;
	const { client, cut } = cluster.client();
	cut(options.isCut ?? false);
	api.put(pods, { metadata: { namespace, name } });
	const directory = options.directory ?? join(scratch, `${name}-${++count}`);
	mkdirSync(directory, { recursive: true });
	const waits: (string | undefined)[] = [];
	const metrics = createMetrics();
	const parts = { client, clock, log: silentLog, metrics };
	const given = { trustDomain: "cluster.local" };
	const state = { isLeader: options.isLeader ?? false, proxies: [] as string[], stubborn: [] as string[] };
	const shared = new ClusterAuthority(
		{ namespace, replica: name, directory: join(directory, "ca"), authority: given },
		{ ...parts, isLeader: () => state.isLeader, onWaiting: (because) => waits.push(because) },
	);
	const ready = shared.ready();
	let isReady = false;
	ready.then(
		() => {
			isReady = true;
		},
		() => {
			isReady = true;
		},
	);
	const first: Pick<Replica, "waits" | "cut"> = { waits, cut };
	starting.set(name, first);
	await cluster.until(`${name} is ready`, () => isReady);
	await ready;
	const plugIn = shared.plugInDirectory === undefined ? {} : { plugInDirectory: shared.plugInDirectory };
	const certificates = openCertificateAuthority(
		{ ...given, ...plugIn, directory: shared.directory },
		{ ...parts, snapshot: () => emptySnapshot() },
	);
	const board = shared.join(certificates);
	const driver = new RotationDriver(
		{ replica: name, rotation: { settleMs: 1_000 }, ...clusterRotationPace },
		{
			authority: certificates.authority,
			store: board,
			clock,
			log: silentLog,
			connected: (version) => [
				...state.proxies.map((proxy) => ({ proxy, acknowledged: version })),
				...state.stubborn.map((proxy) => ({ proxy })),
			],
			expected: () => [...state.proxies, ...state.stubborn],
			onBundle: () => {},
		},
	);
	driver.start();
	let isOpen = true;
	const replica: Replica = Object.assign(state, {
		name,
		shared,
		certificates,
		driver,
		waits,
		cut,
		writes: async () => {
			const text = await metrics.render();
			return [...text.matchAll(/^keepmesh_authority_writes_total\{object="(\w+)"\} (\d+)/gm)]
				.map(([, object, number]) => `${object} ${number}`)
				.sort()
				.join(", ");
		},
		kill: () => {
			cut(true);
			isOpen = false;
			driver.close();
			certificates.close();
			void shared.close();
		},
		close: async () => {
			if (!isOpen) return;
			isOpen = false;
			driver.close();
			certificates.close();
			await Promise.all([shared.close(), cluster.pass(100)]);
		},
	});
	open.push(replica);
	await cluster.pass(200);
	return replica;
}

const starting = new Map<string, Pick<Replica, "waits" | "cut">>();
const rootsOf = ({ certificates }: Replica): readonly string[] =>
	certificates.authority.roots().map(({ fingerprint }) => fingerprint);
const stageOf = ({ driver }: Replica): string => {
	const state = driver.state();
	return state.phase === "running" ? state.stage : (state.last?.outcome ?? "idle");
};

describe("the authority of a control plane's replicas on Kubernetes", () => {
	it("is one, also where several start at once on an empty cluster", async () => {
		const cluster = new FakeCluster();
		const replicas = await Promise.all(["a", "b", "c"].map((name) => start(cluster, name)));
		const [first] = replicas.map(rootsOf);
		assert.equal(first?.length, 1);
		for (const replica of replicas) assert.deepEqual(rootsOf(replica), first);
		const { type } = cluster.api.get(secrets, namespace, "keepmesh-ca") as unknown as { type: string };
		assert.equal(type, "keepmesh.io/certificate-authority");
	});

	it("is waited for by a replica that has nothing, while the API server is away, and it says so", async () => {
		const cluster = new FakeCluster();
		const a = await start(cluster, "a");
		const starts = start(cluster, "late", { isCut: true });
		await cluster.pass(30_000, 1_000);
		const late = starting.get("late");
		assert.match(late?.waits.at(-1) ?? "", /ECONNREFUSED/);
		late?.cut(false);
		const replica = await starts;
		assert.equal(replica.waits.at(-1), undefined);
		assert.deepEqual(rootsOf(replica), rootsOf(a));
	});

	it("goes on from the disk where a replica starts anew without the API server, and catches up", async () => {
		const cluster = new FakeCluster();
		const directory = join(scratch, "kept");
		const a = await start(cluster, "a", { directory });
		const b = await start(cluster, "b", { isLeader: true });
		const before = rootsOf(a);
		a.kill();
		const again = await start(cluster, "a", { directory, isCut: true });
		assert.deepEqual(rootsOf(again), before);
		assert.ok((await b.driver.request("issuer")).ok);
		await cluster.pass(5_000);
		assert.equal(again.certificates.authority.issuers().length, 1);
		assert.match(
			again.driver.problem() ?? "",
			/Secret keepmesh-system\/keepmesh-ca cannot be followed: .*ECONNREFUSED/,
		);
		again.cut(false);
		await cluster.until("it has caught up", () => again.certificates.authority.issuers().length === 2);
		assert.equal(again.driver.problem(), undefined);
	});

	it("changes its root in stages, begun at any replica, with few writes", async () => {
		const cluster = new FakeCluster();
		const a = await start(cluster, "a", { isLeader: true });
		const b = await start(cluster, "b");
		a.proxies = ["one.default"];
		b.proxies = ["two.default"];
		await cluster.pass(60_000, 500);
		const idle = [await a.writes(), await b.writes()];
		assert.deepEqual(idle, ["heartbeat 1, secret 1", "heartbeat 1"]);
		const [old] = rootsOf(a);
		const asked = b.driver.request("root");
		await cluster.pass(500);
		assert.ok((await asked).ok);
		const seen = new Set<string>();
		const fromMs = cluster.clock.monotonicMs();
		await cluster.until("the rotation is done", () => {
			seen.add(`${stageOf(b)} ${rootsOf(b).length}`);
			return stageOf(a) === "done" && stageOf(b) === "done";
		});
		const tookMs = cluster.clock.monotonicMs() - fromMs;
		assert.ok(tookMs < 40_000, `${tookMs} ms`);
		assert.ok(seen.has("trust-both 2") && seen.has("sign-with-new 2") && seen.has("drop-old 1"), [...seen].join());
		assert.deepEqual(rootsOf(b), rootsOf(a));
		assert.ok(rootsOf(a).length === 1 && rootsOf(a)[0] !== old);
		for (const replica of [a, b]) {
			const [, beats = "0"] = /heartbeat (\d+)/.exec(await replica.writes()) ?? [];
			assert.ok(Number(beats) - 1 <= tookMs / 2_000 + 1, `${beats} heartbeats in ${tookMs} ms`);
		}
		const [, written = "0"] = /secret (\d+)/.exec(await a.writes()) ?? [];
		assert.ok(Number(written) <= tookMs / 2_000 + 2, `${written} writes of the Secret in ${tookMs} ms`);
	});

	it("has its rotation finished by the next leader when the one before dies amid it, and its Pod goes", async () => {
		const cluster = new FakeCluster();
		const a = await start(cluster, "a", { isLeader: true });
		const b = await start(cluster, "b");
		b.proxies = ["two.default"];
		b.stubborn = ["slow.default"];
		const asked = a.driver.request("root");
		await cluster.pass(500);
		assert.ok((await asked).ok);
		await cluster.until("it waits for the slow one", () => stageOf(b) === "trust-both");
		a.kill();
		b.isLeader = true;
		b.stubborn = [];
		await cluster.pass(60_000, 500);
		const state = b.driver.state();
		assert.deepEqual(state.phase === "running" && state.blockers, [{ type: "replicaSilent", replica: "a" }]);
		cluster.api.remove(pods, namespace, "a");
		await cluster.until("the rotation is done", () => stageOf(b) === "done");
		assert.equal(rootsOf(b).length, 1);
	});

	it("does nothing of a rotation that a leader has done without knowing that it no longer leads", async () => {
		const cluster = new FakeCluster();
		const a = await start(cluster, "a", { isLeader: true });
		const b = await start(cluster, "b");
		b.stubborn = ["slow.default"];
		const asked = a.driver.request("root");
		await cluster.pass(500);
		assert.ok((await asked).ok);
		await cluster.until("both trust both", () => stageOf(b) === "trust-both");
		a.cut(true);
		await cluster.pass(3_000);
		b.isLeader = true;
		const back = b.driver.abort();
		await cluster.pass(500);
		assert.ok((await back).ok);
		b.stubborn = [];
		await cluster.pass(60_000, 500);
		// It still believes that it leads, and that all is as it was: it signs with nothing that others do not trust.
		assert.equal(a.certificates.authority.bundle().issuerKeyId, b.certificates.authority.bundle().issuerKeyId);
		a.cut(false);
		await cluster.until("it is taken back everywhere", () => stageOf(a) === "aborted" && rootsOf(a).length === 1);
		assert.deepEqual(rootsOf(a), rootsOf(b));
	});

	it("says who would hold a rotation up, though nobody writes heartbeats", async () => {
		const cluster = new FakeCluster();
		const a = await start(cluster, "a", { isLeader: true });
		const b = await start(cluster, "b");
		await cluster.pass(60_000, 1_000);
		b.stubborn = ["slow.default"];
		await cluster.pass(6_000);
		const asked = a.driver.blockers();
		await cluster.pass(3_000);
		assert.deepEqual(await asked, [{ type: "proxyBehind", proxy: "slow.default", replica: "b" }]);
		b.kill();
		cluster.api.remove(pods, namespace, "b");
		const again = a.driver.blockers();
		await cluster.pass(5_000);
		assert.deepEqual(await again, []);
	});

	it("takes a join token once among all, and every replica knows the node", async () => {
		const cluster = new FakeCluster();
		const [a, b] = await Promise.all(["a", "b"].map((name) => start(cluster, name)));
		assert.ok(a && b);
		const { shared } = a;
		assert.ok(existsSync(shared.directory));
		const made = await inDirectory(a, (copy) =>
			new JoinTokens(copy).create({
				node: "vm-1",
				ttlMs: 60_000,
				rootHash: a.certificates.authority.rootHash,
				nowMs: cluster.clock.wallMs(),
			}),
		);
		await cluster.pass(500);
		const use = (replica: Replica, key: string): Promise<boolean> =>
			inDirectory(replica, (copy) => {
				const used = new JoinTokens(copy).redeem(made.text, Buffer.from(key), cluster.clock.wallMs());
				if (used.ok) new NodeRegistrations(copy).register(used.token, cluster.clock.wallMs());
				return used.ok;
			});
		const uses = await Promise.all([use(a, "one"), use(b, "two")]);
		assert.deepEqual(uses.sort(), [false, true]);
		await cluster.pass(500);
		for (const { certificates } of [a, b]) assert.equal(certificates.service.registrations.of("vm-1")?.node, "vm-1");
		a.certificates.service.registrations.vouchedBy((node) => node === "n1");
		assert.ok(a.certificates.service.registrations.of("n1"));
		await inDirectory(b, (copy) => new NodeRegistrations(copy).shutOut("n1", 0));
		await cluster.pass(500);
		assert.equal(a.certificates.service.registrations.of("n1"), undefined);
	});
});

async function inDirectory<Result>({ shared }: Replica, run: (copy: string) => Result): Promise<Result> {
	const done = await shared.transact(run);
	assert.ok(done.ok);
	return done.result;
}

describe("an authority that is plugged in on Kubernetes", () => {
	const files = ["ca-cert.pem", "ca-key.pem", "root-cert.pem", "cert-chain.pem"] as const;

	/** A self-made root, as an operator's. */
	function plugIn(cluster: FakeCluster): Readonly<Record<string, string>> {
		const directory = mkdtempSync(join(scratch, "operator-"));
		const opened = openCertificateAuthority(
			{ directory, trustDomain: "cluster.local" },
			{ clock: cluster.clock, log: silentLog, metrics: createMetrics(), snapshot: () => emptySnapshot() },
		);
		const [issuer] = opened.authority.issuers();
		const root = opened.authority.rootPem;
		opened.close();
		const key = readFileSync(join(directory, "keys", `${issuer?.keyId}.pem`), "utf8");
		return {
			"ca-cert.pem": issuer?.certificatePem ?? "",
			"ca-key.pem": key,
			"root-cert.pem": root,
			"cert-chain.pem": "",
		};
	}
	const put = (cluster: FakeCluster, content: Readonly<Record<string, string>>): void => {
		const data = Object.fromEntries(
			files.map((name) => [name, Buffer.from(content[name] ?? "").toString("base64")] as const),
		);
		cluster.api.put(secrets, { metadata: { namespace, name: "cacerts" }, data });
	};

	it("is the operator's at every replica, and changes as the Secret does", async () => {
		const cluster = new FakeCluster();
		const first = plugIn(cluster);
		put(cluster, first);
		const replicas = await Promise.all(["a", "b"].map((name) => start(cluster, name)));
		for (const { certificates } of replicas) {
			assert.equal(certificates.authority.source, "plug-in");
			assert.equal(certificates.authority.rootPem, first["root-cert.pem"]);
		}
		const second = plugIn(cluster);
		put(cluster, { ...second, "root-cert.pem": `${first["root-cert.pem"]}${second["root-cert.pem"]}` });
		await cluster.pass(1_500);
		for (const replica of replicas) {
			assert.equal(replica.certificates.authority.rootPem, second["root-cert.pem"]);
			assert.equal(rootsOf(replica).length, 2);
		}
		put(cluster, { ...second, "ca-key.pem": first["ca-key.pem"] ?? "" });
		await cluster.pass(1_500);
		assert.match(replicas[0]?.certificates.authority.problem ?? "", /is not the key of/);
		assert.equal(replicas[0]?.certificates.authority.rootPem, second["root-cert.pem"]);
	});

	it("stays when its Secret is removed, and no replica makes a root of its own instead", async () => {
		const cluster = new FakeCluster();
		put(cluster, plugIn(cluster));
		const a = await start(cluster, "a");
		cluster.api.remove(secrets, namespace, "cacerts");
		await cluster.pass(2_000);
		assert.equal(a.certificates.authority.problem, undefined);
		await assert.rejects(start(cluster, "b"), /Secret keepmesh-system\/cacerts is missing: put it back/);
	});
});
