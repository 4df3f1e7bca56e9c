import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { encodeSilenceReport } from "../../kubernetes/nodes-alive/silence-report.ts";
import { aPod, applied } from "../../model/model.testing.ts";
import type { AnyObject } from "../../resources/config-object.ts";
import { silentLog } from "../../runtime/log.ts";
import { createMetrics } from "../../runtime/metrics.ts";
import { VirtualClock } from "../../runtime/virtual-clock.ts";
import type { LostWorkloads } from "../../snapshot/serving-steps.ts";
import { applyChanges, emptySnapshot } from "../../snapshot/snapshot.ts";
import { LostNodes } from "./lost-nodes.ts";

const rules = { trustDomain: "cluster.local", isRegistered: (node: string) => node !== "left" };
const peerOf = (node: string) => ({ address: "192.0.2.1", uri: `spiffe://cluster.local/keepmesh/node/${node}` });

function control() {
	const clock = new VirtualClock();
	const told: LostWorkloads[] = [];
	const away: string[] = [];
	const hints: string[] = [];
	const answering = new Map<string, bigint | undefined>();
	const pod = aPod("web-1", "10.1.0.1", { nodeName: "n1" });
	let { snapshot } = applyChanges(emptySnapshot(), applied(pod, aPod("web-2", "10.1.0.2", { nodeName: "n2" })));
	const lost: LostNodes = new LostNodes({
		snapshot: () => snapshot,
		onLost: (now, nodes) => {
			told.push(now);
			away.push(nodes.join());
		},
		prober: {
			ask: (node) => {
				if (answering.has(node)) clock.after(1, () => lost.answered(node, answering.get(node)));
			},
			tellLost: (node, peers) => hints.push(`${node} to ${peers.map(({ address }) => address).join()}`),
			keep: () => {},
			close: () => {},
		},
		clock,
		log: silentLog,
		metrics: createMetrics(),
	});
	const peers = new Map(["n1", "n2", "n3", "n4", "left"].map((name, n) => [name, { address: `192.0.2.${n + 1}` }]));
	lost.setNodes(peers);
	const service = lost.service(rules);
	let sequence = 0;
	const say = (node: string, silent: readonly string[], peer = peerOf(node)) => {
		const report = { node, agentMs: 1, sequence: ++sequence, silent: silent.map((one) => ({ node: one, forMs: 500 })) };
		return service.handle({ message: encodeSilenceReport(report), peer, headers: {} });
	};
	const describe = (object: AnyObject): void => {
		snapshot = applyChanges(snapshot, applied(object)).snapshot;
	};
	return { answering, away, clock, describe, hints, lost, pod, say, told };
}

describe("nodes that are lost, on a control plane", () => {
	it("take their workloads out when two say so and they do not answer, and bring them back", () => {
		const { answering, away, clock, lost, pod, say, told } = control();
		assert.ok(say("n2", ["n1"]).ok);
		clock.advance(500);
		assert.equal(told.length, 0, "by one word alone nothing happens");
		assert.ok(say("n3", ["n1"]).ok);
		clock.advance(0);
		assert.deepEqual(
			told.map(({ nodes }) => [...nodes]),
			[["n1"]],
		);
		assert.deepEqual(lost.status().lost[0]?.observers, ["n2", "n3"]);
		answering.set("n1", 7n);
		clock.advance(1_500);
		assert.deepEqual([...(told.at(-1)?.nodes ?? [])], []);
		assert.deepEqual([...(told.at(-1)?.pods ?? [])], [pod], "as it was before a boot that nobody can rule out");
		assert.equal(away.at(-1), "n1");
		clock.advance(60_000);
		assert.deepEqual([...(told.at(-1)?.pods ?? [])], []);
		assert.equal(away.at(-1), "");
	});

	it("are named to all other agents, which may be connected to a control plane that went with them", () => {
		const { clock, hints, say } = control();
		say("n2", ["n1"]);
		say("n3", ["n1"]);
		clock.advance(500);
		assert.deepEqual(hints, ["n1 to 192.0.2.2,192.0.2.3,192.0.2.4,192.0.2.5"]);
	});

	it("are away until what ran there before a boot is described anew", () => {
		const { answering, away, clock, describe, say } = control();
		say("n2", ["n1"]);
		say("n3", ["n1"]);
		clock.advance(500);
		answering.set("n1", 7n);
		clock.advance(1_500);
		assert.equal(away.at(-1), "n1");
		describe(aPod("web-1", "10.1.0.7", { nodeName: "n1" }));
		clock.advance(500);
		assert.equal(away.at(-1), "");
	});

	it("are in at once with what was described anew before they answered again", () => {
		const { answering, away, clock, describe, say } = control();
		say("n2", ["n1"]);
		say("n3", ["n1"]);
		clock.advance(500);
		describe(aPod("web-1", "10.1.0.1", { nodeName: "n1", hostname: "web-1" }));
		answering.set("n1", 7n);
		clock.advance(1_500);
		assert.equal(away.at(-1), "");
	});

	it("stay lost for a control plane that begins anew, until they answer", () => {
		const { answering, away, clock, lost, told } = control();
		lost.adopt(["n1", "stranger"]);
		assert.deepEqual([...(told.at(-1)?.nodes ?? [])], ["n1"]);
		clock.advance(10_000);
		assert.equal(away.at(-1), "n1");
		answering.set("n1", 7n);
		clock.advance(1_500);
		assert.deepEqual([...(told.at(-1)?.nodes ?? [])], []);
	});

	it("are not believed of somebody who does not prove to be the node, or is not registered", () => {
		const { clock, say, told } = control();
		const asN3 = say("n2", ["n1"], peerOf("n3"));
		assert.ok(!asN3.ok && asN3.grpcStatus === 7);
		const gone = say("left", ["n1"]);
		assert.ok(!gone.ok && /not registered/.test(gone.because));
		clock.advance(5_000);
		assert.deepEqual(told, []);
	});

	it("are not believed of bytes that are no report", () => {
		const { lost } = control();
		for (const text of ["", "[]", '{"node":"n1"}', '{"node":"n1","agentMs":1,"sequence":1,"silent":[{}]}']) {
			const message = new TextEncoder().encode(text);
			const outcome = lost.service(rules).handle({ message, peer: peerOf("n1"), headers: {} });
			assert.ok(!outcome.ok && outcome.grpcStatus === 3, text);
		}
	});
});
