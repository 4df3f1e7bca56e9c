import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, describe, it } from "node:test";
import { cannotRun, createRig, type Rig } from "../node/namespace-rig.testing.ts";

const program = join(import.meta.dirname, "../../bin/keepmesh.ts");
const server = (address: string): string =>
	`virtual_server ${address} 80 {\n protocol TCP\n lvs_sched rr\n real_server 10.77.0.2 80 {\n }\n}\n`;

describe("keepmesh vip run with virtual_server blocks", { skip: cannotRun }, () => {
	let rig: Rig;
	let vip: ChildProcess;
	const file = (name: string): string => join(rig.directory, name);
	const start = async (): Promise<void> => {
		const flags = ["--keepalived-conf", file("keepalived.conf"), "--state", file("state"), "--l4-backend", "nftables"];
		const command = [
			process.execPath,
			"--no-warnings",
			program,
			"vip",
			"run",
			...flags,
			"--no-real-time",
			"--no-watchdog",
		];
		vip = spawn("nsenter", [`--net=/run/netns/${rig.hub}`, "--", ...command], { stdio: ["ignore", "ignore", "pipe"] });
		if (!vip.stderr) return;
		for await (const line of createInterface({ input: vip.stderr })) {
			if (line.includes("virtual IPs run")) break;
			if (line.startsWith("error:")) throw new Error(line);
		}
		vip.stderr.resume();
	};
	const end = async (signal: NodeJS.Signals): Promise<void> => {
		if (vip.exitCode !== null || vip.signalCode !== null) return;
		const ended = once(vip, "exit");
		vip.kill(signal);
		await ended;
	};
	/** Of the process of virtual servers; undefined while it does not answer. */
	const names = (): Promise<readonly string[] | undefined> =>
		new Promise((resolve) => {
			request({ socketPath: file("state/l4.sock"), path: "/status" }, async (response) => {
				let text = "";
				for await (const part of response) text += part;
				const { virtualServers } = JSON.parse(text) as { virtualServers: { virtualServer: string }[] };
				resolve(virtualServers.map(({ virtualServer }) => virtualServer));
			})
				.on("error", () => resolve(undefined))
				.end();
		});
	const until = async (wanted: readonly string[] | undefined): Promise<void> => {
		const startMs = performance.now();
		for (;;) {
			const now = await names();
			if (JSON.stringify(now) === JSON.stringify(wanted)) return;
			if (performance.now() - startMs > 8000) assert.deepEqual(now, wanted);
			await new Promise((resolve) => setTimeout(resolve, 20));
		}
	};
	const tables = (): string =>
		execFileSync("nsenter", [`--net=/run/netns/${rig.hub}`, "nft", "list", "tables"], { encoding: "utf8" });
	const processOfServers = (): string =>
		execFileSync("sh", ["-c", `cat ${file("state/l4-process.json")}`], { encoding: "utf8" });

	before(async () => {
		rig = createRig();
		writeFileSync(file("keepalived.conf"), server("10.78.0.1"));
		await start();
	});
	after(() => {
		vip?.kill("SIGKILL");
		rig?.close();
	});

	it("starts a second process that balances them", async () => {
		await until(["virtual_server 10.78.0.1 80 TCP"]);
		assert.match(tables(), /keepmesh-virtual-servers/);
	});
	it("hands a reload on to it, also one that concerns no virtual IP", async () => {
		writeFileSync(file("keepalived.conf"), `${server("10.78.0.1")}${server("10.78.0.2")}`);
		vip.kill("SIGHUP");
		await until(["virtual_server 10.78.0.1 80 TCP", "virtual_server 10.78.0.2 80 TCP"]);
	});
	it("leaves it working when it is killed itself, and finds it again", async () => {
		const before = processOfServers();
		await end("SIGKILL");
		assert.notEqual(await names(), undefined);
		await start();
		await until(["virtual_server 10.78.0.1 80 TCP", "virtual_server 10.78.0.2 80 TCP"]);
		assert.equal(processOfServers(), before);
	});
	it("ends it when the last block is gone, and starts it for the next one", async () => {
		writeFileSync(file("keepalived.conf"), "global_defs {\n router_id x\n}\n");
		vip.kill("SIGHUP");
		await until(undefined);
		writeFileSync(file("keepalived.conf"), server("10.78.0.3"));
		vip.kill("SIGHUP");
		await until(["virtual_server 10.78.0.3 80 TCP"]);
	});
	it("takes it with it on SIGTERM, and its rules", async () => {
		await end("SIGTERM");
		assert.equal(await names(), undefined);
		assert.equal(tables(), "");
	});
});
