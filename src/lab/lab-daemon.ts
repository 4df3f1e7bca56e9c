// The process that keeps a lab alive: control planes, node agents, workloads, forwarded ports. In: the lab's record and the
// programs. Out: a running lab, with an API on a Unix socket. It ends by POST /shutdown; `lab down` removes what it made.

import { randomBytes } from "node:crypto";
import { accessSync, constants, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parse } from "yaml";
import { readResourceFile } from "../resources/read-resources.ts";
import { realClock } from "../runtime/clock.ts";
import { type FilesSource, startFilesSource } from "../sources/files/files-source.ts";
import { type Forward, type ForwardTarget, startForward } from "./forwarder.ts";
import { gatewayManifest } from "./gateway-manifest.ts";
import { JoinTokenFiles } from "./join-token-files.ts";
import { KeptRunning } from "./kept-running.ts";
import type { LabPrograms } from "./lab-programs.ts";
import { type LabRecord, runDirectory, writeLabRecord } from "./lab-record.ts";
import type { LabEvent, LabStatus } from "./lab-status.ts";
import { LabVirtualIps } from "./lab-virtual-ips.ts";
import { connectInNamespace } from "./namespace-socket.ts";
import { bringNetworkUp, netnsPath } from "./network.ts";
import { builtInImages, type ImageRule } from "./plan/image-map.ts";
import { apiPort, controlCommand, nodeCommand } from "./plan/lab-commands.ts";
import { parseLabFile } from "./plan/lab-file.ts";
import { type LabNetwork, planLabNetwork } from "./plan/lab-network.ts";
import { renderHosts } from "./plan/render-hosts.ts";
import { StatusWriter } from "./status-writer.ts";
import { Workloads } from "./workloads.ts";

const maxEvents = 1000;
const logTrimMs = 10_000;

export class LabDaemon {
	readonly record: LabRecord;
	readonly network: LabNetwork;
	readonly workloads: Workloads;
	readonly #virtualIps: LabVirtualIps;
	readonly #programs: LabPrograms;
	readonly #events: LabEvent[] = [];
	readonly #startedMs = Date.now();
	readonly #kept: KeptRunning[] = [];
	readonly #forwards: Forward[] = [];
	readonly #hosts: string;
	#source: FilesSource | undefined;
	#phase: LabStatus["phase"] = "starting";
	#because = "";
	#step = "";
	#trimTimer: NodeJS.Timeout | undefined;
	#sequence = 0;
	#lastHosts = "";

