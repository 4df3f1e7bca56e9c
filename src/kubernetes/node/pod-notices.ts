// What happens to a pod's connections, told where users of Kubernetes look: Events on the Pod, and a condition in its status. In:
// switches as they happen. Out: writes to the API server.

import type { SwitchChange } from "../../node/pod-hot-switch.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";
import { events as eventResource, pods as podResource } from "../client/api-resources.ts";
import { askServer } from "../client/ask-server.ts";
import type { KubernetesClient } from "../client/kubernetes-client.ts";
import { pathOf } from "../client/resource-path.ts";
import { WriteQueue } from "../client/write-queue.ts";
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
	readonly news: { readonly condition: object } | { readonly event: EventText; readonly name: string };
}

interface KnownEvent {
	readonly name: string;
	readonly count: number;
	readonly firstMs: number;
}

/** The same again within this time is a count in the Event that there is. */
const sameWithinMs = 600_000;
/** A node whose pods all switch at once must not flood the API server. */
const paceMs = 50;
const retryMs = 2_000;

export class PodNotices {
	readonly #node: string;
	readonly #client: KubernetesClient;
	readonly #clock: Clock;
	readonly #queue: WriteQueue<Pending>;
	readonly #events = new Map<string, KnownEvent>();
	readonly #served = new Set<string>();
	#named = 0;

	constructor(node: string, deps: { readonly client: KubernetesClient; readonly clock: Clock; readonly log: Log }) {
		this.#node = node;
		this.#client = deps.client;
		this.#clock = deps.clock;
		const what = "a pod's event or condition";
		this.#queue = new WriteQueue({ what, write: (pending) => this.#write(pending), paceMs, retryMs }, deps);
	}

	switched(pod: NoticedPod, change: SwitchChange): void {
		const notice: PodNotice = { ...change, atMs: Math.round(this.#clock.wallMs()), node: this.#node };
		// Of those the newest counts.
		this.#queue.set(`condition ${pod.uid}`, { pod, news: { condition: conditionOf(notice) } });
		// That a pod begins to be served is what everybody expects.
		if (this.#served.has(pod.uid) || change.to !== "sidecar") this.#addEvent(pod, noticeText(notice));
		this.#served.add(pod.uid);
	}

	/** What became of a bypass that the Pod's annotations ask for; that it is so, its switch tells by itself. */
	answered(pod: NoticedPod, answer: BypassAnswer): void {
		const atMs = Math.round(this.#clock.wallMs());
		this.#queue.set(`answer ${pod.uid}`, { pod, news: { condition: answerConditionOf(answer, atMs) } });
		if (answer.outcome === "refused") this.#addEvent(pod, refusalText(answer, atMs, this.#node));
	}

	/** A pod that an earlier agent served. */
	restored(uid: string): void {
		this.#served.add(uid);
	}

	gone(uid: string): void {
		this.#served.delete(uid);
		for (const what of ["condition", "answer"]) this.#queue.delete(`${what} ${uid}`);
		for (const key of this.#events.keys()) if (key.startsWith(`${uid} `)) this.#events.delete(key);
	}

	close(): void {
		this.#queue.close();
	}

	#addEvent(pod: NoticedPod, event: EventText): void {
		const name = `${pod.name.slice(0, 200)}.${event.atMs.toString(16)}${(this.#named++).toString(16)}`;
		this.#queue.set(`event ${name}`, { pod, news: { event, name } });
	}

	#write({ news, pod }: Pending): Promise<void> {
		return "condition" in news
			? this.#writeCondition(pod, news.condition)
			: this.#writeEvent(pod, news.event, news.name);
	}

	async #writeCondition({ name, namespace, uid }: NoticedPod, condition: object): Promise<void> {
		await askServer(this.#client, "PATCH", pathOf(podResource, namespace, name, "status"), {
			// The uid keeps it off a later pod of the same name.
			body: { metadata: { uid }, status: { conditions: [condition] } },
			contentType: "application/strategic-merge-patch+json",
		});
	}

	async #writeEvent(pod: NoticedPod, event: EventText, name: string): Promise<void> {
		const key = `${pod.uid} ${event.key}`;
		const known = this.#events.get(key);
		if (known && event.atMs - known.firstMs < sameWithinMs) {
			const count = known.count + 1;
			const path = pathOf(eventResource, pod.namespace, known.name);
			await askServer(this.#client, "PATCH", path, { body: repeatedEvent(event, count) });
			this.#events.set(key, { ...known, count });
			return;
		}
		await askServer(this.#client, "POST", pathOf(eventResource, pod.namespace), { body: eventOf(pod, event, name) });
		this.#events.set(key, { name, count: 1, firstMs: event.atMs });
	}
}
