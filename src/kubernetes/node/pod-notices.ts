// What happens to a pod's connections, told where users of Kubernetes look: Events on the Pod, and a condition in its status. In:
// switches as they happen. Out: requests to the API server, a few at a time; what fails is tried again, and only the newest counts.

import type { SwitchChange } from "../../node/pod-hot-switch.ts";
import type { Cancel, Clock } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";
import { events as eventResource, pods as podResource } from "../client/api-resources.ts";
import type { KubernetesClient } from "../client/kubernetes-client.ts";
import { Refused } from "../client/refused.ts";
import { pathOf } from "../client/resource-path.ts";
import type { BypassAnswer } from "./bypassed-pods.ts";
import {
	answerConditionOf,
	conditionOf,
	type EventText,
	eventOf,
	type NoticedPod,
	noticeText,
	type PodNotice,
	refusalText,
	repeatedEvent,
} from "./pod-notice.ts";

interface Pending {
	readonly pod: NoticedPod;
	readonly news: { readonly condition: object } | { readonly event: EventText };
}

interface KnownEvent {
	readonly name: string;
	readonly count: number;
	readonly firstMs: number;
}

/** Between two requests: a node whose pods all switch at once must not flood the API server. */
const paceMs = 50;
const retryMs = 2_000;
/** The same again within this time is a count in the Event that there is. */
const sameWithinMs = 600_000;
const mostPending = 2_000;

export class PodNotices {
	readonly #node: string;
	readonly #client: KubernetesClient;
	readonly #clock: Clock;
	readonly #log: Log;
	readonly #pending = new Map<string, Pending>();
	readonly #events = new Map<string, KnownEvent>();
	readonly #served = new Set<string>();
	#sending = false;
	#isClosed = false;
	#because: string | undefined;
	#cancel: Cancel = () => {};

	constructor(node: string, deps: { readonly client: KubernetesClient; readonly clock: Clock; readonly log: Log }) {
		this.#node = node;
		this.#client = deps.client;
		this.#clock = deps.clock;
		this.#log = deps.log;
	}

	switched(pod: NoticedPod, change: SwitchChange): void {
		const notice: PodNotice = { ...change, atMs: Math.round(this.#clock.wallMs()), node: this.#node };
		// Of those the newest counts.
		this.#add(`condition ${pod.uid}`, { pod, news: { condition: conditionOf(notice) } });
		// That a pod begins to be served is what everybody expects.
		if (this.#served.has(pod.uid) || change.to !== "sidecar") this.#addEvent(pod, noticeText(notice));
		this.#served.add(pod.uid);
	}

	/** What became of a bypass that the Pod's annotations ask for; that it is so, its switch tells by itself. */
	answered(pod: NoticedPod, answer: BypassAnswer): void {
		const atMs = Math.round(this.#clock.wallMs());
		this.#add(`answer ${pod.uid}`, { pod, news: { condition: answerConditionOf(answer, atMs) } });
		if (answer.outcome === "refused") this.#addEvent(pod, refusalText(answer, atMs, this.#node));
	}

	/** A pod that an earlier agent served. */
	restored(uid: string): void {
		this.#served.add(uid);
	}

	gone(uid: string): void {
		this.#served.delete(uid);
		for (const what of ["condition", "answer"]) this.#pending.delete(`${what} ${uid}`);
		for (const key of this.#events.keys()) if (key.startsWith(`${uid} `)) this.#events.delete(key);
	}

	close(): void {
		this.#isClosed = true;
		this.#cancel();
	}

	#addEvent(pod: NoticedPod, event: EventText): void {
		this.#add(`event ${pod.uid} ${event.key} ${event.atMs}`, { pod, news: { event } });
	}

	#add(key: string, pending: Pending): void {
		if (this.#isClosed || (this.#pending.size >= mostPending && !this.#pending.has(key))) return;
		this.#pending.delete(key);
		this.#pending.set(key, pending);
		if (!this.#sending) void this.#send();
	}

	async #send(): Promise<void> {
		this.#sending = true;
		for (let next = this.#next(); next && !this.#isClosed; next = this.#next()) {
			const [key, pending] = next;
			const outcome = await this.#tell(pending).catch((error: unknown) => this.#failed(error));
			// It may have been overtaken by a newer one meanwhile.
			if (outcome !== "again" && this.#pending.get(key) === pending) this.#pending.delete(key);
			await this.#wait(outcome === "again" ? retryMs : paceMs);
		}
		this.#sending = false;
	}

	#next(): readonly [string, Pending] | undefined {
		return this.#pending.entries().next().value;
	}

	async #tell({ news, pod }: Pending): Promise<"done"> {
		if ("condition" in news) await this.#writeCondition(pod, news.condition);
		else await this.#writeEvent(pod, news.event);
		if (this.#because !== undefined) this.#log.info({}, "pods' events and conditions are written again");
		this.#because = undefined;
		return "done";
	}

	async #writeCondition({ name, namespace, uid }: NoticedPod, condition: object): Promise<void> {
		// The uid keeps it off a later pod of the same name.
		const body = { metadata: { uid }, status: { conditions: [condition] } };
		await this.#ask(
			"PATCH",
			pathOf(podResource, namespace, name, "status"),
			body,
			"application/strategic-merge-patch+json",
		);
	}

	async #writeEvent(pod: NoticedPod, event: EventText): Promise<void> {
		const key = `${pod.uid} ${event.key}`;
		const known = this.#events.get(key);
		if (known && event.atMs - known.firstMs < sameWithinMs) {
			const again = { ...known, count: known.count + 1 };
			this.#events.set(key, again);
			await this.#ask("PATCH", pathOf(eventResource, pod.namespace, known.name), repeatedEvent(event, again.count));
			return;
		}
		const name = `${pod.name.slice(0, 200)}.${event.atMs.toString(16)}${this.#events.size.toString(16)}`;
		this.#events.set(key, { name, count: 1, firstMs: event.atMs });
		await this.#ask("POST", pathOf(eventResource, pod.namespace), eventOf(pod, event, name));
	}

	async #ask(method: "POST" | "PATCH", path: string, body: object, contentType?: string): Promise<void> {
		const answer = await this.#client.request(method, path, { body, ...(contentType ? { contentType } : {}) });
		if (answer.status >= 300) throw Refused.of(answer);
	}

	/** What the server will never take is not asked of it again. */
	#failed(error: unknown): "again" | "done" {
		const isFinal = error instanceof Refused && error.code < 500 && error.code !== 429;
		const because = error instanceof Error ? error.message : String(error);
		// A pod that is gone has no status.
		if (error instanceof Refused && (error.code === 404 || error.code === 409)) return "done";
		if (because !== this.#because) this.#log.warn({ because }, "a pod's event or condition was not written");
		this.#because = because;
		return isFinal ? "done" : "again";
	}

	#wait(ms: number): Promise<void> {
		return new Promise((resolve) => {
			this.#cancel = this.#clock.after(ms, resolve);
		});
	}
}
