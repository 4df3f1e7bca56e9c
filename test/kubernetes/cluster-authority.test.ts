// Control planes that share their certificate authority through a real API server: two at once, a leader that is killed amid a
// rotation, and certificates while the API server is away.

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { MachineShape } from "../../cluster/plan/cluster-shape.ts";
import { planSetHere } from "../../cluster/plan-set.ts";
import { programDown, programUp } from "../../cluster/program-power.ts";
import { openAuthority } from "../../src/identity/authority/authority.ts";
import { AuthorityReplica } from "./authority-replica.ts";
import { noCluster, openCluster, type TestCluster, until } from "./test-cluster.ts";

interface CaCerts {
	readonly "ca-cert.pem": string;
	readonly "ca-key.pem": string;
	readonly "root-cert.pem": string;
}

/** A root of its own and an issuer under it, as an operator would make them. */
function operatorsAuthority(directory: string): CaCerts {
	const own = mkdtempSync(join(directory, "operator-"));
	const authority = openAuthority({ directory: own, trustDomain: "cluster.local", wallMs: () => Date.now() });
	const [issuer] = authority.issuers();
	const { rootPem } = authority;
	authority.close();
	return {
		"ca-cert.pem": issuer?.certificatePem ?? "",
		"ca-key.pem": readFileSync(join(own, "keys", `${issuer?.keyId}.pem`), "utf8"),
		"root-cert.pem": rootPem,
	};
}

const cacerts = (files: CaCerts): object => ({
	apiVersion: "v1",
	kind: "Secret",
	metadata: { name: "cacerts" },
	stringData: files,
});

