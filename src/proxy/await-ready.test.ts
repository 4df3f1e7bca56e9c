import assert from "node:assert/strict";
import { createServer, type Server } from "node:http";
import { afterEach, describe, it } from "node:test";
import { awaitReady } from "./await-ready.ts";

describe("the hook that an application waits for", () => {
	const servers: Server[] = [];
	let count = 0;
	let name = "";
	afterEach(() => {
		for (const server of servers.splice(0)) server.close();
	});
	/** An agent that gives these answers, one after the other, and the last one again. */
	const agent = async (...statuses: readonly number[]): Promise<() => number> => {
		let asked = 0;
		const server = createServer((_, response) => {
			response.writeHead(statuses[Math.min(asked++, statuses.length - 1)] ?? 500).end("a word\n");
		});
		servers.push(server);
		await new Promise<void>((listening) => server.listen(`\0${name}`, listening));
		return () => asked;
	};
	const hook = (isReady: () => boolean, mostAloneMs = 30_000): Promise<boolean> =>
		awaitReady({ socket: `@${name}`, say: () => {}, isReady: async () => isReady(), mostAloneMs });
	const newName = (): void => {
		name = `keepmesh-await-${process.pid}-${++count}`;
	};

	it("ends when the agent says so and Envoy too, which may be a moment later", async () => {
		newName();
		const asked = await agent(503, 503, 200);
		let looks = 0;
		assert.equal(await hook(() => ++looks === 3), true);
		assert.deepEqual([asked(), looks], [3, 3]);
	});

	it("takes Envoy's own word where the agent is away, or of a version that does not know the question", async () => {
		newName();
		let looks = 0;
		assert.equal(await hook(() => ++looks === 3), true);
		await agent(404);
		assert.equal(await hook(() => ++looks === 6), true);
	});

	it("does not take Envoy's own word against the agent's", async () => {
		newName();
		await agent(503, 410);
		assert.equal(await hook(() => true), false);
	});

	it("gives up after a while without an agent, for nobody would tell it that the pod is being deleted", async () => {
		newName();
		assert.equal(await hook(() => false, 200), false);
	});
});
