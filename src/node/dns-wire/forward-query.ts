// Asks other resolvers what the mesh does not know. In: a query's bytes as they came. Out: the first resolver's answer with
// the query's id, or nothing after the time limit. UDP goes on as UDP and TCP as TCP, so truncation works end to end.

import { randomInt } from "node:crypto";
import { createSocket } from "node:dgram";
import { connect } from "node:net";
import { type DnsQuestion, decodeDns, nameKey } from "../dns/dns-message.ts";
import type { IpPort } from "../plan/host-port.ts";

export interface ForwardOptions {
	readonly upstreams: readonly IpPort[];
	readonly question: DnsQuestion;
	readonly transport: "udp" | "tcp";
	/** For all upstreams together; default 5000. Each gets an equal share, in order. */
	readonly timeoutMs?: number;
}

export async function forwardQuery(query: Uint8Array, options: ForwardOptions): Promise<Uint8Array | undefined> {
	const shareMs = (options.timeoutMs ?? 5000) / Math.max(1, options.upstreams.length);
	for (const upstream of options.upstreams) {
		// An id and a port of our own, at random: harder to answer for somebody who does not see the query.
		const id = randomInt(65_536);
		const ask = options.transport === "udp" ? askUdp : askTcp;
		const answer = await ask(withId(query, id), upstream, shareMs, (bytes) => isAnswer(bytes, id, options.question));
		if (answer) return withId(answer, new DataView(query.buffer, query.byteOffset).getUint16(0));
	}
	return undefined;
}

function isAnswer(bytes: Uint8Array, id: number, question: DnsQuestion): boolean {
	const decoded = decodeDns(bytes);
	if (!decoded.ok || !decoded.message.isResponse || decoded.message.id !== id) return false;
	const [repeated] = decoded.message.questions;
	return repeated !== undefined && repeated.type === question.type && nameKey(repeated.name) === nameKey(question.name);
}

type Ask = (
	query: Uint8Array,
	to: IpPort,
	timeoutMs: number,
	accept: (bytes: Uint8Array) => boolean,
) => Promise<Uint8Array | undefined>;

const askUdp: Ask = (query, to, timeoutMs, accept) =>
	new Promise((resolve) => {
		const socket = createSocket(to.address.includes(":") ? "udp6" : "udp4");
		const finish = (answer?: Uint8Array): void => {
			clearTimeout(timer);
			socket.close();
			resolve(answer);
		};
		const timer = setTimeout(finish, timeoutMs);
		socket.on("error", () => finish());
		socket.on("message", (bytes) => {
			if (accept(bytes)) finish(bytes);
		});
		socket.connect(to.port, to.address, () => socket.send(query));
	});

const askTcp: Ask = (query, to, timeoutMs, accept) =>
	new Promise((resolve) => {
		const socket = connect(to.port, to.address);
		let received = Buffer.alloc(0);
		const finish = (answer?: Uint8Array): void => {
			clearTimeout(timer);
			socket.destroy();
			resolve(answer);
		};
		const timer = setTimeout(finish, timeoutMs);
		socket.on("error", () => finish()).on("close", () => finish());
		socket.on("data", (chunk: Buffer) => {
			received = Buffer.concat([received, chunk]);
			if (received.length < 2 || received.length < 2 + received.readUInt16BE(0)) return;
			const answer = received.subarray(2, 2 + received.readUInt16BE(0));
			finish(accept(answer) ? answer : undefined);
		});
		socket.on("connect", () => socket.write(framed(query)));
	});

/** DNS over TCP: two bytes of length, then the message. */
export function framed(message: Uint8Array): Uint8Array {
	const bytes = new Uint8Array(message.length + 2);
	new DataView(bytes.buffer).setUint16(0, message.length);
	bytes.set(message, 2);
	return bytes;
}

function withId(message: Uint8Array, id: number): Uint8Array {
	const copy = Uint8Array.from(message);
	new DataView(copy.buffer).setUint16(0, id);
	return copy;
}
