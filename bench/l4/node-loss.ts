// Two nodes balance the same address; the one that has it dies and the other takes over, as when a virtual IP moves. Who of the
// connections that were open goes on? Nothing of the first node's memory is there: only a choice that both make alike helps.

import { execFileSync } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { layer4Key } from "../../src/l4/layer4-service.ts";
import type { SchedulerName } from "../../src/l4/scheduler.ts";
import type { Host, Rig } from "../../src/node/namespace-rig.testing.ts";
import { openBalancer, written } from "../../test/l4/open-balancer.ts";
import { type BenchRow, spreadOf } from "../support/bench-report.ts";
import type { ConnectionsReport } from "./connections-process.ts";
import { benchNode } from "./lane.ts";
import { LineProcess } from "./line-process.ts";
import { endpointAddress, endpointPort, oneService, serviceAddress, servicePort } from "./many-services.ts";

const runs = 3;
const endpoints = 10;
const held = 200;
/** Until the address is at the other node. */
const moveMs = 50;
const watchedMs = 4000;

export async function nodeLossRows(rig: Rig): Promise<readonly BenchRow[]> {
	const rows: BenchRow[] = [];
	for (const [scheduler, speaker] of [
		["maglev", "clients"],
		["maglev", "servers"],
		["random", "clients"],
	] as const) {
		const reports: ConnectionsReport[] = [];
		const times = scheduler === "maglev" ? runs : 1;
		const name = `node loss, ${scheduler}, ${speaker} speak`;
		for (let run = 0; run < times; run++)
			reports.push(await loseNode(rig, `${scheduler}-${speaker}-${run}`, scheduler, speaker));
		rows.push(
			{
				what: `${name}: of ${held} open connections go on`,
				unit: "%",
				spread: spreadOf(reports.map((report) => (100 * report.alive) / report.held)),
				...(scheduler === "maglev" ? { target: "100" } : {}),
			},
			{
				what: `${name}: their longest silence`,
				unit: "ms",
				spread: spreadOf(reports.map((report) => report.longestGapMs)),
			},
		);
	}
	return rows;
}

async function loseNode(
	rig: Rig,
	name: string,
	scheduler: SchedulerName,
	speaker: "clients" | "servers",
): Promise<ConnectionsReport> {
	const client = rig.addHost(`${name}-c`, "10.77.0.200");
	const servers = rig.addHost(`${name}-s`, "10.77.0.201");
	const nodes = [rig.addHost(`${name}-1`, "10.77.0.202"), rig.addHost(`${name}-2`, "10.77.0.203")] as const;
	servers.exec("ip", "route", "add", "local", "10.128.0.0/10", "dev", "lo");
	for (const host of [client, servers]) host.exec("sysctl", "-qw", "net.ipv4.conf.all.accept_redirects=0");
	const balancers = nodes.map((node) => {
		const settings = [
			"net.ipv4.ip_forward=1",
			"net.ipv4.conf.all.send_redirects=0",
			"net.ipv4.conf.eth0.send_redirects=0",
		];
		node.exec("sysctl", "-qw", ...settings, "net.netfilter.nf_conntrack_tcp_loose=1");
		node.exec("ip", "route", "add", "10.128.0.0/10", "via", servers.ip);
		// Without a word on pods nobody's source is hidden: servers answer through the node.
		const { localTraffic: _, ...facts } = benchNode;
		return openBalancer(node.netns, facts);
	});
	const wayThrough = (node: Host): void => {
		ip(client, "route", "replace", "10.96.0.0/14", "via", node.ip);
		ip(servers, "route", "replace", `${client.ip}/32`, "via", node.ip);
	};
	const echo = new LineProcess(servers.netns, "echo-process.ts");
	let clients: LineProcess | undefined;
	try {
		const numbers = Array.from({ length: endpoints }, (_, index) => endpointAddress(index + 1));
		const service = { ...oneService(0, numbers), scheduler };
		for (const balancer of balancers) {
			balancer.update(new Map([[layer4Key(service), service]]));
			await written(balancer);
		}
		await echo.tell(`${speaker === "clients" ? "listen" : "push"} 0.0.0.0 ${endpointPort}`);
		wayThrough(nodes[0]);
		clients = new LineProcess(client.netns, "connections-process.ts", [
			...[serviceAddress(0), servicePort, held, 0, speaker === "clients" ? 50 : 0].map(String),
		]);
		await clients.next();
		await sleep(500);
		ip(nodes[0], "link", "set", "eth0", "down");
		await sleep(moveMs);
		await clients.tell("mark");
		wayThrough(nodes[1]);
		await sleep(watchedMs);
		return JSON.parse(await clients.tell("report")) as ConnectionsReport;
	} finally {
		clients?.close();
		echo.close();
		for (const balancer of balancers) balancer.close({ keepRules: true });
		for (const host of [client, servers, ...nodes]) rig.removeHost(host);
	}
}

function ip(host: Host, ...words: readonly string[]): void {
	execFileSync("ip", ["-n", host.name, ...words]);
}
