import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { StartWatch } from "./start-watch.ts";
import { VirtualLeaseStore } from "./virtual-lease-store.testing.ts";
import { type VirtualNode, VirtualNodes } from "./virtual-nodes.testing.ts";

function because(node: VirtualNode, watch = new StartWatch(), isMissing = false): string | undefined {
	const answer = watch.ready(isMissing, node.runtime?.routers.values() ?? []);
	return answer.ok ? undefined : answer.because;
}

describe("a node whose virtual routers have found their places", () => {
	it("owns, or has heard the owner: not before", () => {
		const nodes = new VirtualNodes();
		const [a, b] = [nodes.add("a", { priority: 150 }), nodes.add("b")];
		a.start();
		assert.match(because(a) ?? "", /heard no owner yet|has not started/);
		nodes.clock.advance(10_000);
		assert.equal(a.role(), "MASTER");
		assert.equal(because(a), undefined);
		b.start();
		assert.notEqual(because(b), undefined);
		nodes.clock.advance(2000);
		assert.equal(b.role(), "BACKUP");
		assert.equal(because(b), undefined);
	});

	it("stays one, whatever is added later: pods that are not ready are replaced all at once", () => {
		const nodes = new VirtualNodes();
		const a = nodes.add("a");
		const watch = new StartWatch();
		a.start();
		assert.match(because(a, watch, true) ?? "", /the cluster has said nothing yet/);
		nodes.clock.advance(10_000);
		assert.equal(because(a, watch), undefined);
		const [web] = a.config.instances;
		assert.ok(web);
		a.reload({ ...a.config, instances: [web, { ...web, name: "new", virtualRouterId: 99 }] });
		assert.equal(a.role("new"), "BACKUP");
		assert.equal(because(a, watch), undefined);
	});

	it("is also one at fault, which would wait for ever, and one that waits for a lease that decides", () => {
		const nodes = new VirtualNodes();
		const store = new VirtualLeaseStore(nodes.clock);
		const lease = { name: "web", namespace: "default", decides: true };
		const [a, b] = [nodes.add("a"), nodes.add("b", { lease })];
		b.leaseStore = store;
		store.mode = "fails";
		a.host.setLink("eth0", { running: false });
		a.start();
		b.start();
		nodes.clock.advance(5000);
		assert.deepEqual([a.role(), because(a)], ["FAULT", undefined]);
		assert.deepEqual([b.role(), because(b)], ["BACKUP", undefined]);
	});
});
