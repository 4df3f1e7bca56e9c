// The agent's sockets in all pods of its node. In: pods as they come and go, the node's servers. Out: each pod's Envoy gets its
// start configuration once its redirect stands, and reaches the servers as this pod's Envoy and no other.

import type { Socket } from "node:net";
import type { PodSpec } from "../../node/plan/pod-spec.ts";
import type { PodSupervisor } from "../../node/pod-supervisor.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";
import { ContainerProcess } from "./container-process.ts";
import { type DoorAnswer, PodDoor } from "./pod-door.ts";
import type { AgentSocket } from "./proxy-places.ts";
import { StartGate } from "./start-gate.ts";

/** The servers that the node has for all of its Envoys. */
export type AcceptFor = (to: Exclude<AgentSocket, "node">, socket: Socket, pod: ServedPod) => void;

export interface ServedPod {
	readonly proxyId: string;
	readonly uid: string;
}

export interface PodDoorsDeps {
	readonly clock: Clock;
	readonly log: Log;
	readonly supervisorOf: (uid: string) => PodSupervisor | undefined;
	/** Its Envoy was let in, and starts. */
	readonly onStarted?: (pod: PodSpec) => void;
}

export class PodDoors {
	readonly #deps: PodDoorsDeps;
	readonly #doors = new Map<string, PodDoor>();
	readonly #gates = new Map<string, StartGate>();
	/** Their proxies, not Envoys yet, are to end. */
	readonly #unheld = new Set<string>();
	#accept: AcceptFor | undefined;

	constructor(deps: PodDoorsDeps) {
		this.#deps = deps;
	}

	add(proxyId: string, pod: PodSpec): void {
		const { clock, log } = this.#deps;
		this.#doors.get(pod.uid)?.close();
		const gate = new StartGate({
			clock,
			ready: () => this.#ready(pod.uid),
			endProxy: () => this.#endUnheld(pod),
		});
		this.#gates.set(pod.uid, gate);
		const door = new PodDoor({
			clock,
			log,
			owner: `${pod.namespace}/${pod.name}`,
			netns: pod.netns,
			isRootProxy: pod.interceptionMode === "TPROXY",
			bootstrap: (pid) => this.#bootstrap(pod, pid),
			redirect: () => this.#redirect(pod.uid),
			ready: (hungUp) => gate.ask(hungUp),
			accept: (to, socket) => {
				// Envoy tries again.
				if (this.#accept) this.#accept(to, socket, { proxyId, uid: pod.uid });
				else socket.destroy();
			},
		});
		this.#doors.set(pod.uid, door);
		if (this.#accept) door.open();
	}

	remove(uid: string): void {
		this.#doors.get(uid)?.close();
		this.#doors.delete(uid);
		this.#gates.delete(uid);
		this.#unheld.delete(uid);
	}

	/** It was told to end: its application need not start any more. */
	leave(uid: string): void {
		this.#gates.get(uid)?.leave();
	}

	/** Once there are servers to hand connections to. */
	open(accept: AcceptFor): void {
		this.#accept = accept;
		for (const door of this.#doors.values()) door.open();
	}

	close(): void {
		for (const door of this.#doors.values()) door.close();
	}

	#redirect(uid: string): DoorAnswer {
		const supervisor = this.#deps.supervisorOf(uid);
		if (!supervisor) return { ok: false, because: "the node's agent does not serve this pod (yet)" };
		const { state } = supervisor;
		if (state.phase === "failed") return { ok: false, because: `its redirect failed: ${state.because}` };
		return state.redirected ? { ok: true } : { ok: false, because: "the redirect is not in the kernel yet" };
	}

	#ready(uid: string): Promise<void> {
		const supervisor = this.#deps.supervisorOf(uid);
		return supervisor?.when(({ phase }) => phase === "ready").then(() => {}) ?? new Promise(() => {});
	}

	#endUnheld({ name, namespace, uid }: PodSpec): void {
		const own = this.#deps.supervisorOf(uid)?.proxies.own;
		const message = "kubelet does not wait for the proxy any more; it is ended, to start again";
		this.#deps.log.warn({ pod: `${namespace}/${name}` }, message);
		if (own?.identity) own.signal("SIGKILL");
		else this.#unheld.add(uid);
	}

	#bootstrap(pod: PodSpec, pid: number): DoorAnswer {
		if (this.#unheld.delete(pod.uid))
			return { ok: false, because: "kubelet does not wait for this proxy any more", isFinal: true };
		const redirected = this.#redirect(pod.uid);
		if (!redirected.ok) return redirected;
		const process = this.#deps.supervisorOf(pod.uid)?.proxies.own;
		const bootstrap = process instanceof ContainerProcess ? process.bootstrapFor(pid) : undefined;
		if (!(process instanceof ContainerProcess) || !bootstrap)
			return { ok: false, because: "the agent still knows of another Envoy of this pod" };
		process.taken(pid);
		this.#deps.onStarted?.(pod);
		return { ok: true, body: { bootstrap, args: envoyArgs(pod) } };
	}
}

/** Beside the path of its start configuration. */
function envoyArgs({ concurrency, container }: PodSpec): readonly string[] {
	return [
		"--disable-hot-restart",
		"--concurrency",
		String(concurrency),
		"--drain-time-s",
		"45",
		"--drain-strategy",
		"immediate",
		"--log-level",
		container?.logLevel ?? "warning",
	];
}