	constructor(record: LabRecord, programs: LabPrograms) {
		this.record = record;
		this.#programs = programs;
		this.network = planLabNetwork({
			name: record.name,
			nodes: record.nodes,
			controls: record.mesh ? record.controls : 0,
		});
		this.#hosts = record.mesh ? "" : join(runDirectory(record.name), "hosts");
		if (this.#hosts !== "") writeFileSync(this.#hosts, renderHosts([], []));
		const env = { ...programs.env, KEEPMESH_LAB_ID: record.id, KEEPMESH_LAB: record.name };
		this.#virtualIps = new LabVirtualIps({
			lab: record.name,
			network: this.network,
			keepmesh: programs.keepmesh,
			resources: record.resources,
			keep: (name, command) => this.#keep(name, command),
		});
		this.workloads = new Workloads(
			{
				network: this.network,
				podsDirectory: join(record.state, "pods"),
				labFile: programs.labFile,
				images: this.#imageRules(),
				agentStateOf: (node) => (record.mesh ? this.#agentState(node) : undefined),
				hosts: this.#hosts,
				env,
				mutualTls: true,
			},
			{
				clock: realClock,
				status: new StatusWriter(this.#statusDirectory),
				onEvent: (about, what) => this.#note(about, what),
				onChange: () => this.#writeHosts(),
				newId: newPodId,
			},
		);
	}

	async start(): Promise<void> {
		try {
			await this.#bringUp();
			this.#phase = "ready";
			this.#note("Lab", "is up");
		} catch (error) {
			this.#phase = "failed";
			this.#because = error instanceof Error ? error.message : String(error);
			this.#note("Lab", `failed: ${this.#because}`);
		}
	}

	status(): LabStatus {
		return {
			name: this.record.name,
			phase: this.#phase,
			because: this.#because,
			step: this.#step,
			startedMs: this.#startedMs,
			resources: this.record.resources,
			state: this.record.state,
			client: this.network.client,
			controls: this.network.controls,
			nodes: this.network.nodes,
			processes: this.#kept.map((kept) => ({
				name: kept.name,
				restarts: kept.restarts,
				log: kept.logFile,
				...(kept.pid === undefined ? {} : { pid: kept.pid }),
			})),
			forwards: this.#forwards.map(({ name, port, wantedPort }) => ({ name, port, wantedPort })),
			deployments: this.workloads.deployments(),
			problems: this.#source?.problems().map((problem) => problem.message) ?? [],
		};
	}

	events(after: number): readonly LabEvent[] {
		return this.#events.filter((event) => event.sequence > after);
	}

	/** `target`: `gateway:8080`, `control:15014`, `POD:PORT`, `SERVICE.NAMESPACE:PORT` by pod labels, or an address. */
	async forward(name: string, port: number, target: string): Promise<Forward> {
		const forward = await startForward({
			name,
			port,
			netnsPath: netnsPath(this.network.client.netns),
			targets: () => this.#targets(target),
		});
		this.#forwards.push(forward);
		const api = name === "api" ? { api: `http://127.0.0.1:${forward.port}` } : {};
		const forwards = Object.fromEntries(this.#forwards.map((one) => [one.name, one.port]));
		writeLabRecord({ ...this.record, ...api, forwards });
		return forward;
	}

	/** Resolves when every resource file as it is now has been taken in. */
	async sync(): Promise<void> {
		await this.#source?.rescan();
	}

	signalProcess(name: string, signal: NodeJS.Signals): boolean {
		return this.#kept.find((kept) => kept.name === name)?.signal(signal) ?? false;
	}

	/** Killed at once and not started again, or started again. False: there is none of that name. */
	holdProcess(name: string, held: boolean): boolean {
		const kept = this.#kept.find((one) => one.name === name);
		if (held) kept?.hold();
		else kept?.release();
		return kept !== undefined;
	}

	/** Ended, and started with other words in its command: another program. False: there is none of that name. */
	replaceProcess(name: string, words: Readonly<Record<string, string>>): boolean {
		const kept = this.#kept.find((one) => one.name === name);
		kept?.replace(words);
		return kept !== undefined;
	}

	/** Nothing is started any more after this. */
	close(): void {
		clearInterval(this.#trimTimer);
		this.#source?.close();
		this.workloads.close();
		for (const forward of this.#forwards) forward.close();
		for (const kept of this.#kept) kept.stop();
	}

	get #statusDirectory(): string {
		return join(this.record.resources, "status");
	}

	#agentState(node: string): string {
		return join(runDirectory(this.record.name), node);
	}

	async #bringUp(): Promise<void> {
		const { record } = this;
		this.#step = "network";
		await bringNetworkUp(this.network);
		mkdirSync(join(record.state, "logs"), { recursive: true });
		this.#step = "control planes and node agents";
		if (record.mesh) this.#startMesh();
		this.#trimTimer = setInterval(() => {
			for (const kept of this.#kept) kept.trimLog();
			this.workloads.trimLogs();
		}, logTrimMs);
		this.#source = startFilesSource(
			{ roots: [record.resources] },
			{
				clock: realClock,
				read: (text, file) =>
					dirname(file) === this.#statusDirectory && file.endsWith(".json")
						? { objects: [], problems: [] }
						: readResourceFile(file, text),
				onChanges: (changes) => {
					this.workloads.apply(changes);
					this.#virtualIps.apply(changes);
				},
				onProblems: (problems) => {
					for (const { origin, resource, message } of problems)
						this.#note(resource || origin.file, `${origin.file}:${origin.line}: ${message}`);
				},
			},
		);
		await this.#source.ready;
		if (!record.mesh) return;
		await this.forward("api", 15_014, `control:${apiPort}`);
		await this.forward("gateway", 8080, "gateway:8080");
		await this.#whenControlAnswers();
	}

	#startMesh(): void {
		const { record, network } = this;
		const envoy = this.#reachableEnvoy();
		const input = { keepmesh: this.#programs.keepmesh, network, envoy };
		// The gateway's Service must be there before the first Envoy asks; a user's own file of it comes first in path order.
		writeFileSync(join(this.#statusDirectory, "lab-gateway.yaml"), gatewayManifest);
		// One root for all replicas.
		const ca = join(record.state, "ca");
		const tokens = new JoinTokenFiles(ca);
		for (const control of network.controls) {
			const data = join(record.state, control.name);
			mkdirSync(data, { recursive: true });
			this.#keep(control.name, controlCommand(input, control, { resources: record.resources, data, ca }));
		}
		for (const node of network.nodes) {
			const state = this.#agentState(node.name);
			mkdirSync(state, { recursive: true, mode: 0o711 });
			const joinToken = join(runDirectory(record.name), `${node.name}.token`);
			tokens.write(node.name, joinToken);
			this.#keep(node.name, nodeCommand(input, node, { state, joinToken }));
		}
	}

	#keep(name: string, command: readonly string[]): KeptRunning {
		const { id, state, name: lab } = this.record;
		const env = { ...this.#programs.env, KEEPMESH_LAB_ID: id, KEEPMESH_LAB: lab };
		const logFile = join(state, "logs", `${name}.log`);
		const onChange = (what: string): void => this.#note(`Process/${name}`, what);
		const kept = new KeptRunning({ name, command, env, logFile, onChange });
		const before = this.#kept.findIndex((one) => one.name === name);
		if (before >= 0) this.#kept.splice(before, 1);
		this.#kept.push(kept);
		kept.start();
		return kept;
	}

	async #whenControlAnswers(): Promise<void> {
		const untilMs = performance.now() + 60_000;
		for (;;) {
			for (const control of this.network.controls) {
				try {
					const target = { host: control.address, port: apiPort };
					(await connectInNamespace(netnsPath(this.network.client.netns), target, 1000)).destroy();
					return;
				} catch {
					// Not yet.
				}
			}
			if (performance.now() > untilMs)
				throw new Error(`no control plane answers; see ${join(this.record.state, "logs")}`);
			await sleep(20);
		}
	}

	/** Envoy runs as its own user, which may not pass through a home directory: then a copy beside the sockets serves. */
	#reachableEnvoy(): string {
		const { envoy } = this.#programs;
		accessSync(envoy, constants.X_OK);
		for (let directory = dirname(envoy); ; directory = dirname(directory)) {
			if ((statSync(directory).mode & 0o001) === 0) break;
			if (directory === "/") return envoy;
		}
		const copy = join(runDirectory(this.record.name), "envoy");
		if (!existsSync(copy)) writeFileSync(copy, readFileSync(envoy), { mode: 0o755 });
		return copy;
	}

	#imageRules(): readonly ImageRule[] {
		const builtIn = builtInImages(this.#programs.sample);
		if (!existsSync(this.#programs.labFile)) return builtIn;
		const parsed = parseLabFile(parse(readFileSync(this.#programs.labFile, "utf8")));
		if (parsed.ok) return [...parsed.images, ...builtIn];
		for (const problem of parsed.problems) this.#note(this.#programs.labFile, problem);
		return builtIn;
	}

	#targets(target: string): readonly ForwardTarget[] {
		const [name = "", portText = ""] = target.split(":");
		const port = Number(portText);
		if (name === "control") return this.network.controls.map(({ address }) => ({ host: address, port }));
		if (/^\d+\.\d+\.\d+\.\d+$/.test(name)) return [{ host: name, port }];
		const wanted = name === "gateway" ? "istio-ingressgateway" : name;
		return this.workloads
			.pods()
			.filter((pod) => pod.readySinceMs !== undefined && pod.deletedMs === undefined)
			.filter((pod) => pod.name === wanted || (pod.labels.app ?? "") === wanted)
			.map((pod) => ({ host: pod.address, port }));
	}

	#writeHosts(): void {
		if (this.#hosts === "" || !this.#source) return;
		const services = this.workloads.services();
		const text = renderHosts(services, this.workloads.pods());
		if (text === this.#lastHosts) return;
		this.#lastHosts = text;
		writeFileSync(this.#hosts, text);
	}

	#note(about: string, what: string): void {
		this.#sequence += 1;
		this.#events.push({ sequence: this.#sequence, atMs: Date.now(), about, what });
		if (this.#events.length > maxEvents) this.#events.shift();
		process.stdout.write(`${new Date().toISOString()} ${about} ${what}\n`);
	}
}

/** Ten characters of Kubernetes' alphabet. */
function newPodId(): string {
	const alphabet = "bcdfghjklmnpqrstvwxz2456789";
	return [...randomBytes(10)].map((byte) => alphabet[byte % alphabet.length]).join("");
}
