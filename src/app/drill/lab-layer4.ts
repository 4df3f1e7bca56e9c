// Layer 4 of the drills, made of a lab: servers without proxies, callers inside and outside, and the rules of the nodes' kernels as
// their agents tell them.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { openConntrackTable } from "../../kernel/linux/conntrack/conntrack-table.ts";
import { runCommand } from "../../kernel/run-command.ts";
import { setPort } from "../../lab/crash-node.ts";
import type { DrillLayer4 } from "../../lab/drill/drill-layer4.ts";
import type { Lab } from "../../lab/lab.ts";
import { runDirectory } from "../../lab/lab-record.ts";
import { netnsPath } from "../../lab/network.ts";
import { callAgent } from "../../lab/node-agent-client.ts";
import type { Layer4Status } from "../../node/layer4/layer4-status.ts";

export interface LabLayer4 extends DrillLayer4 {
	/** Who sends, and to what address. */
	loadOf(load: "newConnections" | "keptConnections"): Promise<Layer4Load>;
}

export interface Layer4Load {
	readonly from: string;
	readonly host: string;
	readonly port: number;
	readonly newConnections: boolean;
}

const yamlFile = fileURLToPath(new URL("../../../samples/drill/layer4.yaml", import.meta.url));
const limitMs = 20_000;
const port = 80;
const callersNode = "node-1";
/** It takes over when the callers' node is lost. */
const otherNode = "node-2";
const serversNode = "node-3";

export async function labLayer4(lab: Lab): Promise<LabLayer4> {
	const outcome = await lab.apply(readFileSync(yamlFile, "utf8"), "layer4.yaml");
	if (!outcome.ok) throw new Error(outcome.problems.map(({ message }) => message).join("; "));
	const pending = await lab.untilRolledOut(limitMs);
	if (pending.length > 0) throw new Error(`not ready: ${pending.join(", ")}`);
	const { nodes, client } = await lab.status();
	let steady = "";
	const nodeOf = (name: string) => {
		const node = nodes.find((one) => one.name === name);
		if (!node) throw new Error(`the lab has no ${name}`);
		return node;
	};
	const ip = async (netns: string, ...words: readonly string[]): Promise<void> => {
		const { code, stderr } = await runCommand("ip", ["-n", netns, ...words]);
		if (code !== 0) throw new Error(stderr.trim());
	};
	/** Through which node the client outside reaches Services, and servers reach it. */
	const leadThrough = async (node: string, address: string): Promise<void> => {
		const via = nodeOf(node).address;
		await Promise.all([
			ip(client.netns, "route", "replace", address, "via", via),
			ip(nodeOf(serversNode).netns, "route", "replace", client.address, "via", via),
		]);
	};

	async function status(node: string): Promise<Layer4Status> {
		const call = { method: "GET", path: "/layer4" };
		const answer = await callAgent(join(runDirectory(lab.name), node), call, AbortSignal.timeout(limitMs));
		if (!answer.ok) throw new Error(`${node}: ${answer.because}`);
		return answer.body as Layer4Status;
	}
	async function service(node: string, name: string) {
		const { services } = await status(node);
		const found = services.find((one) => one.service.namespace === "default" && one.service.name === name)?.service;
		const ready = found?.ports.flatMap(({ endpoints }) => endpoints).filter((endpoint) => endpoint.ready) ?? [];
		return { address: found?.clusterAddresses[0], ready: ready.map(({ address }) => address) };
	}
	async function until(what: string, is: () => Promise<boolean>): Promise<void> {
		const endMs = performance.now() + limitMs;
		while (!(await is())) {
			if (performance.now() > endMs) throw new Error(`never: ${what}`);
			await sleep(10);
		}
	}
	async function addressOf(name: string): Promise<string> {
		for (const { name: node } of nodes)
			await until(`${node} balances ${name}`, async () => (await service(node, name)).ready.length === 4);
		return (await service(callersNode, name)).address ?? "";
	}

	return {
		loadOf: async (load) => {
			if (load === "newConnections")
				return { from: "caller", host: await addressOf("plain"), port, newConnections: true };
			steady = await addressOf("steady");
			await leadThrough(callersNode, steady);
			return { from: "client", host: steady, port, newConnections: false };
		},
		crashBackend: async () => {
			const pod = (await lab.pods()).find(
				({ labels, readySinceMs, deletedMs }) =>
					labels.app === "plain" && readySinceMs !== undefined && deletedMs === undefined,
			);
			if (!pod) throw new Error("no server is ready");
			const isIn = async (): Promise<boolean> => (await service(callersNode, "plain")).ready.includes(pod.address);
			const faultMs = performance.now();
			await lab.signalPod(pod.namespace, pod.name, "SIGKILL");
			await until("the dead server leaves the rules", async () => !(await isIn()));
			const outMs = performance.now() - faultMs;
			await until("the server is back", isIn);
			return { outMs, backMs: performance.now() - faultMs };
		},
		loseNode: async () => {
			await setPort(lab, callersNode, "down");
			// A machine that dies forgets its connections.
			forgetConnections(netnsPath(nodeOf(callersNode).netns));
			await leadThrough(otherNode, steady);
		},
		repairNode: async () => {
			await setPort(lab, callersNode, "up");
			await leadThrough(callersNode, steady);
		},
	};
}

function forgetConnections(netns: string): void {
	const opened = openConntrackTable({ netns });
	if (!opened.ok) throw new Error(opened.message);
	const forgotten = opened.value.deleteWhere({}, () => true);
	opened.value.close();
	if (!forgotten.ok) throw new Error(forgotten.message);
}
