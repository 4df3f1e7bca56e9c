// Who answers behind an address: servers that name themselves and their client, and clients in pods, on nodes and outside of the
// cluster, one connection for each question.

import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { namespacePath, nodeProgram } from "../../cluster/cluster-paths.ts";
import { nodeImage } from "../../cluster/images/image-names.ts";
import type { MachineShape } from "../../cluster/plan/cluster-shape.ts";
import type { TestCluster } from "./test-cluster.ts";

/** HTTP and UDP on 8080: `{pod, client}`. Goes on for a while after it was told to end, as pods should. */
const server = `
	const pod = process.env.POD_NAME;
	const plain = (address) => address.replace("::ffff:", "");
	require("http").createServer((request, response) => {
		response.setHeader("connection", "close");
		response.end(JSON.stringify({ pod, client: plain(request.socket.remoteAddress) }));
	}).listen(8080, "0.0.0.0");
	const udp = require("dgram").createSocket("udp4", (bytes, from) =>
		udp.send(JSON.stringify({ pod, client: from.address }), from.port, from.address));
	udp.bind(8080);
	process.on("SIGTERM", () => setTimeout(() => process.exit(0), 4000));`;

/** Asks `count` times, or until `forMs` have passed; prints what came, or the error's code. */
const client = `
	const [url, count, forMs, timeoutMs] = process.argv.slice(1);
	const { hostname, port, protocol } = new URL(url);
	const http = () => new Promise((resolve) => {
		const asked = require("http").get(url.replace("tcp:", "http:"), { agent: false, timeout: Number(timeoutMs) }, (response) => {
			let text = "";
			response.on("data", (chunk) => { text += chunk; });
			response.on("end", () => resolve(text.startsWith("{") ? JSON.parse(text) : { error: text }));
			response.on("error", (error) => resolve({ error: error.code }));
		});
		asked.on("timeout", () => asked.destroy(Object.assign(new Error(), { code: "silent" })));
		asked.on("error", (error) => resolve({ error: error.code }));
	});
	const udp = () => new Promise((resolve) => {
		const socket = require("dgram").createSocket("udp4");
		const timer = setTimeout(() => { socket.close(); resolve({ error: "silent" }); }, Number(timeoutMs));
		const end = (answer) => { clearTimeout(timer); socket.close(); resolve(answer); };
		socket.on("message", (bytes) => end(JSON.parse(bytes)));
		socket.on("error", (error) => end({ error: error.code }));
		socket.send("?", Number(port), hostname);
	});
	(async () => {
		const answers = [];
		const endMs = performance.now() + Number(forMs);
		while (forMs > 0 ? performance.now() < endMs : answers.length < count) {
			answers.push(await (protocol === "udp:" ? udp() : http()));
			if (forMs > 0) await new Promise((resolve) => setTimeout(resolve, 10));
		}
		// A pipe takes 64 KiB at once: an exit right away would cut the rest off.
		process.stdout.write(JSON.stringify(answers), () => process.exit(0));
	})();`;

export interface Answer {
	readonly pod?: string;
	/** The address that the server saw. */
	readonly client?: string;
	readonly error?: string;
}

interface Asking {
	readonly count?: number;
	readonly forMs?: number;
	readonly timeoutMs?: number;
}

/** `url`: tcp://ADDRESS:PORT or udp://ADDRESS:PORT */
export async function askFromPod(
	cluster: TestCluster,
	pod: string,
	url: string,
	asking: Asking = {},
): Promise<readonly Answer[]> {
	return JSON.parse(await cluster.exec(pod, "node", "-e", client, ...argumentsOf(url, asking)));
}

/** From a node itself, or from the machine of the control plane, which is outside as far as Services go. */
export async function askFromMachine(
	machine: MachineShape,
	url: string,
	asking: Asking = {},
): Promise<readonly Answer[]> {
	const command = [`--net=${namespacePath(machine)}`, "--", nodeProgram, "-e", client, ...argumentsOf(url, asking)];
	return JSON.parse((await promisify(execFile)("nsenter", command, { timeout: 120_000 })).stdout);
}

function argumentsOf(url: string, { count = 1, forMs = 0, timeoutMs = 3_000 }: Asking): readonly string[] {
	return [url, String(count), String(forMs), String(timeoutMs)];
}

export const podsOf = (answers: readonly Answer[]): readonly string[] =>
	[...new Set(answers.map(({ error, pod }) => error ?? pod ?? ""))].sort();

const container = {
	name: "main",
	image: nodeImage,
	env: [{ name: "POD_NAME", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } }],
	readinessProbe: { httpGet: { path: "/", port: 8080 }, periodSeconds: 1 },
};

/** A server that stays on one node. */
export function serverPod(name: string, node: string, labels: object): object {
	return {
		apiVersion: "v1",
		kind: "Pod",
		metadata: { name, labels },
		spec: {
			nodeName: node,
			terminationGracePeriodSeconds: 0,
			containers: [{ ...container, command: ["node", "-e", server] }],
		},
	};
}

export function serverDeployment(name: string, replicas: number): object {
	const labels = { app: name };
	const spread = { maxSkew: 1, topologyKey: "kubernetes.io/hostname", whenUnsatisfiable: "ScheduleAnyway" };
	return {
		apiVersion: "apps/v1",
		kind: "Deployment",
		metadata: { name },
		spec: {
			replicas,
			selector: { matchLabels: labels },
			strategy: { rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } },
			template: {
				metadata: { labels },
				spec: {
					terminationGracePeriodSeconds: 10,
					topologySpreadConstraints: [{ ...spread, labelSelector: { matchLabels: labels } }],
					containers: [{ ...container, command: ["node", "-e", server] }],
				},
			},
		},
	};
}
