// The machine's DNS server, UDP and TCP on one address. In: queries; an index of names that may be replaced at any time. Out:
// answers from the index at once, others from the resolvers, SERVFAIL when none answers.

import { createSocket, type Socket as UdpSocket } from "node:dgram";
import { createServer, type Server, type Socket } from "node:net";
import { answerQuery, responseTo, udpLimitBytes } from "../dns/answer-query.ts";
import { type DnsMessage, decodeDns, encodeDns, rcodes } from "../dns/dns-message.ts";
import type { NameIndex } from "../dns/name-index.ts";
import type { IpPort } from "../plan/host-port.ts";
import { forwardQuery, framed } from "./forward-query.ts";

export interface DnsServerOptions {
	readonly listen: IpPort;
	readonly domain: string;
	readonly upstreams: readonly IpPort[];
	/** Asked for each query. */
	readonly index: () => NameIndex;
	/** For one forwarded query; default 5000. */
	readonly upstreamTimeoutMs?: number;
	/** Forwarded queries at a time; more are answered SERVFAIL. Default 1000. */
	readonly maxForwarded?: number;
}

export interface DnsServer {
	/** Where it listens, with the port that was chosen for port 0. */
	readonly address: IpPort;
	close(): Promise<void>;
}

const tcpIdleMs = 10_000;
const maxTcpConnections = 256;

export async function startDnsServer(options: DnsServerOptions): Promise<DnsServer> {
	const { address } = options.listen;
	let rotation = 0;
	let forwarded = 0;
	const handle = async (bytes: Uint8Array, transport: "udp" | "tcp"): Promise<Uint8Array | undefined> => {
		const decoded = decodeDns(bytes);
		// Answering what is no query, or a response, would let two servers talk for ever.
		if (!decoded.ok) {
			if (!decoded.header || decoded.header.isResponse) return undefined;
			return encodeDns(responseTo(decoded.header, rcodes.formErr));
		}
		const query = decoded.message;
		if (query.isResponse) return undefined;
		const encode = (message: DnsMessage): Uint8Array =>
			encodeDns(message, transport === "udp" ? udpLimitBytes(query) : undefined);
		const hasUpstream = options.upstreams.length > 0;
		const answer = answerQuery(options.index(), query, { domain: options.domain, hasUpstream, rotation: rotation++ });
		if (answer.type === "respond") return encode(answer.message);
		if (forwarded >= (options.maxForwarded ?? 1000)) return encode(responseTo(query, rcodes.servFail));
		forwarded++;
		try {
			const { upstreams, upstreamTimeoutMs = 5000 } = options;
			const { question } = answer;
			const reply = await forwardQuery(bytes, { upstreams, question, transport, timeoutMs: upstreamTimeoutMs });
			return reply ?? encode(responseTo(query, rcodes.servFail));
		} finally {
			forwarded--;
		}
	};
	const tcp = createServer((socket) => serveTcp(socket, handle));
	tcp.maxConnections = maxTcpConnections;
	await new Promise<void>((resolve, reject) => {
		tcp.once("error", reject).listen(options.listen.port, address, () => resolve());
	});
	const bound = tcp.address();
	const port = typeof bound === "object" && bound ? bound.port : options.listen.port;
	const udp = await bindUdp({ address, port });
	udp.on("message", (bytes, from) => {
		void handle(bytes, "udp").then((answer) => {
			if (answer) udp.send(answer, from.port, from.address, () => {});
		});
	});
	return { address: { address, port }, close: () => closeAll(tcp, udp) };
}

function bindUdp({ address, port }: IpPort): Promise<UdpSocket> {
	return new Promise((resolve, reject) => {
		const socket = createSocket(address.includes(":") ? "udp6" : "udp4");
		socket.once("error", reject);
		socket.bind(port, address, () => {
			socket.off("error", reject);
			// A client that went away makes the kernel report an error here; others are still served.
			socket.on("error", () => {});
			resolve(socket);
		});
	});
}

function serveTcp(
	socket: Socket,
	handle: (bytes: Uint8Array, transport: "tcp") => Promise<Uint8Array | undefined>,
): void {
	let received = Buffer.alloc(0);
	socket.setTimeout(tcpIdleMs, () => socket.destroy());
	socket.on("error", () => {});
	socket.on("data", (chunk: Buffer) => {
		received = Buffer.concat([received, chunk]);
		while (received.length >= 2 && received.length >= 2 + received.readUInt16BE(0)) {
			const end = 2 + received.readUInt16BE(0);
			void handle(received.subarray(2, end), "tcp").then((answer) => {
				if (answer && !socket.destroyed) socket.write(framed(answer));
			});
			received = received.subarray(end);
		}
	});
}

function closeAll(tcp: Server, udp: UdpSocket): Promise<void> {
	return new Promise((resolve) => {
		tcp.close(() => udp.close(() => resolve()));
	});
}
