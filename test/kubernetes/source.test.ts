// The API server as the source of resources, on a real cluster: two replicas of the control plane, one leader, and what the mesh is
// served while the API server is dead.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { planSetHere } from "../../cluster/plan-set.ts";
import { programDown, programUp } from "../../cluster/program-power.ts";
import type { MeshStatus } from "../../src/app/api/api-types.ts";
import type { ReplicaStatus } from "../../src/app/control/replicas/replica-group.ts";
import { DeltaClient } from "../../src/app/control.testing.ts";
import { typeUrls } from "../../src/xds/resource.ts";
import { type ControlReplica, serviceOfReplicas, startControlReplica } from "./control-replica.ts";
import { noCluster, openCluster, type TestCluster, until } from "./test-cluster.ts";

const service = (name: string): object => ({
	apiVersion: "v1",
	kind: "Service",
	metadata: { name },
	spec: { ports: [{ name: "http", port: 80 }] },
});
const slice = (name: string, ...addresses: readonly string[]): object => ({
	apiVersion: "discovery.k8s.io/v1",
	kind: "EndpointSlice",
	metadata: { name: `${name}-1`, labels: { "kubernetes.io/service-name": name } },
	addressType: "IPv4",
	ports: [{ name: "http", port: 8080 }],
	endpoints: addresses.map((address) => ({ addresses: [address], conditions: { ready: true } })),
});

