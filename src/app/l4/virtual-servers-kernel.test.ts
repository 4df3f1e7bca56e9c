import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, describe, it } from "node:test";
import { cannotRun, createRig, type Rig } from "../../node/namespace-rig.testing.ts";

// A director with the address, three real servers and a sorry server behind it, a client before it. Answers come back through the
// director, as LVS with NAT needs it.
const address = "10.78.0.100";
const servers = ["10.77.0.11", "10.77.0.12", "10.77.0.13"];
const sorry = "10.77.0.19";

const serverProgram = `require("node:http").createServer((q, s) => {
	s.writeHead(200, { "content-type": "text/plain" }).end(process.argv[1]);
}).listen(8080, () => console.log("ready"));`;
/** A number on a line: so many connections, one after the other; who answered goes out. */
const clientProgram = `require("node:readline").createInterface({ input: process.stdin }).on("line", async (line) => {
	const answers = [];
	for (let left = Number(line); left > 0; left--) answers.push(await new Promise((resolve) => {
		const socket = require("node:net").connect(80, "${address}");
		let text = "";
		socket.setTimeout(2000, () => { socket.destroy(); resolve("timeout"); });
		socket.on("error", (error) => resolve(error.code));
		socket.on("data", (bytes) => { text += bytes; });
		socket.on("end", () => resolve(text.split("\\r\\n\\r\\n")[1]));
		socket.write("GET / HTTP/1.0\\r\\n\\r\\n");
	}));
	console.log(JSON.stringify(answers));
});`;

