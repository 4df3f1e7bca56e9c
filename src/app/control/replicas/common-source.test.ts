// Two control planes that read one source, as on Kubernetes: each sees every change by itself, and the leader counts them.

import assert from "node:assert/strict";
import { afterEach, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { aPod, applied } from "../../../model/model.testing.ts";
import type { AnyObject } from "../../../resources/config-object.ts";
import { realClock } from "../../../runtime/clock.ts";
import { silentLog } from "../../../runtime/log.ts";
import { noMetrics } from "../../../runtime/metrics.ts";
import type { XdsServer } from "../../../xds/wire/config-source.ts";
import { startXdsServer } from "../../../xds/wire/xds-server.ts";
import type { HostPort } from "../control-options.ts";
import { noFiles } from "./replica-files.ts";
import { ReplicaGroup } from "./replica-group.ts";
import { replicaServices } from "./replica-services.ts";

interface Replica {
	readonly group: ReplicaGroup;
	readonly at: HostPort;
	close(): Promise<void>;
}

/** Whether the source answers, and what asks it. */
const source = { isAnswering: true, readMs: Number.NEGATIVE_INFINITY };

async function startReplica(id: string): Promise<Replica> {
	const group: ReplicaGroup = new ReplicaGroup(
		{ id, run: `${id}-1`, xds: id, peers: [] },
		{
			clock: realClock,
			log: silentLog,
			files: noFiles,
			onLocalEdits: async () => {},
			tls: () => undefined,
			commonSource: {
				ask: () => {
					if (source.isAnswering) source.readMs = realClock.monotonicMs();
				},
				isReadSince: (ms) => source.readMs >= ms,
			},
		},
	);
	const rules = { trustDomain: "cluster.local", nothingIsProved: true };
	const server: XdsServer = await startXdsServer(
		{
			listen: { host: "127.0.0.1", port: 0 },
			services: replicaServices(group, async () => ({ type: "notLeader" }), rules),
		},
		{
			source: {
				connect: () => ({ ok: false, grpcStatus: 7, because: "no proxies here" }),
				configFor: () => undefined,
				disconnected: () => {},
			},
			clock: realClock,
			log: silentLog,
			metrics: noMetrics,
		},
	);
	assert.ok("port" in server.address);
	group.start();
	return {
		group,
		at: { host: "127.0.0.1", port: server.address.port },
		close: async () => {
			group.close();
			await server.close();
		},
	};
}

describe("control planes that read one source", () => {
	let replicas: Replica[] = [];
	afterEach(async () => {
		await Promise.all(replicas.map((one) => one.close()));
		replicas = [];
		Object.assign(source, { isAnswering: true, readMs: Number.NEGATIVE_INFINITY });
	});

	/** The first of them leads, and both hear each other. */
	async function startTwo(): Promise<{ readonly leader: Replica; readonly follower: Replica }> {
		const [leader, follower] = [await startReplica("a"), await startReplica("b")];
		replicas = [leader, follower];
		leader.group.setPeers([follower.at]);
		follower.group.setPeers([leader.at]);
		leader.group.setOwner(true);
		await until(() => follower.group.leader === "a" && leader.group.hasOthers);
		return { leader, follower };
	}
	const seen = (by: Replica, object: AnyObject): void => by.group.onApplied(applied(object));
	const isLevel = ({ group }: Replica, other: Replica): boolean =>
		group.status().differing === 0 && group.label() === other.group.label();

	it("count a change once, whoever sees it first", async () => {
		const { leader, follower } = await startTwo();
		seen(follower, aPod("web-1", "10.0.0.1"));
		assert.notEqual(follower.group.label(), leader.group.label());
		seen(leader, aPod("web-1", "10.0.0.1"));
		await until(() => isLevel(follower, leader));
	});

	it("hear of what was counted while the leader did not know of them, as soon as something else is", async () => {
		const { leader, follower } = await startTwo();
		leader.group.setPeers([]);
		for (const replica of [leader, follower]) seen(replica, aPod("web-1", "10.0.0.1"));
		leader.group.setPeers([follower.at]);
		await until(() => leader.group.hasOthers);
		for (const replica of [leader, follower]) seen(replica, aPod("web-2", "10.0.0.2"));
		await until(() => isLevel(follower, leader), 800);
	});

	it("take what one of them serves as it is while nobody counts, if the source was read since", async () => {
		const { leader, follower } = await startTwo();
		await until(() => isLevel(follower, leader));
		const pod = aPod("web-1", "10.0.0.1");
		seen(follower, pod);
		assert.ok(follower.group.label()?.includes("~"), "not counted yet");
		source.isAnswering = false;
		await leader.close();
		await until(() => follower.group.leader === undefined);
		assert.ok(follower.group.label()?.includes("~"), "nobody knows what the source has by now");
		source.readMs = realClock.monotonicMs();
		assert.equal(follower.group.label(), undefined);
		follower.group.setOwner(true);
		await until(() => follower.group.isLeader);
		assert.ok(follower.group.label());
	});

	it("ask the source at once when the leader is gone", async () => {
		const { leader, follower } = await startTwo();
		await leader.close();
		await until(() => follower.group.leader === undefined);
		assert.equal(follower.group.label(), undefined);
	});
});

async function until(isSo: () => boolean, withinMs = 10_000): Promise<void> {
	const endMs = realClock.monotonicMs() + withinMs;
	while (!isSo()) {
		assert.ok(realClock.monotonicMs() < endMs, "in time");
		await sleep(10);
	}
}
