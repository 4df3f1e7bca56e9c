// One pod from its first namespace to its last process. Order of the start: namespace, proxy, application. Order of the
// end: out of the endpoints, a moment, application, proxy, namespace.

import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Clock } from "../runtime/clock.ts";
import { ContainerRunner } from "./container-runner.ts";
import { bringPodUp, removeNamespaces } from "./network.ts";
import { callAgent } from "./node-agent-client.ts";
import { type ImageRule, resolveImage } from "./plan/image-map.ts";
import { type LabNode, renderResolvConf } from "./plan/lab-network.ts";
import type { LabContainer, LabPod } from "./plan/lab-pod.ts";
import { podEnvironment } from "./plan/pod-environment.ts";
import type { PodPlace } from "./pod-process.ts";

export interface PodRunnerOptions {
	readonly pod: LabPod;
	readonly node: LabNode;
	/** State directory of the node's agent; absent: the pod has no proxy. */
	readonly agentState?: string;
	readonly images: readonly ImageRule[];
	readonly labFile: string;
	/** Logs and resolv.conf; removed with the pod. */
	readonly directory: string;
	/** Hosts file of the pods, when there is no DNS. */
	readonly hosts: string;
	readonly env: Readonly<Record<string, string>>;
	/** How long a pod goes on serving after it has left the endpoints, in ms. */
	readonly drainMs: number;
	readonly clock: Clock;
	readonly onChange: () => void;
	readonly onEvent: (what: string) => void;
}

const proxyWaitSeconds = 120;
const defaultGraceSeconds = 30;

export class PodRunner {
	readonly #options: PodRunnerOptions;
	#pod: LabPod;
	#containers: readonly ContainerRunner[] = [];
	readonly #aborted = new AbortController();
	#starting: Promise<void> = Promise.resolve();
	#removing: Promise<void> | undefined;

	constructor(options: PodRunnerOptions) {
		this.#options = options;
		this.#pod = options.pod;
	}

	get pod(): LabPod {
		return this.#pod;
	}

	get place(): PodPlace {
		const { directory, hosts } = this.#options;
		return {
			netns: this.#pod.netns,
			hostName: this.#pod.name,
			resolvConf: join(directory, "resolv.conf"),
			hosts,
		};
	}

	logFile(container: string): string {
		return join(this.#options.directory, `${container}.log`);
	}

	/** Resolves when the application's processes run, or it is clear that they cannot. */
	start(): Promise<void> {
		this.#starting = this.#bringUp().catch((error: unknown) => {
			if (this.#aborted.signal.aborted) return;
			this.#set({ message: `FailedStart: ${error instanceof Error ? error.message : String(error)}` });
			this.#options.onEvent(this.#pod.message);
		});
		return this.#starting;
	}

	remove(graceMs?: number): Promise<void> {
		this.#removing ??= this.#takeDown(graceMs);
		return this.#removing;
	}