describe("virtual servers by nftables", { skip: cannotRun }, () => {
	let rig: Rig;
	let client: ChildProcess;
	let director: ChildProcess;
	const running = new Map<string, ChildProcess>();
	const waiting: ((line: string) => void)[] = [];
	const inside = (namespace: string, ...command: readonly string[]): ChildProcess =>
		spawn("nsenter", [`--net=/run/netns/${namespace}`, "--", ...command], { stdio: ["pipe", "pipe", "inherit"] });
	const startServer = async (ip: string): Promise<void> => {
		const child = inside(names.get(ip) ?? "", process.execPath, "-e", serverProgram, ip);
		running.set(ip, child);
		if (child.stdout) await once(child.stdout, "data");
	};
	const stopServer = async (ip: string): Promise<void> => {
		const child = running.get(ip);
		if (!child || child.exitCode !== null || child.signalCode !== null) return;
		const ended = once(child, "exit");
		child.kill("SIGKILL");
		await ended;
	};
	const names = new Map<string, string>();
	const ask = async (count: number): Promise<readonly string[]> => {
		const line = new Promise<string>((resolve) => waiting.push(resolve));
		client.stdin?.write(`${count}\n`);
		return JSON.parse(await line) as string[];
	};
	const answering = async (count = 12): Promise<string> => [...new Set(await ask(count))].sort().join(" ");
	/** Asks until it is so; how long that took. */
	const until = async (wanted: string, atMostMs: number): Promise<number> => {
		const startMs = performance.now();
		let seen = "";
		while (performance.now() - startMs < atMostMs) {
			seen = await answering();
			if (seen === wanted) return performance.now() - startMs;
			await new Promise((resolve) => setTimeout(resolve, 20));
		}
		assert.equal(seen, wanted, `within ${atMostMs} ms`);
		return atMostMs;
	};
	const file = (name: string): string => join(rig.directory, name);
	const said = (): string => readFileSync(file("said"), "utf8").trim().split("\n").join(" ");
	/** Scripts are started and left alone: what they say comes a moment later. */
	const untilSaid = async (wanted: string): Promise<void> => {
		for (let waitedMs = 0; said() !== wanted && waitedMs < 5000; waitedMs += 20)
			await new Promise((resolve) => setTimeout(resolve, 20));
		assert.equal(said(), wanted);
	};
	const status = (): Promise<{ virtualServers: { realServers: { alive: boolean }[] }[]; backend: string }> =>
		new Promise((resolve, reject) => {
			request({ socketPath: file("state/l4.sock"), path: "/status" }, async (response) => {
				let text = "";
				for await (const part of response) text += part;
				resolve(JSON.parse(text));
			})
				.on("error", reject)
				.end();
		});
	const startDirector = async (...flags: readonly string[]): Promise<void> => {
		const program = join(import.meta.dirname, "../../../bin/keepmesh.ts");
		const state = ["--state", file("state"), "--keepalived-conf", file("keepalived.conf"), "--backend", "nftables"];
		director = spawn(
			"nsenter",
			[
				`--net=/run/netns/${rig.hub}`,
				"--",
				process.execPath,
				"--no-warnings",
				program,
				"l4",
				"run",
				...state,
				...flags,
			],
			{ stdio: ["ignore", "ignore", "pipe"] },
		);
		if (!director.stderr) return;
		for await (const line of createInterface({ input: director.stderr })) {
			if (line.includes("virtual servers run")) break;
			if (line.startsWith("error:")) throw new Error(line);
		}
		director.stderr.resume();
	};
	const stopDirector = async (): Promise<void> => {
		if (director.exitCode !== null || director.signalCode !== null) return;
		const ended = once(director, "exit");
		director.kill("SIGTERM");
		await ended;
	};
	const conf = (more = "") => `
virtual_server ${address} 80 {
	delay_loop 0.2
	warmup 0
	connect_timeout 2
	retry 1
	delay_before_retry 0.1
	lvs_sched rr
	lvs_method NAT
	protocol TCP
	quorum_up "/bin/sh -c 'echo up >> ${file("said")}'"
	quorum_down "/bin/sh -c 'echo down >> ${file("said")}'"
	sorry_server ${sorry} 8080
	${more}
	real_server ${servers[0]} 8080 {
		TCP_CHECK { }
	}
	real_server ${servers[1]} 8080 {
		HTTP_GET {
			retry 1
			url {
				path /
				status_code 200
			}
		}
	}
	real_server ${servers[2]} 8080 {
		TCP_CHECK { }
		PING_CHECK { }
	}
}`;

	before(async () => {
		rig = createRig();
		const hub = (...args: readonly string[]): void => void execFileSync("ip", ["-n", rig.hub, ...args]);
		for (const [index, ip] of [...servers, sorry].entries()) names.set(ip, rig.addHost(`real${index}`, ip).name);
		const outside = rig.hub.replace(/hub$/, "client");
		execFileSync("ip", ["netns", "add", outside]);
		rig.keep(outside);
		hub("link", "add", "outside", "type", "veth", "peer", "name", "eth0", "netns", outside);
		hub("address", "add", "10.78.0.1/24", "dev", "outside");
		hub("address", "add", `${address}/32`, "dev", "outside");
		hub("link", "set", "outside", "up");
		execFileSync("ip", ["-n", outside, "address", "add", "10.78.0.2/24", "dev", "eth0"]);
		execFileSync("ip", ["-n", outside, "link", "set", "eth0", "up"]);
		execFileSync("nsenter", [`--net=/run/netns/${rig.hub}`, "sysctl", "-qw", "net.ipv4.ip_forward=1"]);
		await Promise.all([...servers, sorry].map(startServer));
		client = inside(outside, process.execPath, "-e", clientProgram);
		if (client.stdout) createInterface({ input: client.stdout }).on("line", (line) => waiting.shift()?.(line));
		writeFileSync(file("said"), "");
		writeFileSync(file("keepalived.conf"), conf());
		await startDirector();
	});
	after(async () => {
		director?.kill("SIGKILL");
		client?.kill("SIGKILL");
		for (const child of running.values()) child.kill("SIGKILL");
		rig?.close();
	});

	it("spread connections over all real servers, and say that there is a quorum", async () => {
		assert.equal(await answering(), servers.join(" "));
		await untilSaid("up");
		assert.equal((await status()).backend, "nftables");
	});
	it("send no more connections to a server that dies, within the time of its checks", async (t) => {
		await stopServer(servers[0] ?? "");
		// 1 s until the first check after the start, 0.2 s between checks, 0.1 s before the retry.
		const tookMs = await until(servers.slice(1).join(" "), 8000);
		t.diagnostic(`out after ${Math.round(tookMs)} ms`);
		assert.deepEqual(
			(await status()).virtualServers[0]?.realServers.map(({ alive }) => alive),
			[false, true, true],
		);
	});
	it("send it connections again when it is back", async () => {
		await startServer(servers[0] ?? "");
		await until(servers.join(" "), 8000);
	});
	it("send everybody to the sorry server when all are dead, and the script hears of it", async () => {
		await Promise.all(servers.map(stopServer));
		await until(sorry, 8000);
		await untilSaid("up down");
		await Promise.all(servers.map(startServer));
		await until(servers.join(" "), 8000);
		await untilSaid("up down up");
	});
	it("follow the file: a server that it names no more gets no connections, and no other is asked anew", async () => {
		writeFileSync(file("keepalived.conf"), conf().replace(/real_server 10\.77\.0\.12[\s\S]*?\n\t\}/, ""));
		await until(`${servers[0]} ${servers[2]}`, 8000);
		assert.equal(said(), "up down up");
	});
	it("keep what is in force when an edit breaks the file", async () => {
		writeFileSync(file("keepalived.conf"), conf("lvs_sched nonsense"));
		await new Promise((resolve) => setTimeout(resolve, 500));
		assert.equal(await answering(), `${servers[0]} ${servers[2]}`);
		writeFileSync(file("keepalived.conf"), conf());
		await until(servers.join(" "), 8000);
	});
	it("go on being balanced without the process where --keep-rules says so, and a new run takes them over", async () => {
		await stopDirector();
		assert.equal(await answering(), "ECONNREFUSED", "without it the rules are gone");
		await startDirector("--keep-rules");
		await stopDirector();
		assert.equal(await answering(), servers.join(" "));
		await startDirector();
		assert.equal(await answering(), servers.join(" "));
	});
	it("leave no table behind", async () => {
		await stopDirector();
		const tables = execFileSync("nsenter", [`--net=/run/netns/${rig.hub}`, "nft", "list", "tables"], {
			encoding: "utf8",
		});
		assert.equal(tables, "");
	});
});
