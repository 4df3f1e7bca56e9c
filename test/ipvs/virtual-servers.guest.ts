// The same keepalived.conf run by keepalived 2.2 and by `keepmesh l4 run`, each in a namespace of its own: the kernel must hold the same
// virtual servers and destinations after each thing that happens.

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { run, saved } from "./ipvsadm.testing.ts";

const theirs = "vs-keepalived";
const ours = "vs-keepmesh";
const keepalived = "/usr/sbin/keepalived";
const directory = mkdtempSync("/tmp/virtual-servers-");
const file = (name: string): string => join(directory, name);
const real = (port: number, check: string, more = ""): string =>
	`	real_server 127.0.0.1 ${port} {\n${more}\n${check}\n	}\n`;
const tcp = "TCP_CHECK { }";
const http = "HTTP_GET {\n delay_before_retry 1\n url {\n path /\n status_code 200-499\n }\n }";
const misc = `MISC_CHECK {\n misc_path "/bin/sh -c 'exit \`cat ${file("code")}\`'"\n misc_dynamic\n }`;
const server = (head: string, body: string, ...servers: readonly string[]): string =>
	`virtual_server ${head} {
	delay_loop 1
	retry 1
	delay_before_retry 1
	connect_timeout 3
	warmup 0
	protocol TCP
${body}
${servers.join("")}}
`;

const conf = (weight = 3): string => `
global_defs {
	script_user root
}
virtual_server_group both {
	192.0.2.4 80
	192.0.2.6-7 8080
	fwmark 9
}
${server("192.0.2.1 80", "lvs_sched wrr\n lvs_method NAT\n sorry_server 127.0.0.9 80", real(8001, tcp, `weight ${weight}`), real(8002, http))}
${server("192.0.2.2 80", "lvs_sched wlc\n lvs_method DR\n persistence_timeout 50\n persistence_granularity 255.255.255.0\n inhibit_on_failure", real(80, "TCP_CHECK { connect_port 8001 }", "uthreshold 100\n lthreshold 50"))}
${server("fwmark 7", "lvs_sched sh\n sh-port\n lvs_method TUN", real(80, "TCP_CHECK { connect_port 8002 }"))}
${server("group both", "lvs_sched rr\n lvs_method NAT\n quorum 2\n hysteresis 1", real(8001, tcp), real(8002, tcp), real(8003, tcp))}
${server("192.0.2.5 80", "lvs_sched lc\n lvs_method NAT\n alpha", real(8001, tcp), real(8009, tcp))}
${server("192.0.2.8 80", "lvs_sched rr\n lvs_method NAT\n sorry_server 127.0.0.9 80\n sorry_server_inhibit\n inhibit_on_failure", real(8001, tcp), real(8002, misc, "weight 4"))}
`;

