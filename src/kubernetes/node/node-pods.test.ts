import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, describe, it } from "node:test";
import type { AddOutcome } from "../../node/node-agent.ts";
import type { PodSpec } from "../../node/plan/pod-spec.ts";
import type { PodSupervisor } from "../../node/pod-supervisor.ts";
import { realClock } from "../../runtime/clock.ts";
import { silentLog } from "../../runtime/log.ts";
import { pods as podResource } from "../client/api-resources.ts";
import { FakeApi } from "../client/fake-api.testing.ts";
import { NodePods } from "./node-pods.ts";

const locality = { region: "r", zone: "z", subzone: "" };

/** As the webhook has made it. */
function podObject(name: string, uid: string, more: { meshed?: boolean; phase?: string; leaving?: boolean } = {}) {
	const proxy = {
		name: "istio-proxy",
		restartPolicy: "Always",
		args: ["proxy", "sidecar"],
		env: [
			{ name: "KEEPMESH_LOG_LEVEL", value: "info" },
			{ name: "ISTIO_META_WORKLOAD_NAME", value: "web" },
			{ name: "PROXY_CONFIG", value: '{"concurrency":3}' },
		],
	};
	return {
		metadata: {
			name,
			namespace: "shop",
			uid,
			labels: { app: "web" },
			...(more.leaving ? { deletionTimestamp: "2026-01-01T00:00:00Z" } : {}),
		},
		spec: {
			nodeName: "n1",
			serviceAccountName: "web",
			containers: [{ name: "app", ports: [{ containerPort: 8080, name: "http" }] }],
			...(more.meshed === false ? {} : { initContainers: [proxy] }),
		},
		status: { phase: more.phase ?? "Running", podIPs: [{ ip: "10.244.1.7" }] },
	};
}

/** The node's agent, as far as it is asked. */
class FakeAgent {
	readonly added: PodSpec[] = [];
	readonly removed: string[] = [];
	readonly drained: string[] = [];
	readonly #pods = new Map<string, PodSupervisor>();

	supervisorOf = (uid: string): PodSupervisor | undefined => this.#pods.get(uid);
	supervisors = (): readonly PodSupervisor[] => [...this.#pods.values()];
	add = async (pod: PodSpec): Promise<AddOutcome> => {
		this.added.push(pod);
		const state = { phase: "ready", redirected: true };
		const supervisor = { pod, state, when: async () => state, drain: () => this.drained.push(pod.uid) };
		this.#pods.set(pod.uid, supervisor as unknown as PodSupervisor);
		return { ok: true, added: true, supervisor: supervisor as unknown as PodSupervisor };
	};
	remove = async (uid: string): Promise<void> => {
		this.removed.push(uid);
		this.#pods.delete(uid);
	};
}

describe("the pods of a node", () => {
	const directory = mkdtempSync(join(tmpdir(), "keepmesh-pods-"));
	const opened: NodePods[] = [];
	after(() => rmSync(directory, { recursive: true }));
	afterEach(() => {
		for (const pods of opened.splice(0)) pods.close();
	});
	let count = 0;
	/** The name of a network namespace. */
	const netns = (): string => {
		const path = join(directory, `netns-${++count}`);
		writeFileSync(path, "");
		return path;
	};
	const follow = () => {
		const [api, agent] = [new FakeApi(), new FakeAgent()];
		const pods = new NodePods(
			{ node: "n1", locality: () => locality },
			{ client: api, agent: () => agent, clock: realClock, log: silentLog },
		);
		opened.push(pods);
		return { api, agent, pods };
	};
	const until = async (what: string, holds: () => boolean): Promise<void> => {
		for (let tries = 0; !holds(); tries++) {
			assert.ok(tries < 250, `never: ${what}`);
			await new Promise((resolve) => setTimeout(resolve, 20));
		}
	};
	const sandbox = (uid: string, path: string, name = "web-1") => ({
		uid,
		namespace: "shop",
		name,
		netns: path,
		ips: ["10.244.1.9"],
	});

	it("are served before their first container runs, as the API server has them", async () => {
		const { agent, api, pods } = follow();
		api.put(podResource, podObject("web-1", "u1"));
		const path = netns();
		assert.equal(await pods.prepare(sandbox("u1", path)), undefined);
		const [pod] = agent.added;
		assert.deepEqual(
			{ ...pod, annotations: undefined },
			{
				name: "web-1",
				namespace: "shop",
				uid: "u1",
				ips: ["10.244.1.9"],
				netns: path,
				labels: { app: "web" },
				annotations: undefined,
				serviceAccount: "web",
				ports: [{ containerPort: 8080, name: "http" }],
				proxy: "sidecar",
				interceptionMode: "REDIRECT",
				concurrency: 3,
				workload: "web",
				clusterId: "Kubernetes",
				network: "",
				locality,
				dnsCapture: false,
				container: { logLevel: "info" },
			},
		);
	});

	it("are left alone where they have no proxy of ours", async () => {
		const { agent, api, pods } = follow();
		api.put(podResource, podObject("web-1", "u1", { meshed: false }));
		assert.equal(await pods.prepare(sandbox("u1", netns())), undefined);
		assert.deepEqual(agent.added, []);
	});

	it("may not start while nobody knows what they are", async () => {
		const { api, pods } = follow();
		api.isDown = true;
		assert.notEqual(await pods.prepare(sandbox("u1", netns())), undefined);
		api.isDown = false;
		assert.match((await pods.prepare(sandbox("u1", netns()))) ?? "", /404/);
		api.put(podResource, podObject("web-1", "another"));
		assert.match((await pods.prepare(sandbox("u1", netns()))) ?? "", /replaced/);
	});

	it("that were served before are served again while the API server is away", async () => {
		const { agent, api, pods } = follow();
		api.put(podResource, podObject("web-1", "u1"));
		await pods.prepare(sandbox("u1", netns()));
		api.isDown = true;
		const path = netns();
		assert.equal(await pods.prepare(sandbox("u1", path)), undefined);
		assert.deepEqual(agent.removed, ["u1"]);
		assert.equal(agent.added.at(-1)?.netns, path);
		assert.equal(agent.added.at(-1)?.workload, "web");
	});

	it("are not served anew when the runtime asks twice for the same sandbox", async () => {
		const { agent, api, pods } = follow();
		api.put(podResource, podObject("web-1", "u1"));
		const path = netns();
		await Promise.all([pods.prepare(sandbox("u1", path)), pods.prepare(sandbox("u1", path))]);
		assert.equal(agent.added.length, 1);
	});

	it("are forgotten when their network is gone, whatever the API server says", async () => {
		const { agent, api, pods } = follow();
		api.put(podResource, podObject("web-1", "u1"));
		const path = netns();
		await pods.prepare(sandbox("u1", path));
		pods.open();
		await until("the pod is followed", () => pods.get("u1") !== undefined);
		assert.deepEqual(agent.removed, []);
		rmSync(path);
		await until("it is removed", () => agent.removed.includes("u1"));
	});

	it("are drained as soon as they are told to end", async () => {
		const { agent, api, pods } = follow();
		api.put(podResource, podObject("web-1", "u1"));
		await pods.prepare(sandbox("u1", netns()));
		pods.open();
		await until("the pod is followed", () => pods.get("u1") !== undefined);
		api.put(podResource, podObject("web-1", "u1", { leaving: true }));
		await until("it is drained", () => agent.drained.includes("u1"));
		assert.equal(pods.get("u1")?.isLeaving, true);
	});
});
