import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { InstanceConfig } from "../../vip/vip-config.ts";
import { type VirtualNode, VirtualNodes, vip } from "./virtual-nodes.testing.ts";

const fastHeartbeat = { intervalMs: 20, missed: 3, port: 15112 };

describe("open connections of an address that moves", () => {
	/** Nodes a, b, c, each with a lower priority than the one before it. */
	const started = (count: number, changed: Partial<InstanceConfig> = {}) => {
		const nodes = new VirtualNodes();
		const made = ["a", "b", "c"].slice(0, count).map((name, index) => {
			const priority = 150 - 10 * index;
			return nodes.add(name, {
				fastHeartbeat,
				followsOpenConnections: true,
				priority,
				preemptDelayMs: 3_000,
				...changed,
			});
		});
		for (const node of made) node.start();
		const pass = async (ms: number): Promise<void> => {
			for (let passed = 0; passed < ms; passed += 100) {
				nodes.clock.advance(100);
				await nextTurn();
			}
		};
		return { nodes, made, pass };
	};
	const pair = (changed: Partial<InstanceConfig> = {}) => {
		const { made, ...rest } = started(2, changed);
		const [a, b] = made;
		assert.ok(a && b);
		return { a, b, ...rest };
	};
	const three = () => {
		const { made, ...rest } = started(3, { preemptDelayMs: 3_600_000 });
		const [a, b, c] = made;
		assert.ok(a && b && c);
		return { a, b, c, ...rest };
	};
	const followed = ({ host }: VirtualNode): readonly string[] =>
		host.followed.map(
			({ address, interface: on, whenElsewhere, whenHere }) =>
				`${address} on ${on} -> ${whenHere}${whenElsewhere === undefined ? "" : `, elsewhere ${whenElsewhere}`}`,
		);
	const toA = [`${vip} on eth0 -> 10.77.0.2`];
	const toB = [`${vip} on eth0 -> 10.77.0.3`];
	/** Of b, while it owns: should the address go, it has somebody to ask. */
	const ownToA = [`${vip} on eth0 -> 10.77.0.2, elsewhere 10.77.0.2`];

	it("are known to be the owner's before the address comes, and stay its own when it hands over, and back", async () => {
		const { a, b, nodes, pass } = pair();
		await pass(6_000);
		assert.deepEqual([followed(a), followed(b)], [[], toA]);
		a.move();
		await pass(1_000);
		assert.deepEqual(nodes.owners(), ["b"]);
		await pass(100_000);
		assert.deepEqual(nodes.owners(), ["b"], "moved by order");
		assert.deepEqual([followed(a), followed(b)], [toB, ownToA], "as long as the machine lives");
	});

	it("stay those of a node whose process is replaced, and are given up when it does not come back", async () => {
		const { a, b, nodes, pass } = pair();
		await pass(6_000);
		a.stop();
		await pass(50_000);
		assert.deepEqual([nodes.owners(), followed(b)], [["b"], ownToA]);
		a.start();
		await pass(1_000);
		assert.deepEqual(followed(a), toB);
		await pass(6_000);
		assert.deepEqual([nodes.owners(), followed(a)], [["a"], toB], "what began at the other one");
		b.stop();
		await pass(70_000);
		assert.deepEqual(followed(a), []);
	});

	it("are nobody's soon after the owner died", async () => {
		const { a, b, nodes, pass } = pair();
		await pass(6_000);
		a.powerOff();
		await pass(600);
		assert.deepEqual([nodes.owners(), followed(b)], [["b"], []]);
	});

	it("are asked for at nodes that owned before the process was replaced", async () => {
		const { a, c, nodes, pass } = three();
		await pass(6_000);
		a.move("b");
		await pass(2_000);
		assert.deepEqual(nodes.owners(), ["b"]);
		const known = [`${vip} on eth0 -> 10.77.0.3, elsewhere 10.77.0.2`];
		assert.deepEqual(followed(c), known);
		c.crash();
		c.start();
		await pass(2_000);
		assert.deepEqual(followed(c), known);
	});

	it("are asked for from the highest address down, at each node that had the address", async () => {
		const { a, b, c, nodes, pass } = three();
		await pass(6_000);
		a.move();
		await pass(2_000);
		b.move("c");
		await pass(2_000);
		assert.deepEqual(nodes.owners(), ["c"]);
		assert.deepEqual(followed(c), [`${vip} on eth0 -> 10.77.0.3, elsewhere 10.77.0.3`], "the owner begins");
		assert.deepEqual(followed(b), [`${vip} on eth0 -> 10.77.0.4, elsewhere 10.77.0.2`]);
		assert.deepEqual(followed(a), [`${vip} on eth0 -> 10.77.0.4`], "the last one resets");
		c.move("a");
		await pass(2_000);
		assert.deepEqual(followed(a), [`${vip} on eth0 -> 10.77.0.4`]);
		assert.deepEqual(followed(c), [`${vip} on eth0 -> 10.77.0.3, elsewhere 10.77.0.3`], "not the owner");
		b.powerOff();
		await pass(70_000);
		assert.deepEqual(followed(c), toA, "nobody who is dead");
	});

	it("go on when the owner was only slow, and is heard again", async () => {
		const { a, b, nodes, pass } = pair();
		await pass(6_000);
		a.host.setLink("eth0", { running: false });
		await pass(100);
		a.host.setLink("eth0", { running: true });
		await pass(1_000);
		assert.deepEqual([nodes.owners(), followed(b)], [["b"], ownToA]);
	});

	it("end where the configuration says so", async () => {
		const { a, b, pass } = pair({ followsOpenConnections: false });
		await pass(6_000);
		a.move();
		await pass(1_000);
		assert.deepEqual([followed(a), followed(b)], [[], []]);
	});
});