describe("virtual servers beside keepalived", {
	skip: existsSync(keepalived) ? false : "keepalived is not here",
}, () => {
	const servers = new Map<string, ChildProcess>();
	const programs = new Map<string, ChildProcess>();
	const inside = (namespace: string, ...command: readonly string[]): ChildProcess =>
		spawn("ip", ["netns", "exec", namespace, ...command], { stdio: ["ignore", "ignore", "inherit"] });
	const start = (port: number): void => {
		for (const namespace of [theirs, ours])
			servers.set(
				`${namespace} ${port}`,
				inside(namespace, "busybox", "httpd", "-f", "-p", `127.0.0.1:${port}`, "-h", directory),
			);
	};
	const end = async (child: ChildProcess | undefined, signal: NodeJS.Signals = "SIGKILL"): Promise<void> => {
		if (!child || child.exitCode !== null || child.signalCode !== null) return;
		const ended = once(child, "exit");
		child.kill(signal);
		await ended;
	};
	const stop = (port: number): Promise<unknown> =>
		Promise.all([theirs, ours].map((namespace) => end(servers.get(`${namespace} ${port}`))));
	/** Both the same, and as wanted, and so still a moment later. */
	const alike = async (what: string, isSo: (lines: readonly string[]) => boolean): Promise<readonly string[]> => {
		const startMs = performance.now();
		for (;;) {
			const [left, right] = [served(theirs), served(ours)];
			const same = left.join("\n") === right.join("\n");
			if (same && isSo(left)) {
				await new Promise((resolve) => setTimeout(resolve, 2500));
				assert.deepEqual(served(ours), served(theirs), `${what}, a moment later`);
				return left;
			}
			if (performance.now() - startMs > 40_000) {
				assert.deepEqual(right, left, what);
				assert.fail(`${what}: both have ${left.join("; ")}`);
			}
			await new Promise((resolve) => setTimeout(resolve, 200));
		}
	};
	/** Without virtual servers that nobody serves: keepalived leaves them there, and here they are refused by a rule. */
	const served = (namespace: string): readonly string[] => {
		const lines = saved(namespace);
		const name = (line: string): string => line.split(" ").slice(1, 3).join(" ");
		return lines.filter((line) => lines.some((other) => other.startsWith("-a ") && name(other) === name(line)));
	};
	const has = (lines: readonly string[], ...wanted: readonly string[]): boolean =>
		wanted.every((part) => lines.some((line) => line.includes(part)));

	before(async () => {
		for (const namespace of [theirs, ours]) {
			run("ip", "netns", "add", namespace);
			run("ip", "-n", namespace, "link", "set", "lo", "up");
		}
		writeFileSync(file("code"), "6");
		writeFileSync(file("keepalived.conf"), conf());
		for (const port of [8001, 8002, 8003]) start(port);
		const main = `import("/work/src/app/l4-main.ts").then(async (l4) => {
			process.exitCode = await l4.runVirtualServers(["--keepalived-conf", "${file("keepalived.conf")}", "--backend", "ipvs", "--state", "${file("state")}"]);
		});`;
		const node = ["node", "--no-warnings", "--import=/work/load-stripped.js", "-e", main];
		programs.set(ours, inside(ours, ...node));
		const pids = ["-p", file("ka.pid"), "-c", file("ka-checker.pid")];
		programs.set(theirs, inside(theirs, keepalived, "-n", "-l", "-C", "-f", file("keepalived.conf"), ...pids));
	});
	after(async () => {
		for (const child of [...programs.values(), ...servers.values()]) await end(child);
		for (const namespace of [theirs, ours]) run("ip", "netns", "delete", namespace);
		rmSync(directory, { recursive: true });
	});

	it("have the same at the start, once everything was checked", async () => {
		const lines = await alike("the start", (found) =>
			has(
				found,
				"-a -t 192.0.2.1:80 -r 127.0.0.1:8001 -m -w 3",
				"-a -t 192.0.2.8:80 -r 127.0.0.1:8002 -m -w 4",
				"-a -t 192.0.2.8:80 -r 127.0.0.9:80 -m -w 0",
				"-a -t 192.0.2.5:80 -r 127.0.0.1:8001",
				"-a -t 192.0.2.7:8080 -r 127.0.0.1:8003",
				"-a -f 9 -r 127.0.0.1",
				"-a -f 7 -r 127.0.0.1:0 -i",
				"-A -t 192.0.2.2:80 -s wlc -p 50 -M 255.255.255.0",
			),
		);
		assert.equal(has(lines, "127.0.0.1:8009"), false, "alpha keeps out who was never good");
	});
	// Before a script has changed a weight: keepalived 2.2.7 subtracts that twice when it reloads.
	it("have the same after a reload", async () => {
		writeFileSync(file("keepalived.conf"), conf(5).replace(/virtual_server fwmark 7[\s\S]*?\n\}\n/, ""));
		for (const child of programs.values()) child.kill("SIGHUP");
		const lines = await alike("the reload", (found) => has(found, "-a -t 192.0.2.1:80 -r 127.0.0.1:8001 -m -w 5"));
		assert.equal(has(lines, "-f 7"), false);
	});
	it("have the same when a script says another weight", async () => {
		writeFileSync(file("code"), "22");
		await alike("weight 20", (found) => has(found, "-a -t 192.0.2.8:80 -r 127.0.0.1:8002 -m -w 20"));
	});
	it("have the same when one server has died", async () => {
		await stop(8001);
		const lines = await alike("8001 is gone", (found) => has(found, "-a -t 192.0.2.2:80 -r 127.0.0.1:80 -g -w 0"));
		assert.equal(has(lines, "127.0.0.1:8001 -m -w 1"), false);
	});
	it("have the same when all have died: sorry servers, weights of 0", async () => {
		await Promise.all([stop(8002), stop(8003)]);
		writeFileSync(file("code"), "1");
		await alike("all are gone", (found) =>
			has(found, "-a -t 192.0.2.1:80 -r 127.0.0.9:80 -m -w 1", "-a -t 192.0.2.8:80 -r 127.0.0.9:80 -m -w 1"),
		);
	});
	it("have the same when they are back", async () => {
		for (const port of [8001, 8002, 8003]) start(port);
		writeFileSync(file("code"), "0");
		const lines = await alike("all are back", (found) =>
			has(found, "-a -t 192.0.2.1:80 -r 127.0.0.1:8001 -m -w 5", "-a -t 192.0.2.8:80 -r 127.0.0.9:80 -m -w 0"),
		);
		assert.equal(has(lines, "-a -t 192.0.2.1:80 -r 127.0.0.9"), false);
	});
	it("leave nothing behind", async () => {
		await Promise.all([...programs.values()].map((child) => end(child, "SIGTERM")));
		assert.deepEqual([saved(theirs), saved(ours)], [[], []]);
	});
});
