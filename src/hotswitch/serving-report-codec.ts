// A node's report and its answer on the wire: JSON in UTF-8. What a node says is not believed before its form has been looked
// at: a report that is wrong anywhere is refused whole, and says where.

import type { PodReport, PodServing, RequestCounts, ServingReport, ServingReportAnswer } from "./serving-report.ts";
import { type ServingStep, servingSteps } from "./serving-step.ts";
import type { SwitchRecord } from "./switch-record.ts";

/** Of a report; some thousand pods. */
export const longestReportBytes = 4 * 1024 * 1024;

export type DecodedReport =
	| { readonly ok: true; readonly report: ServingReport }
	| { readonly ok: false; readonly because: string };

export function encodeServingReport(report: ServingReport): Uint8Array {
	return new TextEncoder().encode(JSON.stringify(report));
}

export function encodeServingAnswer(answer: ServingReportAnswer): Uint8Array {
	return new TextEncoder().encode(JSON.stringify(answer));
}

/** Undefined for bytes that are no answer. */
export function decodeServingAnswer(bytes: Uint8Array): ServingReportAnswer | undefined {
	try {
		const { instance, refused } = fieldsOf(JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes)), "");
		return {
			instance: textOf(instance, "instance"),
			refused: listOf(refused, "refused").map((one, index) => {
				const at = `refused[${index}]`;
				const { proxyId, because } = fieldsOf(one, at);
				return { proxyId: textOf(proxyId, `${at}.proxyId`), because: textOf(because, `${at}.because`) };
			}),
		};
	} catch {
		return undefined;
	}
}

export function decodeServingReport(bytes: Uint8Array): DecodedReport {
	try {
		return { ok: true, report: reportOf(JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes))) };
	} catch (error) {
		return { ok: false, because: error instanceof Error ? error.message : String(error) };
	}
}

/** Says where something is not what it must be. */
class Malformed extends Error {}

type Fields = Readonly<Record<string, unknown>>;

function reportOf(value: unknown): ServingReport {
	const { node, agentMs, sequence, pods, events } = fieldsOf(value, "the report");
	return {
		node: textOf(node, "node"),
		agentMs: numberOf(agentMs, "agentMs"),
		sequence: numberOf(sequence, "sequence"),
		pods: listOf(pods, "pods").map((pod, index) => podOf(pod, `pods[${index}]`)),
		events: listOf(events, "events").map((event, index) => recordOf(event, `events[${index}]`)),
	};
}

function podOf(value: unknown, at: string): PodReport {
	const { proxyId, namespace, name, serviceAccount, ready, serving, requests, calls } = fieldsOf(value, at);
	if (typeof ready !== "boolean") throw new Malformed(`${at}.ready is not true or false`);
	return {
		proxyId: textOf(proxyId, `${at}.proxyId`),
		namespace: textOf(namespace, `${at}.namespace`),
		name: textOf(name, `${at}.name`),
		serviceAccount: textOf(serviceAccount, `${at}.serviceAccount`),
		ready,
		...(serving === undefined ? {} : { serving: servingOf(serving, `${at}.serving`) }),
		...(requests === undefined ? {} : { requests: requestsOf(requests, `${at}.requests`) }),
		...(calls === undefined ? {} : { calls: requestsOf(calls, `${at}.calls`) }),
	};
}

function servingOf(value: unknown, at: string): PodServing {
	const { step, sinceMs, cause, because, bypass } = fieldsOf(value, at);
	return {
		step: stepOf(step, `${at}.step`),
		sinceMs: numberOf(sinceMs, `${at}.sinceMs`),
		cause: textOf(cause, `${at}.cause`),
		because: textOf(because, `${at}.because`),
		...(bypass === undefined ? {} : { bypass: bypassOf(bypass, `${at}.bypass`) }),
	};
}

function bypassOf(value: unknown, at: string): NonNullable<PodServing["bypass"]> {
	const { by, why, untilMs } = fieldsOf(value, at);
	return {
		by: textOf(by, `${at}.by`),
		why: textOf(why, `${at}.why`),
		...(untilMs === undefined ? {} : { untilMs: numberOf(untilMs, `${at}.untilMs`) }),
	};
}

function requestsOf(value: unknown, at: string): RequestCounts {
	const { total, serverErrors, atMs } = fieldsOf(value, at);
	return {
		total: numberOf(total, `${at}.total`),
		serverErrors: numberOf(serverErrors, `${at}.serverErrors`),
		atMs: numberOf(atMs, `${at}.atMs`),
	};
}

/** Also for records that were kept on disk; throws where one is not what it must be. */
export function recordOf(value: unknown, at: string): SwitchRecord {
	const { id, atMs, node, namespace, pod, from, to, cause, because, by } = fieldsOf(value, at);
	return {
		id: textOf(id, `${at}.id`),
		atMs: numberOf(atMs, `${at}.atMs`),
		node: textOf(node, `${at}.node`),
		namespace: textOf(namespace, `${at}.namespace`),
		pod: textOf(pod, `${at}.pod`),
		from: stepOf(from, `${at}.from`),
		to: stepOf(to, `${at}.to`),
		cause: textOf(cause, `${at}.cause`),
		because: textOf(because, `${at}.because`),
		by: textOf(by, `${at}.by`),
	};
}

function fieldsOf(value: unknown, at: string): Fields {
	if (typeof value !== "object" || value === null || Array.isArray(value)) throw new Malformed(`${at} is no object`);
	return value as Fields;
}

function listOf(value: unknown, at: string): readonly unknown[] {
	if (!Array.isArray(value)) throw new Malformed(`${at} is no list`);
	return value;
}

const maxText = 2_000;

function textOf(value: unknown, at: string): string {
	if (typeof value !== "string") throw new Malformed(`${at} is no text`);
	if (value.length > maxText) throw new Malformed(`${at} is longer than ${maxText} characters`);
	return value;
}

function numberOf(value: unknown, at: string): number {
	if (typeof value === "number" && Number.isFinite(value) && value >= 0) return value;
	throw new Malformed(`${at} is no number from 0 on`);
}

function stepOf(value: unknown, at: string): ServingStep {
	const known = servingSteps.find((step) => step === value);
	if (known === undefined) throw new Malformed(`${at} is none of ${servingSteps.join(", ")}`);
	return known;
}