	signal(signal: NodeJS.Signals): void {
		for (const container of this.#containers) container.signal(signal);
	}

	trimLogs(): void {
		for (const container of this.#containers) container.trimLog();
	}

	async #bringUp(): Promise<void> {
		const { directory, node, agentState } = this.#options;
		mkdirSync(directory, { recursive: true });
		writeFileSync(this.place.resolvConf, renderResolvConf(this.#pod.namespace, node.podGateway));
		await bringPodUp({ netns: this.#pod.netns, node, address: this.#pod.address });
		if (agentState !== undefined) {
			this.#set({ proxy: "starting" });
			const answer = await callAgent(
				agentState,
				{ method: "POST", path: `/v1/pods?timeoutSeconds=${proxyWaitSeconds}`, body: this.#agentPod() },
				this.#aborted.signal,
			);
			if (this.#aborted.signal.aborted) return;
			if (!answer.ok) throw new Error(`its proxy did not become ready: ${answer.because}`);
			this.#set({ proxy: "ready" });
		}
		if (this.#aborted.signal.aborted) return;
		this.#containers = this.#makeContainers();
		for (const container of this.#containers) container.start();
		this.#refresh();
	}

	#agentPod(): object {
		const { name, namespace, uid, address, netns, labels, annotations, spec, owner } = this.#pod;
		const [kind, , workload] = owner.split("/");
		return {
			name,
			namespace,
			uid,
			ips: [address],
			netns: `/run/netns/${netns}`,
			labels,
			annotations,
			serviceAccount: spec.serviceAccountName ?? "default",
			ports: (spec.containers ?? []).flatMap((container) => container.ports ?? []),
			proxy: isGateway(this.#pod) ? "router" : "sidecar",
			...(kind === "Deployment" && workload ? { workload } : {}),
		};
	}

	#makeContainers(): readonly ContainerRunner[] {
		const runners: ContainerRunner[] = [];
		const refused: LabContainer[] = [];
		for (const container of this.#pod.spec.containers ?? []) {
			// The proxy's own container of an injected or gateway manifest: the node agent runs that one.
			if (container.name === "istio-proxy") continue;
			const image = resolveImage(container, this.#options.images, this.#options.labFile);
			if (!image.ok) {
				const because = `ImagePullBackOff: ${image.message}`;
				refused.push({ name: container.name, running: false, ready: false, restarts: 0, because });
				this.#options.onEvent(because);
				continue;
			}
			const { env, leftOut } = podEnvironment(
				{ ...this.#pod, serviceAccount: this.#pod.spec.serviceAccountName ?? "default" },
				container,
				image.env,
			);
			if (leftOut.length > 0)
				this.#options.onEvent(`the lab cannot give container ${container.name} its ${leftOut.join(", ")}`);
			runners.push(
				new ContainerRunner({
					container,
					place: this.place,
					address: this.#pod.address,
					command: image.command,
					env: { ...this.#options.env, ...env },
					logFile: this.logFile(container.name),
					clock: this.#options.clock,
					onChange: () => this.#refresh(),
					onEvent: this.#options.onEvent,
				}),
			);
		}
		this.#refused = refused;
		return runners;
	}

	#refused: readonly LabContainer[] = [];

	#refresh(): void {
		const containers = [...this.#containers.map((container) => container.status), ...this.#refused];
		const ready = containers.every((container) => container.ready) && this.#pod.proxy !== "starting";
		const { readySinceMs, ...rest } = this.#pod;
		this.#pod = {
			...rest,
			containers,
			...(ready ? { readySinceMs: readySinceMs ?? this.#options.clock.wallMs() } : {}),
		};
		this.#options.onChange();
	}

	async #takeDown(graceMs: number | undefined): Promise<void> {
		const { agentState, clock, drainMs, directory } = this.#options;
		const wasReady = this.#pod.readySinceMs !== undefined;
		this.#set({ deletedMs: clock.wallMs() });
		const grace = graceMs ?? (this.#pod.spec.terminationGracePeriodSeconds ?? defaultGraceSeconds) * 1000;
		// Time for the endpoints' change to reach every proxy, so that nobody sends here any more.
		if (wasReady && grace > 0)
			await new Promise<void>((resolve) => {
				clock.after(Math.min(drainMs, grace), resolve);
			});
		this.#aborted.abort();
		await Promise.race([this.#starting, new Promise<void>((resolve) => clock.after(5000, resolve))]);
		await Promise.all(this.#containers.map((container) => container.stop(grace)));
		if (agentState !== undefined && this.#pod.proxy !== "none") {
			const graceSeconds = isGateway(this.#pod) ? Math.min(grace / 1000, 5) : 0;
			const path = `/v1/pods/${encodeURIComponent(this.#pod.uid)}?graceSeconds=${graceSeconds}`;
			await callAgent(agentState, { method: "DELETE", path }, AbortSignal.timeout(20_000));
		}
		await removeNamespaces([this.#pod.netns]);
		rmSync(directory, { recursive: true, force: true });
	}

	#set(change: Partial<LabPod>): void {
		this.#pod = { ...this.#pod, ...change };
		this.#options.onChange();
	}
}

/** Istio's mark of a pod that is only a proxy. */
export function isGateway(pod: Pick<LabPod, "annotations">): boolean {
	return pod.annotations["inject.istio.io/templates"] === "gateway";
}
