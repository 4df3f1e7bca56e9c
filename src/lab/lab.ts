// A lab that is up, seen from another process: apply resources, look at pods, run commands inside, forward ports, break things.

import type { ChildProcess, SpawnOptions } from "node:child_process";
import { request } from "node:http";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { keyOf, type ObjectKey } from "../resources/config-object.ts";
import type { Problem } from "../resources/problem.ts";
import { readResourceFile } from "../resources/read-resources.ts";
import { loadFiles } from "../sources/files/load-files.ts";
import { resourceTexts, writeResource } from "../sources/files/resource-writer.ts";
import { labDown } from "./lab-down.ts";
import { labSocket, readLabRecord } from "./lab-record.ts";
import type { LabEvent, LabStatus } from "./lab-status.ts";
import type { LabPod } from "./plan/lab-pod.ts";
import { type PodPlace, spawnInPod } from "./pod-process.ts";

export type RunningPod = LabPod & { readonly place: PodPlace };

export type AppliedResource = {
	readonly kind: string;
	readonly namespace: string;
	readonly name: string;
	readonly outcome: "created" | "configured" | "unchanged";
};

export type LabApply =
	| { readonly ok: true; readonly items: readonly AppliedResource[]; readonly problems: readonly Problem[] }
	| { readonly ok: false; readonly problems: readonly Problem[] };

export interface ExecResult {
	readonly code: number;
	readonly stdout: string;
	readonly stderr: string;
}

export interface ForwardedPort {
	readonly name: string;
	/** On 127.0.0.1. */
	readonly port: number;
	readonly wantedPort: number;
}

export class Lab {
	readonly name: string;

	constructor(name: string) {
		this.name = name;
	}

	status(): Promise<LabStatus> {
		return this.#call("GET", "/status");
	}

	pods(): Promise<readonly RunningPod[]> {
		return this.#call("GET", "/pods");
	}

	events(after = 0): Promise<readonly LabEvent[]> {
		return this.#call("GET", `/events?after=${after}`);
	}

	/** Checks everything first: with one error nothing is written. When it resolves, the workload controllers know of it. */
	async apply(yaml: string, file = "stdin", namespace = "default"): Promise<LabApply> {
		const { problems } = readResourceFile(file, yaml, { defaultNamespace: namespace });
		if (problems.some((problem) => problem.severity === "error")) return { ok: false, problems };
		const { resources } = await this.status();
		const loaded = await loadFiles([resources]);
		const holders = new Map<ObjectKey, string>(loaded.objects.map((object) => [keyOf(object), object.origin.file]));
		const before = new Map<ObjectKey, string>(
			loaded.objects.map((object) => [keyOf(object), JSON.stringify([object.metadata, object.spec])]),
		);
		const items: AppliedResource[] = [];
		for (const resource of resourceTexts(file, yaml, namespace)) {
			const { object } = resource;
			const key = keyOf(object);
			const same = before.get(key) === JSON.stringify([object.metadata, object.spec]);
			const held = holders.get(key);
			// The lab's own files are not edited: a file of the user's comes first in path order and wins.
			const holder = held?.startsWith(join(resources, "status")) ? undefined : held;
			if (!same) {
				const outcome = await writeResource(resources, resource, holder);
				if (!outcome.ok) throw new Error(`${outcome.file} holds ${key} and cannot be edited (${outcome.because})`);
			}
			items.push({
				kind: object.kind,
				namespace: object.metadata.namespace,
				name: object.metadata.name,
				outcome: same ? "unchanged" : held === undefined ? "created" : "configured",
			});
		}
		await this.#call("POST", "/sync");
		return { ok: true, items, problems };
	}

	/** `client`, a pod's name, `namespace/name`, or the beginning of a name that is no other pod's. */
	async placeOf(name: string): Promise<PodPlace> {
		const { client, nodes, controls, state } = await this.status();
		const host = [client, ...nodes, ...controls].find((one) => one.name === name);
		// Outside the mesh: the machine's own resolver, and addresses for the lab's pods.
		if (host) return { netns: host.netns, hostName: host.name, resolvConf: "", hosts: "" };
		const pods = (await this.pods()).filter((pod) => pod.deletedMs === undefined);
		const wanted = name.includes("/") ? name : undefined;
		const exact = pods.filter((pod) => (wanted ? `${pod.namespace}/${pod.name}` === wanted : pod.name === name));
		const found = exact.length > 0 ? exact : pods.filter((pod) => pod.name.startsWith(name));
		const [pod] = found;
		if (!pod) throw new Error(`there is no pod ${name} in lab ${this.name} (files of the lab: ${state})`);
		if (found.length > 1 && exact.length !== 1 && new Set(found.map((one) => one.owner)).size > 1)
			throw new Error(`${name} may be ${found.map((one) => one.name).join(" or ")}`);
		return pod.place;
	}

