import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server, type ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { realClock } from "../../runtime/clock.ts";
import type { ProcessorLook } from "../is-starved.ts";
import { SpareWatch } from "./spare-watch.ts";

describe("the watch on the spare", () => {
	let directory = "";
	let server: Server;
	let watch: SpareWatch;
	let said: string[] = [];
	const held: ServerResponse[] = [];
	let isSilent = false;

	beforeEach(() => {
		directory = mkdtempSync(join(tmpdir(), "kmw-"));
		said = [];
		isSilent = false;
		server = createServer((_, response) => {
			if (isSilent) held.push(response);
			else response.end();
		});
	});
	afterEach(() => {
		watch.close();
		server.close();
		server.closeAllConnections();
		rmSync(directory, { recursive: true, force: true });
	});
	const socketPath = () => join(directory, "w.sock");
	const listen = () => new Promise<void>((resolve) => server.listen(socketPath(), resolve));
	const begin = (look?: () => ProcessorLook | undefined) => {
		watch = new SpareWatch(
			{
				socketPath: socketPath(),
				intervalMs: 5,
				silentMs: 60,
				hangMs: 200,
				onHeard: () => said.push("heard"),
				onSilent: () => said.push("silent"),
				onHung: () => said.push("hung"),
				...(look ? { look } : {}),
			},
			realClock,
		);
	};
	const until = async (...words: readonly string[]) => {
		for (let tries = 0; tries < 1000 && said.join() !== words.join(); tries++) await sleep(5);
		assert.deepEqual(said, words);
	};

	it("says nothing of one that has not begun to listen, and hears it when it does", async () => {
		begin();
		await sleep(120);
		assert.deepEqual(said, []);
		await listen();
		await until("heard");
	});

	it("says when it is silent, and when it is heard again", async () => {
		await listen();
		begin();
		await until("heard");
		isSilent = true;
		await until("heard", "silent");
		isSilent = false;
		for (const response of held.splice(0)) response.end();
		await until("heard", "silent", "heard");
	});

	it("says that it hangs, once, after a longer time", async () => {
		await listen();
		begin();
		await until("heard");
		isSilent = true;
		await until("heard", "silent", "hung");
		await sleep(60);
		assert.equal(said.length, 3);
	});

	it("does not take one that waits for a processor for a silent one", async () => {
		let ranMs = 0;
		let share = 0;
		const look = (): ProcessorLook => {
			ranMs += share;
			return { atMs: performance.now(), workers: new Map([["1", { ranMs, waitedMs: 0, isRunnable: true }]]) };
		};
		await listen();
		begin(look);
		await until("heard");
		isSilent = true;
		await sleep(150);
		assert.deepEqual(said, ["heard"]);
		share = 1e6;
		await until("heard", "silent", "hung");
	});
});
