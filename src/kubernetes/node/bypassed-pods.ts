// Bypasses that Pods' annotations ask for, followed on their node. In: each version of each pod of the node, its hot-switch. Out: bypasses
// and restores, and the answer to each. The API server alone has to be there for it, no control plane; what was asked for while the
// agent was away is followed by the next one.

import type { PodHotSwitch } from "../../node/pod-hot-switch.ts";
import type { Cancel, Clock } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";
import { type BypassRequest, isByAnnotation, readBypass } from "./bypass-request.ts";
import type { NodePod } from "./node-pod.ts";

export interface BypassAnswer {
	readonly outcome: "bypassed" | "refused" | "restored";
	readonly because: string;
}

export interface BypassedPodsDeps {
	readonly clock: Clock;
	readonly log: Log;
	/** Undefined: its proxy is not served yet. */
	readonly switchOf: (uid: string) => FollowedSwitch | "none" | undefined;
	readonly onAnswer: (pod: NodePod, answer: BypassAnswer) => void;
}

export type FollowedSwitch = Pick<PodHotSwitch, "bypass" | "requestBypass" | "restore">;

interface Open {
	readonly pod: NodePod;
	/** Why it could not be done yet. */
	readonly because?: string;
}

/** What could not be done is tried again. */
const retryMs = 1_000;
/** Two clocks' times of the same end. */
const sameMs = 2_000;
/** A timer cannot count further; that it is over is then not said. */
const longestTimerMs = 2 ** 31 - 1;

export class BypassedPods {
	readonly #deps: BypassedPodsDeps;
	/** By uid: the annotations that were followed, as text. */
	readonly #followed = new Map<string, string>();
	readonly #open = new Map<string, Open>();
	/** When a bypass ends by itself. */
	readonly #ends = new Map<string, Cancel>();
	#cancel: Cancel | undefined;

	constructor(deps: BypassedPodsDeps) {
		this.#deps = deps;
	}

	/** Told of each version of each pod. */
	follow(pod: NodePod): void {
		if (pod.isOver || pod.isLeaving || (!pod.injected && !pod.wantsAdoption)) {
			this.forget(pod.uid);
			return;
		}
		const key = JSON.stringify(readBypass(pod.annotations));
		const open = this.#open.get(pod.uid);
		if (this.#followed.get(pod.uid) === key && !open) return;
		const isSame = open && JSON.stringify(readBypass(open.pod.annotations)) === key;
		this.#try(isSame ? { ...open, pod } : { pod });
	}

	forget(uid: string): void {
		this.#followed.delete(uid);
		this.#open.delete(uid);
		this.#forgetEnd(uid);
	}

	/** Bypasses stay as they are. */
	close(): void {
		this.#cancel?.();
		this.#open.clear();
		for (const uid of [...this.#ends.keys()]) this.#forgetEnd(uid);
	}

	#try(open: Open): void {
		const { pod } = open;
		const asked = readBypass(pod.annotations);
		const hotSwitch = pod.injected ? this.#deps.switchOf(pod.uid) : "none";
		if (hotSwitch === undefined && asked.type === "asked") {
			this.#later(open);
			return;
		}
		const wasFollowed = this.#followed.has(pod.uid);
		this.#forgetEnd(pod.uid);
		switch (asked.type) {
			case "none": {
				const isOurs = typeof hotSwitch === "object" && hotSwitch.bypass && isByAnnotation(hotSwitch.bypass);
				if (isOurs) hotSwitch.restore("the Pod's annotations");
				// Of a pod that was never bypassed there is nothing to say.
				this.#done(
					pod,
					isOurs || wasFollowed ? { outcome: "restored", because: "no annotation asks for it" } : undefined,
				);
				return;
			}
			case "bad":
				this.#done(pod, { outcome: "refused", because: asked.because });
				return;
			case "asked":
				if (typeof hotSwitch === "object") this.#ask(open, asked.request, hotSwitch, wasFollowed);
				else this.#done(pod, { outcome: "refused", because: noSwitch(pod) });
				return;
			default:
				asked satisfies never;
		}
	}

	#ask({ because: before, pod }: Open, request: BypassRequest, hotSwitch: FollowedSwitch, wasFollowed: boolean): void {
		const forMs = request.untilMs === undefined ? undefined : request.untilMs - this.#deps.clock.wallMs();
		if (forMs !== undefined && forMs <= 0) {
			// An agent that starts finds what was over long ago.
			this.#done(pod, wasFollowed ? timeIsOver("refused") : undefined);
			return;
		}
		const because = bypass(hotSwitch, request, forMs);
		if (because === undefined) {
			if (forMs !== undefined) this.#endAfter(pod, forMs);
			this.#done(pod, { outcome: "bypassed", because: `${request.by}: ${request.why}` });
			return;
		}
		if (because !== before) this.#answer(pod, { outcome: "refused", because });
		// The spare may come, or a policy that permits it.
		this.#later({ pod, because });
	}

	#done(pod: NodePod, answer?: BypassAnswer): void {
		this.#open.delete(pod.uid);
		this.#followed.set(pod.uid, JSON.stringify(readBypass(pod.annotations)));
		if (answer) this.#answer(pod, answer);
	}

	#endAfter(pod: NodePod, forMs: number): void {
		if (forMs > longestTimerMs) return;
		const end = this.#deps.clock.after(forMs, () => this.#answer(pod, timeIsOver("restored")));
		this.#ends.set(pod.uid, end);
	}

	#forgetEnd(uid: string): void {
		this.#ends.get(uid)?.();
		this.#ends.delete(uid);
	}

	#later(open: Open): void {
		this.#open.set(open.pod.uid, open);
		this.#cancel ??= this.#deps.clock.after(retryMs, () => {
			this.#cancel = undefined;
			for (const one of [...this.#open.values()]) this.#try(one);
		});
	}

	#answer(pod: NodePod, answer: BypassAnswer): void {
		const level = answer.outcome === "refused" ? "warn" : "info";
		this.#deps.log[level](
			{ pod: `${pod.namespace}/${pod.name}`, ...answer },
			"a bypass that the Pod's annotations say",
		);
		this.#deps.onAnswer(pod, answer);
	}
}

/** Why not; undefined: it is so. */
function bypass(
	hotSwitch: FollowedSwitch,
	{ by, untilMs, why }: BypassRequest,
	forMs: number | undefined,
): string | undefined {
	const now = hotSwitch.bypass;
	const isSameEnd =
		untilMs === undefined || now?.untilMs === undefined
			? untilMs === now?.untilMs
			: Math.abs(untilMs - now.untilMs) < sameMs;
	// An earlier agent has done it.
	if (now?.by === by && now.why === why && isSameEnd) return undefined;
	const outcome = hotSwitch.requestBypass(by, why, forMs);
	return outcome.ok ? undefined : outcome.because;
}

const timeIsOver = (outcome: "refused" | "restored"): BypassAnswer => ({ outcome, because: "its time is over" });

const noSwitch = ({ injected }: NodePod): string =>
	injected
		? "this proxy has no hot-switch: only sidecars with a redirect have one"
		: "it has Istio's own sidecar, whose redirect follows its readiness alone";