describe("an API server as the source of resources", { skip: noCluster, timeout: 280_000 }, () => {
	const directory = mkdtempSync(join(tmpdir(), "keepmesh-source-"));
	let cluster: TestCluster;
	let replicas: ControlReplica[] = [];
	const clients: DeltaClient[] = [];

	before(async () => {
		cluster = await openCluster();
		const [node] = cluster.shape.nodes;
		assert.ok(node);
		const places = [
			{ pod: "c-0", machine: cluster.shape.controlPlane },
			{ pod: "c-1", machine: node },
		];
		await cluster.apply(...serviceOfReplicas(places.map(({ machine, pod }) => ({ pod, ip: machine.ip }))));
		replicas = await Promise.all(
			places.map(({ machine, pod }) => startControlReplica(cluster, machine, pod, directory)),
		);
	});
	after(async () => {
		for (const client of clients) client.close();
		await Promise.all(replicas.map((replica) => replica.stop()));
		await cluster?.close();
		rmSync(directory, { recursive: true, force: true });
	});

	const replica = (index: number): ControlReplica => {
		const found = replicas[index];
		assert.ok(found);
		return found;
	};
	const statusOf = async (index: number): Promise<MeshStatus> =>
		JSON.parse((await replica(index).get("/api/v1/status")).text) as MeshStatus;
	const groupOf = async (index: number): Promise<ReplicaStatus> =>
		JSON.parse((await replica(index).get("/api/v1/replicas")).text) as ReplicaStatus;
	function connect(index: number, name: string): DeltaClient {
		const { namespace } = cluster;
		const id = `sidecar~10.9.9.${clients.length + 1}~${name}.${namespace}~${namespace}.svc.cluster.local`;
		const client = new DeltaClient(replica(index).socket, id, { NAMESPACE: namespace });
		clients.push(client);
		return client;
	}
	const endpointsOf = (client: DeltaClient, name: string): string | undefined =>
		client.have.get(typeUrls.endpoints)?.get(`outbound|80||${name}.${cluster.namespace}.svc.cluster.local`);
	/** Every version that the client has, type by type. */
	const picture = (client: DeltaClient): string =>
		JSON.stringify([...client.have].map(([type, versions]) => [type, [...versions].sort()]).sort());

	it("follows Services and endpoints from the moment they are made to that in which they go", async () => {
		const client = connect(0, "a");
		await cluster.apply(service("one"), slice("one", "10.9.0.1"));
		await until("the Service is served", async () => endpointsOf(client, "one") !== undefined);
		const before = endpointsOf(client, "one");
		await cluster.apply(slice("one", "10.9.0.1", "10.9.0.2"));
		await until("the endpoint is served", async () => endpointsOf(client, "one") !== before);
		await cluster.kubectl("delete", "service", "one");
		const cluster80 = `outbound|80||one.${cluster.namespace}.svc.cluster.local`;
		await until("it is gone", async () => client.have.get(typeUrls.cluster)?.has(cluster80) === false);
	});

	it("has replicas that are ready only once their webhooks are answered", () => {
		for (const { log, pod } of replicas) {
			const said = log();
			const at = ["webhooks are answered", "control plane ready"].map((text) => said.indexOf(`"msg":"${text}"`));
			assert.ok(at.every((one) => one >= 0) && (at[0] ?? 0) < (at[1] ?? 0), `${pod}:\n${said}`);
		}
	});

	it("has replicas that find each other by their Service, of which one leads", async () => {
		await until("both agree on a leader", async () => {
			const [a, b] = await Promise.all([groupOf(0), groupOf(1)]);
			return a.leader !== undefined && a.leader === b.leader && a.differing + b.differing === 0;
		});
		const groups = await Promise.all([groupOf(0), groupOf(1)]);
		assert.deepEqual(groups.map(({ role }) => role).sort(), ["follower", "leader"]);
		assert.deepEqual(
			groups.map(({ peers }) => peers.length),
			[1, 1],
		);
		assert.equal(groups[0]?.revision, groups[1]?.revision);
		assert.deepEqual((await Promise.all([0, 1].map((at) => replica(at).metric("keepmesh_leader")))).sort(), [0, 1]);
		const holder = await cluster.kubectl("get", "lease", "keepmesh-control", "-o", "jsonpath={.spec.holderIdentity}");
		assert.equal(holder.replace(/_.*$/, ""), groups[0]?.leader);
	});

	it("takes nothing from anybody while the API server is dead, not even after a restart, says how old it is, and goes on afterwards", async () => {
		const planned = planSetHere(cluster.record).clusters[0];
		assert.ok(planned);
		await cluster.apply(service("two"), slice("two", "10.9.0.5"));
		const client = connect(1, "b");
		await until("the Service is served", async () => endpointsOf(client, "two") !== undefined);
		const before = picture(client);
		const versions = endpointsOf(client, "two");
		await programDown(cluster.record, planned, "kube-apiserver");
		try {
			await until("it is noticed", async () => (await statusOf(0)).source?.isFresh === false);
			// Nothing of it may be lost with a process that dies soon after.
			await until(
				"all of it is on the disk",
				async () => replica(0).keptText().includes(`EndpointSlice/${cluster.namespace}/two-1`),
				1_000,
			);
			const { source } = await statusOf(0);
			assert.ok((source?.ageMs ?? 0) > 1_000, JSON.stringify(source));
			assert.match(source?.because ?? "", /ECONNREFUSED|ECONNRESET|socket hang up/);
			assert.equal((await replica(0).get("/readyz")).status, 200);
			const late = connect(0, "late");
			await until("a proxy that starts now is served", async () => endpointsOf(late, "two") === versions);
			assert.equal(picture(client), before);
			await until("nobody leads", async () => {
				const leaders = await Promise.all([0, 1].map((at) => replica(at).metric("keepmesh_leader")));
				return leaders.every((leads) => leads === 0);
			});
			await replica(0).stop("now");
			replicas[0] = await startControlReplica(cluster, cluster.shape.controlPlane, "c-0", directory);
			const { source: restored } = await statusOf(0);
			assert.deepEqual([restored?.isFresh, restored?.isRestored], [false, true]);
			assert.ok((restored?.ageMs ?? 0) > 1_000, JSON.stringify(restored));
			const next = connect(0, "next");
			await until("a proxy of the new process is served", async () => endpointsOf(next, "two") === versions);
			assert.deepEqual(next.names(typeUrls.cluster), late.names(typeUrls.cluster));
		} finally {
			await programUp(cluster.record, planned, "kube-apiserver");
		}
		await cluster.apply(slice("two", "10.9.0.5", "10.9.0.6"));
		await until("changes come again", async () => endpointsOf(client, "two") !== versions);
		await until("it is as new as the server", async () => (await statusOf(0)).source?.isFresh === true);
		assert.equal((await statusOf(0)).source?.isRestored, false);
		assert.equal(
			client.have.get(typeUrls.cluster)?.has(`outbound|80||two.${cluster.namespace}.svc.cluster.local`),
			true,
		);
		await until("one leads again", async () => {
			const [a, b] = await Promise.all([replica(0).metric("keepmesh_leader"), replica(1).metric("keepmesh_leader")]);
			return a + b === 1;
		});
	});

	it("is led by the other replica soon after the leader stops", async () => {
		const leader = (await replica(0).metric("keepmesh_leader")) === 1 ? 0 : 1;
		const other = 1 - leader;
		await replica(leader).stop();
		const stoppedMs = performance.now();
		await until("the other leads", async () => (await replica(other).metric("keepmesh_leader")) === 1, 20_000);
		const group = await groupOf(other);
		await until("writes have a leader", async () => (await groupOf(other)).leader === replica(other).pod);
		assert.ok(performance.now() - stoppedMs < 20_000, JSON.stringify(group));
	});
});
