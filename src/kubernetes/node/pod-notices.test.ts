import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { PodSpec } from "../../node/plan/pod-spec.ts";
import type { SwitchChange } from "../../node/pod-hot-switch.ts";
import { silentLog } from "../../runtime/log.ts";
import { VirtualClock } from "../../runtime/virtual-clock.ts";
import type { ApiAnswer, KubernetesClient } from "../client/kubernetes-client.ts";
import { PodNotices } from "./pod-notices.ts";

interface Asked {
	readonly method: string;
	readonly path: string;
	readonly body: Readonly<Record<string, unknown>>;
}

const nowMs = Date.UTC(2026, 0, 1);
const pod = { name: "web-1", namespace: "shop", uid: "u1" } as PodSpec;
const change = (from: string, to: string, because: string): SwitchChange =>
	({ from, to, because, cause: "exited", by: "keepmesh" }) as unknown as SwitchChange;

function noticesWith(answer: (path: string) => ApiAnswer = () => ({ status: 200, body: {} })) {
	const asked: Asked[] = [];
	const client = {
		request: async (method: string, path: string, { body }: { body: Asked["body"] }) => {
			asked.push({ method, path, body });
			return answer(path);
		},
	} as unknown as KubernetesClient;
	const clock = new VirtualClock(nowMs);
	const notices = new PodNotices("n1", { client, clock, log: silentLog });
	const settle = async (ms = 10_000): Promise<void> => {
		for (let passed = 0; passed < ms; passed += 50) {
			for (let turn = 0; turn < 5; turn++) await Promise.resolve();
			clock.advance(50);
		}
	};
	return { notices, asked, settle, clock };
}
const statusPath = "/api/v1/namespaces/shop/pods/web-1/status";
const eventsPath = "/api/v1/namespaces/shop/events";

describe("what happens to a pod's connections, on Kubernetes", () => {
	it("is a condition of the Pod, and no event when it just begins to be served", async () => {
		const { asked, notices, settle } = noticesWith();
		notices.switched(pod, change("closed", "sidecar", "the sidecar is ready"));
		await settle();
		assert.deepEqual(asked, [
			{
				method: "PATCH",
				path: statusPath,
				body: {
					metadata: { uid: "u1" },
					status: {
						conditions: [
							{
								type: "keepmesh.io/serving",
								status: "True",
								reason: "BySidecar",
								message: "connections go through the pod's own proxy: the sidecar is ready",
								lastTransitionTime: "2026-01-01T00:00:00Z",
								lastProbeTime: null,
							},
						],
					},
				},
			},
		]);
	});

	it("is an event on the Pod when it changes", async () => {
		const { asked, notices, settle } = noticesWith();
		notices.restored("u1");
		notices.switched(pod, change("sidecar", "spare", "its process ended"));
		await settle();
		const event = asked.find(({ path }) => path === eventsPath)?.body;
		assert.equal(event?.reason, "ServedBySpare");
		assert.equal(event?.type, "Warning");
		assert.equal(event?.message, "new connections go through the node's spare proxy: its process ended");
		assert.deepEqual(event?.involvedObject, {
			apiVersion: "v1",
			kind: "Pod",
			name: "web-1",
			namespace: "shop",
			uid: "u1",
		});
	});

	it("is a condition of its own where a Pod's annotations ask for a bypass, and an event when it is refused", async () => {
		const { asked, notices, settle } = noticesWith();
		notices.answered(pod, { outcome: "refused", because: "there is no spare" });
		await settle();
		const status = asked.find(({ path }) => path === statusPath)?.body.status;
		assert.deepEqual(status, {
			conditions: [
				{
					type: "keepmesh.io/bypassed",
					status: "False",
					reason: "Refused",
					message: "there is no spare",
					lastTransitionTime: "2026-01-01T00:00:00Z",
					lastProbeTime: "2026-01-01T00:00:00Z",
				},
			],
		});
		const event = asked.find(({ path }) => path === eventsPath)?.body;
		assert.deepEqual(
			[event?.type, event?.reason, event?.message],
			["Warning", "BypassRefused", "connections stay where they are: there is no spare"],
		);
		notices.answered(pod, { outcome: "bypassed", because: "ada: a new version" });
		await settle();
		assert.equal(asked.filter(({ path }) => path === eventsPath).length, 1);
	});

	it("is false as a condition only while connections are refused", async () => {
		const { asked, notices, settle } = noticesWith();
		for (const to of ["spare", "direct", "closed"]) {
			notices.switched(pod, change("sidecar", to, "x"));
			await settle();
		}
		const statuses = asked
			.filter(({ path }) => path === statusPath)
			.map(({ body }) => (body.status as { conditions: { status: string }[] }).conditions[0]?.status);
		assert.deepEqual(statuses, ["True", "True", "False"]);
	});

	it("is counted where it is the same again", async () => {
		const { asked, notices, settle } = noticesWith();
		notices.restored("u1");
		for (let round = 0; round < 3; round++) {
			notices.switched(pod, change("sidecar", "spare", "its process ended"));
			await settle(1_000);
		}
		const events = asked.filter(({ path }) => path.startsWith(eventsPath));
		assert.deepEqual(
			events.map(({ method, body }) => [method, body.count]),
			[
				["POST", 1],
				["PATCH", 2],
				["PATCH", 3],
			],
		);
	});

	it("is told as it is in the end when it changed while the API server was away", async () => {
		let isDown = true;
		const { asked, notices, settle } = noticesWith(() => {
			if (isDown) throw new Error("gone");
			return { status: 200, body: {} };
		});
		notices.switched(pod, change("sidecar", "spare", "a"));
		await settle(3_000);
		notices.switched(pod, change("spare", "sidecar", "b"));
		isDown = false;
		asked.length = 0;
		await settle();
		const conditions = asked.filter(({ path }) => path === statusPath);
		assert.equal(conditions.length, 1);
		assert.match(JSON.stringify(conditions[0]?.body), /BySidecar/);
	});

	it("is an event, counted once, also when the first try to write it failed", async () => {
		let refused = 0;
		const { asked, notices, settle } = noticesWith((path) => {
			if (path === eventsPath && refused++ === 0) throw new Error("gone");
			return { status: 200, body: {} };
		});
		notices.restored("u1");
		notices.switched(pod, change("sidecar", "spare", "its process ended"));
		await settle();
		const events = asked.filter(({ path }) => path.startsWith(eventsPath));
		assert.deepEqual(
			events.map(({ body, method, path }) => [method, path, body.count]),
			[
				["POST", eventsPath, 1],
				["POST", eventsPath, 1],
			],
		);
	});

	it("is not told again and again of a pod that is gone, or that it may not write to", async () => {
		for (const status of [404, 403]) {
			const { asked, notices, settle } = noticesWith(() => ({ status, body: {} }));
			notices.switched(pod, change("closed", "sidecar", "ready"));
			await settle();
			assert.equal(asked.length, 1);
		}
	});

	it("does not flood the API server when all pods of a node switch", async () => {
		const { asked, notices, settle } = noticesWith();
		for (let id = 0; id < 100; id++)
			notices.switched({ ...pod, name: `web-${id}`, uid: `u${id}` }, change("closed", "sidecar", "ready"));
		await settle(1_000);
		assert.ok(asked.length <= 21, `${asked.length} requests in the first second`);
		await settle(10_000);
		assert.equal(asked.length, 100);
	});
});
