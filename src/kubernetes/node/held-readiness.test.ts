import assert from "node:assert/strict";
import { type ChildProcess, execFile, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { after, afterEach, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { cannotRun } from "../../node/namespace-rig.testing.ts";
import { realClock } from "../../runtime/clock.ts";
import { VirtualClock } from "../../runtime/virtual-clock.ts";
import { HeldReadiness } from "./held-readiness.ts";

const name = `km-held-${process.pid}`;
const netns = `/run/netns/${name}`;

/** As Envoy on 15021: not ready for a moment. */
const envoy = `
	const readyMs = Date.now() + 200;
	require("http").createServer((request, response) => response.writeHead(Date.now() < readyMs ? 503 : 200).end())
		.listen(15021, "0.0.0.0", () => console.log("up"));`;

describe("the question for a pod's readiness before its Envoy is there", { skip: cannotRun }, () => {
	let running: ChildProcess | undefined;
	let held: HeldReadiness | undefined;
	before(() => {
		execFileSync("ip", ["netns", "add", name]);
		execFileSync("ip", ["-n", name, "link", "set", "lo", "up"]);
	});
	after(() => execFileSync("ip", ["netns", "delete", name]));
	afterEach(async () => {
		held?.close();
		running?.kill("SIGKILL");
		if (running) await once(running, "exit");
		running = undefined;
	});

	const open = (clock = realClock): HeldReadiness => {
		held = new HeldReadiness({ netns, ips: ["10.244.1.7"] }, clock);
		held.open();
		return held;
	};
	const ask = (path = "/healthz/ready"): Promise<string> => {
		const curl = ["curl", "-s", "-m", "5", "-o", "/dev/null", "-w", "%{http_code}", `http://127.0.0.1:15021${path}`];
		return new Promise((resolve) =>
			execFile("nsenter", [`--net=${netns}`, ...curl], (_, stdout) => resolve(stdout.trim())),
		);
	};
	const startEnvoy = async (): Promise<void> => {
		running = spawn("nsenter", [`--net=${netns}`, process.execPath, "-e", envoy], {
			stdio: ["ignore", "pipe", "inherit"],
		});
		if (running.stdout) await once(running.stdout, "data");
	};

	it("is answered at the moment at which Envoy says yes, though it was asked before Envoy began", async () => {
		const question = open();
		let answered = "";
		const answer = ask().then((status) => {
			answered = status;
		});
		await sleep(150);
		question.handOver();
		await startEnvoy();
		assert.equal(answered, "");
		await answer;
		assert.equal(answered, "200");
	});

	it("is answered no when it takes too long, and when the pod goes", async () => {
		const clock = new VirtualClock();
		const question = open(clock);
		const late = ask();
		await sleep(150);
		clock.advance(2_500);
		assert.equal(await late, "503");
		const leaving = ask();
		await sleep(150);
		question.close();
		assert.equal(await leaving, "503");
	});

	it("is Envoy's alone from the moment that Envoy comes", async () => {
		const question = open();
		assert.equal(await ask("/other"), "404");
		question.handOver();
		assert.equal(await ask(), "000");
		await startEnvoy();
		assert.equal(await ask(), "503");
		// Somebody has the port: no harm done.
		question.open();
		await sleep(50);
		question.close();
		assert.equal(await ask("/other").then((status) => status !== "404"), true);
	});
});