	async spawnIn(name: string, argv: readonly string[], options: SpawnOptions = {}): Promise<ChildProcess> {
		const record = readLabRecord(this.name);
		const place = await this.placeOf(name);
		const env = { ...process.env, ...options.env, ...(record ? { KEEPMESH_LAB_ID: record.id } : {}) };
		return spawnInPod(place, argv, { ...options, env });
	}

	/** Runs a command in a namespace to its end. Default time limit 60 s. */
	async execIn(
		name: string,
		argv: readonly string[],
		options: { readonly timeoutMs?: number } = {},
	): Promise<ExecResult> {
		const child = await this.spawnIn(name, argv, {
			stdio: ["ignore", "pipe", "pipe"],
			timeout: options.timeoutMs ?? 60_000,
			killSignal: "SIGKILL",
		});
		let stdout = "";
		let stderr = "";
		child.stdout?.setEncoding("utf8").on("data", (text: string) => {
			stdout += text;
		});
		child.stderr?.setEncoding("utf8").on("data", (text: string) => {
			stderr += text;
		});
		return new Promise((resolve, reject) => {
			child.once("error", reject);
			child.once("close", (code) => resolve({ code: code ?? 1, stdout, stderr }));
		});
	}

	/** Waits until every Deployment is rolled out; the names of those that are not when the time is over. */
	async untilRolledOut(timeoutMs: number): Promise<readonly string[]> {
		const untilMs = performance.now() + timeoutMs;
		for (;;) {
			const { deployments } = await this.status();
			const pending = deployments.filter((one) => !one.complete).map((one) => `${one.namespace}/${one.name}`);
			if (pending.length === 0 || performance.now() > untilMs) return pending;
			await sleep(20);
		}
	}

	/** `target`: `gateway:8080`, `control:15014`, `POD:PORT`, `APP-LABEL:PORT`, `ADDRESS:PORT`, from inside the client's network. */
	forward(name: string, port: number, target: string): Promise<ForwardedPort> {
		return this.#call("POST", "/forward", { name, port, target });
	}

	/** To a control plane or node agent by its name, `control-1`; false when it does not run. */
	async signalProcess(name: string, signal: NodeJS.Signals): Promise<boolean> {
		return (await this.#call<{ readonly done: boolean }>("POST", "/signal", { name, signal })).done;
	}

	/** Kills a control plane or node agent, which stays dead until it is no longer held. Rejects when there is no such one. */
	async holdProcess(name: string, held: boolean): Promise<void> {
		const { done } = await this.#call<{ readonly done: boolean }>("POST", "/hold", { name, held });
		if (!done) throw new Error(`lab ${this.name} has no ${name}`);
	}

	/** Ends a control plane or node agent, which is started again with other words in its command. Rejects when there is none. */
	async replaceProcess(name: string, words: Readonly<Record<string, string>>): Promise<void> {
		const { done } = await this.#call<{ readonly done: boolean }>("POST", "/replace", { name, words });
		if (!done) throw new Error(`lab ${this.name} has no ${name}`);
	}

	/** To the application of a pod. */
	async signalPod(namespace: string, name: string, signal: NodeJS.Signals): Promise<boolean> {
		return (await this.#call<{ readonly done: boolean }>("POST", "/signal-pod", { namespace, name, signal })).done;
	}

	/** Resolves when the pod is gone; its Deployment makes another. */
	async deletePod(namespace: string, name: string, graceMs?: number): Promise<boolean> {
		return (await this.#call<{ readonly done: boolean }>("POST", "/delete-pod", { namespace, name, graceMs })).done;
	}

	async down(): Promise<void> {
		await labDown(this.name);
	}

	#call<Answer>(method: string, path: string, body?: object): Promise<Answer> {
		return new Promise((resolve, reject) => {
			const outgoing = request({ socketPath: labSocket(this.name), method, path, timeout: 120_000 }, (response) => {
				let text = "";
				response.setEncoding("utf8").on("data", (chunk: string) => {
					text += chunk;
				});
				response.on("error", reject);
				response.on("end", () => {
					const answer = JSON.parse(text) as { readonly because?: string };
					if (response.statusCode === 200) resolve(answer as Answer);
					else reject(new Error(answer.because ?? text));
				});
			});
			outgoing.on("error", reject);
			outgoing.on("timeout", () => outgoing.destroy(new Error("the lab's daemon does not answer")));
			outgoing.end(body ? JSON.stringify(body) : undefined);
		});
	}
}
