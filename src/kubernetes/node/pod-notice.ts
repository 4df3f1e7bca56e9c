// What became of a pod's connections, as Kubernetes' Events and conditions say it. In: a switch. Out: objects for the API server.
// https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-readiness-gate

import type { ServingStep } from "../../hotswitch/serving-step.ts";
import { servedBySidecar, servingCondition } from "../../inject/pod-shape.ts";
import type { PodSpec } from "../../node/plan/pod-spec.ts";
import type { SwitchChange } from "../../node/pod-hot-switch.ts";
import { bypassedCondition } from "./bypass-request.ts";
import type { BypassAnswer } from "./bypassed-pods.ts";

export type NoticedPod = Pick<PodSpec, "name" | "namespace" | "uid">;

export interface PodNotice extends SwitchChange {
	/** Milliseconds since the epoch. */
	readonly atMs: number;
	readonly node: string;
}

const reasons: Readonly<Record<string, string>> = {
	sidecar: servedBySidecar,
	spare: "BySpare",
	direct: "Direct",
	closed: "Closed",
} satisfies Record<ServingStep, string>;

const sentences: Readonly<Record<string, string>> = {
	sidecar: "connections go through the pod's own proxy",
	spare: "new connections go through the node's spare proxy",
	direct: "new connections go past every proxy, in plaintext",
	closed: "new connections are refused",
} satisfies Record<ServingStep, string>;

const component = "keepmesh-node";
const longestMessage = 900;

/** What an Event says. */
export interface EventText {
	readonly type: "Normal" | "Warning";
	readonly reason: string;
	readonly message: string;
	/** Milliseconds since the epoch. */
	readonly atMs: number;
	readonly node: string;
	/** The same event again has the same. */
	readonly key: string;
}

export function conditionOf(notice: PodNotice): object {
	return {
		type: servingCondition,
		status: notice.to === "closed" ? "False" : "True",
		reason: reasons[notice.to] ?? notice.to,
		message: messageOf(notice),
		lastTransitionTime: timeOf(notice),
		lastProbeTime: null,
	};
}

/** What the Pod's annotations have asked for is so, or not. */
export function answerConditionOf({ because, outcome }: BypassAnswer, atMs: number): object {
	const time = timeOf({ atMs });
	return {
		type: bypassedCondition,
		status: outcome === "bypassed" ? "True" : "False",
		reason: { bypassed: "Bypassed", refused: "Refused", restored: "Restored" }[outcome],
		message: because.slice(0, longestMessage),
		lastTransitionTime: time,
		// Each answer is another one, also when it is the same.
		lastProbeTime: time,
	};
}

export function noticeText(notice: PodNotice): EventText {
	const { atMs, because, from, node, to } = notice;
	return {
		type: to === "sidecar" ? "Normal" : "Warning",
		reason: `Served${reasons[to] ?? ""}`,
		message: messageOf(notice),
		atMs,
		node,
		key: `${from} ${to} ${because}`,
	};
}

export function refusalText({ because }: BypassAnswer, atMs: number, node: string): EventText {
	const message = `connections stay where they are: ${because}`.slice(0, longestMessage);
	return { type: "Warning", reason: "BypassRefused", message, atMs, node, key: `refused ${because}` };
}

export function eventOf({ name, namespace, uid }: NoticedPod, text: EventText, eventName: string): object {
	const time = timeOf(text);
	return {
		apiVersion: "v1",
		kind: "Event",
		metadata: { name: eventName, namespace },
		involvedObject: { apiVersion: "v1", kind: "Pod", name, namespace, uid },
		type: text.type,
		reason: text.reason,
		message: text.message,
		firstTimestamp: time,
		lastTimestamp: time,
		count: 1,
		source: { component, host: text.node },
		reportingComponent: component,
		reportingInstance: text.node,
	};
}

export function repeatedEvent(text: EventText, count: number): object {
	return { count, lastTimestamp: timeOf(text) };
}

function messageOf({ because, by, to }: PodNotice): string {
	const who = by === "keepmesh" ? "" : ` (${by})`;
	return `${sentences[to] ?? to}: ${because}${who}`.slice(0, longestMessage);
}

/** Kubernetes' times have whole seconds. */
const timeOf = ({ atMs }: { readonly atMs: number }): string => new Date(atMs).toISOString().replace(/\.\d+Z$/, "Z");
