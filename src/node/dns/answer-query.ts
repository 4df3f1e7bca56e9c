// What to answer a DNS query. In: the message and the index of names. Out: a response, or the advice to forward the query.

import {
	type DnsHeader,
	type DnsMessage,
	type DnsQuestion,
	type DnsRecord,
	dnsClassIn,
	dnsTypes,
	encodeName,
	nameFromText,
	nameKey,
	rcodes,
} from "./dns-message.ts";
import type { NameIndex } from "./name-index.ts";

export interface AnswerOptions {
	/** DNS domain of the mesh, `cluster.local`: without resolvers, unknown names below it do not exist. */
	readonly domain: string;
	readonly hasUpstream: boolean;
	/** Shifts the order of several addresses, so that clients that take the first spread. */
	readonly rotation: number;
}

export type QueryAnswer =
	| { readonly type: "respond"; readonly message: DnsMessage }
	| { readonly type: "forward"; readonly question: DnsQuestion };

/** Seconds that clients may keep an answer, also that there is none. */
export const ttlSeconds = 30;
/** Largest UDP answer that passes every path unfragmented. */
const maxUdpBytes = 1232;

export function answerQuery(index: NameIndex, query: DnsMessage, options: AnswerOptions): QueryAnswer {
	const respond = (rcode: number, more: Partial<DnsMessage> = {}): QueryAnswer => ({
		type: "respond",
		message: { ...responseTo(query, rcode), questions: query.questions, ...more },
	});
	if (query.opcode !== 0) return respond(rcodes.notImp);
	const [question] = query.questions;
	if (!question || query.questions.length !== 1) return respond(rcodes.formErr);
	if (question.class !== dnsClassIn) return respond(rcodes.refused);
	const key = nameKey(question.name);
	const found = index.lookup(key);
	const none = { authoritative: true, authorities: [startOfAuthority(options.domain)] };
	if (found.type === "found") {
		const record =
			(type: number) =>
			(data: Uint8Array): DnsRecord => ({
				name: question.name,
				type,
				class: dnsClassIn,
				ttlSeconds,
				data,
			});
		const any = question.type === dnsTypes.any;
		const answers = [
			...(any || question.type === dnsTypes.a ? rotate(found.a, options.rotation).map(record(dnsTypes.a)) : []),
			...(any || question.type === dnsTypes.aaaa
				? rotate(found.aaaa, options.rotation).map(record(dnsTypes.aaaa))
				: []),
		];
		return respond(rcodes.noError, answers.length > 0 ? { authoritative: true, answers } : none);
	}
	if (options.hasUpstream) return { type: "forward", question };
	if (found.type === "exists") return respond(rcodes.noError, none);
	if (key === options.domain || key.endsWith(`.${options.domain}`)) return respond(rcodes.nxDomain, none);
	return respond(rcodes.refused);
}

/** An empty response that repeats the query's id and question; with an OPT record when the query had one. */
export function responseTo(query: DnsHeader & Partial<DnsMessage>, rcode: number): DnsMessage {
	return {
		id: query.id,
		isResponse: true,
		opcode: query.opcode,
		authoritative: false,
		truncated: false,
		recursionDesired: query.recursionDesired,
		recursionAvailable: true,
		rcode,
		questions: query.questions ?? [],
		answers: [],
		authorities: [],
		additionals: optOf(query) ? [ownOpt] : [],
	};
}

/** How large a UDP response to this query may be. */
export function udpLimitBytes(query: Partial<DnsMessage>): number {
	const asked = optOf(query)?.class ?? 512;
	return Math.max(512, Math.min(maxUdpBytes, asked));
}

const ownOpt: DnsRecord = {
	name: [],
	type: dnsTypes.opt,
	class: maxUdpBytes,
	ttlSeconds: 0,
	data: new Uint8Array(),
};

function optOf(query: Partial<DnsMessage>): DnsRecord | undefined {
	return query.additionals?.find((record) => record.type === dnsTypes.opt);
}

/** RFC 2308: says how long the absence may be remembered. */
function startOfAuthority(domain: string): DnsRecord {
	const zone = nameFromText(domain);
	const numbers = new DataView(new ArrayBuffer(20));
	[1, 7200, 1800, 86_400, ttlSeconds].forEach((value, index) => {
		numbers.setUint32(index * 4, value);
	});
	const data = [
		...encodeName(["ns", "dns", ...zone]),
		...encodeName(["hostmaster", ...zone]),
		...new Uint8Array(numbers.buffer),
	];
	return { name: zone, type: dnsTypes.soa, class: dnsClassIn, ttlSeconds, data: Uint8Array.from(data) };
}

function rotate<Item>(items: readonly Item[], by: number): readonly Item[] {
	if (items.length < 2) return items;
	const start = by % items.length;
	return [...items.slice(start), ...items.slice(0, start)];
}