describe("control planes that share their authority through the API server", {
	skip: noCluster,
	timeout: 600_000,
}, () => {
	const directory = mkdtempSync(join(tmpdir(), "keepmesh-authority-"));
	let replicas: readonly AuthorityReplica[] = [];
	let cluster: TestCluster;
	let machines: readonly MachineShape[] = [];

	before(async () => {
		cluster = await openCluster();
		machines = [cluster.shape.controlPlane, ...cluster.shape.nodes];
	});
	after(async () => {
		await Promise.all(replicas.map((replica) => replica.kill()));
		await cluster?.close();
		rmSync(directory, { recursive: true, force: true });
	});

	/** As a Pod that the cluster knows and no kubelet starts. */
	async function start(pod: string, machine: MachineShape | undefined): Promise<AuthorityReplica> {
		assert.ok(machine);
		const containers = [{ name: "control", image: "keepmesh.test/none:1" }];
		const spec = { nodeSelector: { "keepmesh.io/none": "none" }, terminationGracePeriodSeconds: 0, containers };
		await cluster.apply({ apiVersion: "v1", kind: "Pod", metadata: { name: pod }, spec });
		const replica = new AuthorityReplica(cluster, machine, pod, directory);
		replicas = [...replicas, replica];
		await replica.ready();
		return replica;
	}
	function both(): readonly [AuthorityReplica, AuthorityReplica] {
		const [one, two] = replicas;
		assert.ok(one && two);
		return [one, two];
	}
	const leads = async (replica: AuthorityReplica): Promise<boolean> => (await replica.metric("keepmesh_leader")) === 1;

	it("make one root, also when both start at once on an empty cluster", async () => {
		const [one, two] = await Promise.all([start("control-1", machines[0]), start("control-2", machines[1])]);
		const roots = await one.roots();
		assert.equal(roots.length, 1);
		assert.deepEqual(await two.roots(), roots);
		const type = await cluster.kubectl("get", "secret", "keepmesh-ca", "--output", "jsonpath={.type}");
		assert.equal(type, "keepmesh.io/certificate-authority");
		assert.equal((await one.writes("secret")) + (await two.writes("secret")), 1);
	});

	it("have a rotation finished by the next leader, when the one before is killed amid it", async (test) => {
		const [one, two] = both();
		await until("one leads", async () => (await leads(one)) !== (await leads(two)));
		const [leader, other] = (await leads(one)) ? [one, two] : [two, one];
		const [old] = await other.roots();
		const before = await other.writes("heartbeat");
		const startedMs = performance.now();
		await other.keepmesh("certs", "rotate-root", "--api", other.api);
		await until("both are trusted", async () => (await other.stage()) === "trust-both");
		await leader.kill();
		replicas = [other];
		await cluster.kubectl("delete", "pod", leader.pod, "--grace-period=0", "--force");
		await until("the rotation is done", async () => (await other.stage()) === "done", 180_000);
		const tookMs = performance.now() - startedMs;
		const roots = await other.roots();
		assert.ok(roots.length === 1 && roots[0] !== old);
		const beats = (await other.writes("heartbeat")) - before;
		const writes = await other.writes("secret");
		test.diagnostic(`${Math.round(tookMs)} ms with a leader that died; ${beats} heartbeats, ${writes} of the Secret`);
		assert.ok(beats <= tookMs / 2_000 + 1 && writes <= tookMs / 2_000 + 2, `${beats}, ${writes} in ${tookMs} ms`);
		const again = await start(`${leader.pod}b`, leader.machine);
		assert.deepEqual(await again.roots(), roots);
	});

	it("rotate with few writes while both live", async (test) => {
		const [one, two] = both();
		const count = async (): Promise<readonly [number, number]> => [
			(await one.writes("heartbeat")) + (await two.writes("heartbeat")),
			(await one.writes("secret")) + (await two.writes("secret")),
		];
		await sleep(4_000);
		const idle = await count();
		await sleep(10_000);
		assert.deepEqual(await count(), idle);
		const startedMs = performance.now();
		await one.keepmesh("certs", "rotate-issuer", "--wait", "--api", one.api);
		const tookMs = performance.now() - startedMs;
		const [beats, writes] = await count();
		test.diagnostic(
			`${Math.round(tookMs)} ms; ${beats - idle[0]} heartbeats of two, ${writes - idle[1]} writes of the Secret; idle 0 in 10 s`,
		);
		await until("both have it", async () => (await one.stage()) === "done" && (await two.stage()) === "done");
		assert.ok(beats - idle[0] <= 2 * (tookMs / 2_000 + 2), `${beats - idle[0]} heartbeats`);
		assert.ok(writes - idle[1] <= tookMs / 2_000 + 3, `${writes - idle[1]} writes`);
	});

	it("take a join token once among all, and issue certificates while the API server is away", async () => {
		const [one, two] = both();
		const create = async (node: string): Promise<string> =>
			(await one.keepmesh("token", "create", ...one.clusterFlags, "--node", node)).trim();
		const [token, late] = [await create("vm-1"), await create("vm-2")];
		const joined = await Promise.allSettled([one, two].map((replica) => replica.certify({ token })));
		const [own] = joined.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
		assert.deepEqual(joined.map(({ status }) => status).sort(), ["fulfilled", "rejected"]);
		assert.ok(own);
		assert.match(await one.keepmesh("token", "list", ...one.clusterFlags), /vm-1 +used/);
		const planned = planSetHere(cluster.record).clusters[0] ?? assert.fail();
		await programDown(cluster.record, planned, "kube-apiserver");
		try {
			await sleep(12_000);
			for (const replica of [one, two]) {
				assert.notEqual((await replica.certify({ own })).chain, own.chain);
				assert.ok(await replica.isReady());
			}
			await assert.rejects(one.certify({ token: late }), /the API server, which keeps the join tokens/);
		} finally {
			await programUp(cluster.record, planned, "kube-apiserver");
		}
		assert.ok(await one.certify({ token: late }));
		await one.keepmesh("token", "revoke", ...one.clusterFlags, "--node", "vm-1");
		for (const replica of [one, two])
			await until("the node is shut out", () =>
				replica.certify({ own }).then(
					() => false,
					(error: unknown) => /not registered/.test(String(error)),
				),
			);
		const undo = await one.keepmesh("token", "revoke", ...one.clusterFlags, "--node", "vm-1", "--undo");
		assert.match(undo, /let in again/);
	});

	it("get another edition of their root by the command that recovers an expired one", async () => {
		const [one, two] = both();
		const before = await one.certificates();
		await one.keepmesh("certs", "recover", "--force", ...one.clusterFlags);
		await until("both have it", async () => {
			const [[a], [b]] = [await one.roots(), await two.roots()];
			return a === b && before.authority.every(({ id }) => id !== a);
		});
		// The keys are the same.
		const issuer = ({ authority }: typeof before) => authority.find(({ kind }) => kind === "issuer")?.id;
		assert.equal(issuer(await two.certificates()), issuer(before));
	});

	it("are the operator's authority where there is a Secret cacerts, and change with it", async () => {
		await Promise.all(replicas.map((replica) => replica.kill()));
		replicas = [];
		const [first, second] = [operatorsAuthority(directory), operatorsAuthority(directory)];
		await cluster.kubectl("delete", "secret", "keepmesh-ca");
		await cluster.apply(cacerts(first));
		const [one, two] = await Promise.all([start("plugged-1", machines[0]), start("plugged-2", machines[1])]);
		const [root] = await one.roots();
		for (const replica of [one, two]) {
			const { authority, source } = await replica.certificates();
			assert.equal(source, "plug-in");
			assert.equal(authority.find(({ kind }) => kind === "root")?.id, root);
		}
		await cluster.apply(cacerts({ ...second, "root-cert.pem": first["root-cert.pem"] + second["root-cert.pem"] }));
		await until("both trust both", async () => (await one.roots()).length + (await two.roots()).length === 4);
		await cluster.kubectl("delete", "secret", "cacerts");
		await sleep(2_000);
		assert.equal((await two.roots()).length, 2);
	});
});
