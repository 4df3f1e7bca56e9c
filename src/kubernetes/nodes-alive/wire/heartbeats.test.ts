// Real sockets on loopback: three nodes that listen to each other, and a control plane that asks.

import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { after, before, describe, it } from "node:test";
import { realClock } from "../../../runtime/clock.ts";
import { silentLog } from "../../../runtime/log.ts";
import { decodeDatagram, encodeDatagram } from "../datagram.ts";
import type { SilentNode } from "../silence-machine.ts";
import { signWith } from "./heartbeat-key.ts";
import { machineBoot } from "./machine-boot.ts";
import { type HeartbeatPeer, NodeHeartbeats } from "./node-heartbeats.ts";
import { NodeProber } from "./node-prober.ts";

const keys = [signWith(Buffer.from("a key"))];
const names = ["n1", "n2", "n3"] as const;

async function until(ask: () => boolean): Promise<void> {
	const endMs = performance.now() + 20_000;
	while (!ask()) {
		assert.ok(performance.now() < endMs, "not within 20 s");
		await new Promise((resolve) => setTimeout(resolve, 20));
	}
}

describe("heartbeats over real sockets", () => {
	const silentAt = new Map<string, readonly SilentNode[]>();
	const nodes = new Map<string, NodeHeartbeats>();
	const peers = new Map<string, HeartbeatPeer>();
	const toldLost: string[] = [];
	const answers: { node: string; boot: bigint | undefined }[] = [];
	const prober = new NodeProber({
		clock: realClock,
		keys: () => keys,
		onAnswered: (node, boot) => answers.push({ node, boot }),
	});
	before(async () => {
		for (const [index, node] of names.entries()) {
			const heartbeats = new NodeHeartbeats(
				{ node, boot: BigInt(index), port: 0, keys: () => keys },
				{
					clock: realClock,
					log: silentLog,
					onSilent: (silent) => silentAt.set(node, silent),
					onLost: (lost) => toldLost.push(`${node}: ${lost}`),
				},
			);
			nodes.set(node, heartbeats);
			await heartbeats.open();
			peers.set(node, { address: "127.0.0.1", port: heartbeats.status().port ?? 0 });
		}
		for (const one of nodes.values()) one.setPeers(peers);
		await until(() => [...nodes.values()].every((one) => one.status().received > 10));
	});
	after(() => {
		prober.close();
		for (const one of nodes.values()) one.close();
	});

	it("are answered to who asks with the key, with the machine's boot", async () => {
		prober.ask("n2", peers.get("n2") ?? { address: "127.0.0.1" });
		await until(() => {
			prober.ask("n2", peers.get("n2") ?? { address: "127.0.0.1" });
			return answers.some(({ node, boot }) => node === "n2" && boot === 1n);
		});
	});

	it("are answered also where the machine answers from another of its addresses, as it does to its own pods", async () => {
		const asked = createSocket("udp4");
		const other = createSocket("udp4");
		await new Promise<void>((resolve) => asked.bind(0, "127.0.0.2", resolve));
		await new Promise<void>((resolve) => other.bind(0, "127.0.0.3", resolve));
		asked.on("message", (bytes, from) => {
			const question = decodeDatagram(bytes, keys);
			if (question?.type !== "ask" || !keys[0]) return;
			const answer = encodeDatagram({ type: "answer", node: "own", boot: 7n, nonce: question.nonce }, keys[0]);
			other.send(answer, from.port, from.address);
		});
		const peer = { address: "127.0.0.2", port: asked.address().port };
		await until(() => {
			prober.ask("own", peer);
			return answers.some(({ node, boot }) => node === "own" && boot === 7n);
		});
		asked.close();
		other.close();
	});

	it("are not answered to strangers, nor for another node", async () => {
		const port = peers.get("n1")?.port ?? 0;
		const stranger = new NodeProber({
			clock: realClock,
			keys: () => [signWith(Buffer.from("another key"))],
			onAnswered: (_, boot) => assert.equal(boot, undefined, "the kernel's refusal of the kubelet's port alone"),
		});
		for (let n = 0; n < 5; n++) {
			stranger.ask("n1", { address: "127.0.0.1", port });
			prober.ask("n9", { address: "127.0.0.1", port });
			await new Promise((resolve) => setTimeout(resolve, 20));
		}
		stranger.close();
		assert.ok(answers.every(({ boot, node }) => node !== "n9" || boot === undefined));
	});

	it("also hear of a control plane that a node is lost, once, and of none that nobody knows", async () => {
		const others = [...peers].filter(([name]) => name !== "n3").map(([, peer]) => peer);
		prober.tellLost("n9", others);
		prober.tellLost("n3", others);
		await until(() => toldLost.length === 2);
		await new Promise((resolve) => setTimeout(resolve, 300));
		assert.deepEqual(toldLost.toSorted(), ["n1: n3", "n2: n3"]);
	});

	it("are missed by all that listen when a node ends, whose machine still answers", async () => {
		nodes.get("n1")?.close();
		await until(() => names.slice(1).every((name) => silentAt.get(name)?.[0]?.node === "n1"));
		answers.length = 0;
		await until(() => {
			prober.ask("n1", peers.get("n1") ?? { address: "127.0.0.1" });
			return answers.some(({ node, boot }) => node === "n1" && boot === undefined);
		});
	});

	it("wait for a port that somebody else has", async () => {
		const holder = createSocket({ type: "udp6" });
		await new Promise<void>((resolve) => holder.bind(0, resolve));
		const { port } = holder.address();
		const late = new NodeHeartbeats(
			{ node: "n4", boot: 4n, port, keys: () => keys },
			{ clock: realClock, log: silentLog, onSilent: () => {} },
		);
		await late.open();
		assert.equal(late.status().port, undefined);
		await new Promise<void>((resolve) => holder.close(() => resolve()));
		await until(() => late.status().port === port);
		late.close();
	});
});

describe("a machine's boot", () => {
	it("is the same each time that it is asked for", () => {
		assert.equal(machineBoot(), machineBoot());
		assert.notEqual(machineBoot(), 0n);
	});
});
