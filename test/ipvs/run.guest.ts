// `keepmesh l4 run` with a KubeProxyConfiguration of mode ipvs: what ipvsadm says, who answers, what a restart takes over and what a
// clean-up leaves.

import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Host } from "./host.testing.ts";
import { run, saved } from "./ipvsadm.testing.ts";
import { addresses, type BalancingNode, network } from "./network.testing.ts";

const web = { address: "10.96.7.1", port: 80 };
const plain = { address: "10.96.7.2", port: 80 };
const late = { address: "10.96.7.3", port: 80 };
const foreign = "-A -t 192.0.2.9:80 -s wlc";
const configuration = `apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: ipvs
healthzBindAddress: 127.0.0.1:10256
metricsBindAddress: 127.0.0.1:10249
ipvs:
  scheduler: lc
  strictARP: true
  tcpTimeout: 1000s
  tcpFinTimeout: 60s
  udpTimeout: 100s
  excludeCIDRs: [192.0.2.0/24]
`;

describe("keepmesh l4 run on IPVS", () => {
	const directory = mkdtempSync("/tmp/l4-run-");
	const resources = join(directory, "services.yaml");
	const state = join(directory, "state");
	let far: Host;
	let node: BalancingNode;
	let running: ChildProcess | undefined;
	let said = "";
	const command = (...flags: readonly string[]) => [
		...["netns", "exec", "node", "node", "--no-warnings", "--import=/work/load-stripped.js"],
		...["/work/bin/keepmesh.ts", "l4", "run", "--state", state, ...flags],
	];
	const start = () => {
		const flags = ["-f", resources, "--node", "node", "--kube-proxy-config", join(directory, "kube-proxy.yaml")];
		running = spawn("ip", command(...flags), { stdio: ["ignore", "ignore", "pipe"] });
		running.stderr?.setEncoding("utf8").on("data", (text: string) => {
			said += text;
		});
	};
	const end = async (signal: NodeJS.Signals) => {
		if (!running) return;
		const ended = once(running, "exit");
		running.kill(signal);
		await ended;
		running = undefined;
	};
	const write = (...services: readonly string[]) => {
		writeFileSync(`${resources}.new`, services.join("---\n"));
		renameSync(`${resources}.new`, resources);
	};
	const until = async (lines: readonly string[]) => {
		const endMs = performance.now() + 60_000;
		while (saved("node").join("\n") !== [...lines].sort().join("\n")) {
			assert.ok(performance.now() < endMs, `${saved("node").join("\n")}\n${said.slice(-2000)}`);
			await sleep(100);
		}
	};
	const setting = (name: string) => run("ip", "netns", "exec", "node", "sysctl", "-n", `net.ipv4.${name}`).trim();
	const settings = () => ["conf.all.arp_ignore", "conf.all.arp_announce", "vs.conn_reuse_mode"].map(setting).join(" ");
	const virtualServer = ({ address }: typeof web, ...servers: readonly string[]) => [
		`-A -t ${address}:80 -s lc`,
		...servers.map((server) => `-a -t ${address}:80 -r ${server}:8080 -m -w 1`),
	];

	before(async () => {
		({ far, node } = await network());
		run("ip", "netns", "exec", "node", "sysctl", "-w", "net.ipv4.vs.conn_reuse_mode=0");
		run("ip", "netns", "exec", "node", "ipvsadm", "-A", "-t", "192.0.2.9:80", "-s", "wlc");
		writeFileSync(join(directory, "kube-proxy.yaml"), configuration);
		write(
			service("web", web.address, [addresses.s1, addresses.s2]),
			service("plain", plain.address, [addresses.s1], "keepmesh.io/l4-backend: nftables"),
		);
		start();
	});
	after(async () => {
		await end("SIGKILL");
		// The rules that lead to local routes went with the clean-up: for the tests that come, they are there again.
		node.clear();
		run("ip", "netns", "exec", "node", "sysctl", "-w", "net.ipv4.vs.conn_reuse_mode=1");
		rmSync(directory, { recursive: true });
	});

	it("has the Services as virtual servers, with the scheduler, the time-outs and strict ARP that it is told", async () => {
		await until([foreign, ...virtualServer(web, addresses.s1, addresses.s2)]);
		assert.match(
			run("ip", "netns", "exec", "node", "ipvsadm", "--list", "--timeout"),
			/Timeout \(tcp tcpfin udp\): 1000 60 100/,
		);
		assert.equal(settings(), "1 2 1");
		assert.deepEqual(Object.keys(await far.tally(6, web)).sort(), ["s1", "s2"]);
	});

	it("leaves the Service to nftables whose annotation says so", async () => {
		assert.deepEqual(await far.tally(2, plain), { s1: 2 });
	});

	it("is survived by its rules when it is killed, and the next run takes them over", async () => {
		const answer = await far.call("open", { id: "kept", ...web });
		await end("SIGKILL");
		assert.match(await far.ask(web), /^s[12] /);
		write(service("web", web.address, [addresses.s1, addresses.s2]), service("late", late.address, [addresses.s2]));
		start();
		await until([foreign, ...virtualServer(web, addresses.s1, addresses.s2), ...virtualServer(late, addresses.s2)]);
		assert.equal(await far.call("say", { id: "kept" }), answer);
		assert.deepEqual(await far.tally(2, late), { s2: 2 });
		await far.call("abort", { id: "kept" });
	});

	it("leaves nothing of its own after a clean-up, and all of others", async () => {
		await end("SIGTERM");
		assert.match(await far.ask(web), /^s[12] /);
		execFileSync("ip", command("--clean-up"), { encoding: "utf8", stdio: ["ignore", "ignore", "inherit"] });
		assert.deepEqual(saved("node"), [foreign]);
		assert.equal(settings(), "0 0 0");
		assert.doesNotMatch(run("ip", "netns", "exec", "node", "nft", "list", "tables"), /keepmesh-l4/);
		assert.doesNotMatch(run("ip", "-n", "node", "rule") + run("ip", "-6", "-n", "node", "rule"), /19277/);
		assert.equal(run("ip", "-n", "node", "route", "show", "type", "local", "table", "all").includes("10.96.7."), false);
	});
});

function service(name: string, address: string, endpoints: readonly string[], annotation?: string): string {
	return `apiVersion: v1
kind: Service
metadata: { name: ${name}${annotation === undefined ? "" : `, annotations: { ${annotation} }`} }
spec: { clusterIP: ${address}, ports: [{ port: 80, targetPort: 8080 }] }
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: ${name}-1, labels: { kubernetes.io/service-name: ${name} } }
addressType: IPv4
ports: [{ port: 8080 }]
endpoints: [${endpoints.map((one) => `{ addresses: [${one}] }`).join(", ")}]
`;
}
