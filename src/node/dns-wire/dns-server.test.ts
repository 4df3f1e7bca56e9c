// The DNS server on loopback, asked by Node's own resolver, with another instance of it as the resolver behind.

import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { Resolver } from "node:dns/promises";
import { connect } from "node:net";
import { after, before, describe, it } from "node:test";
import { decodeDns, dnsTypes, encodeDns, nameFromText, rcodes } from "../dns/dns-message.ts";
import { indexNames } from "../dns/name-index.ts";
import { type DnsServer, type DnsServerOptions, startDnsServer } from "./dns-server.ts";
import { framed } from "./forward-query.ts";

const loopback = { address: "127.0.0.1", port: 0 };
const many = Array.from({ length: 60 }, (_, i) => `10.1.0.${i + 1}`);

describe("the DNS server", () => {
	const servers: DnsServer[] = [];
	const start = async (options: Partial<DnsServerOptions>): Promise<DnsServer> => {
		const index = indexNames({ names: {} });
		const base = { listen: loopback, domain: "cluster.local", upstreams: [], index: () => index };
		const server = await startDnsServer({ ...base, ...options });
		servers.push(server);
		return server;
	};
	const resolverOf = (server: DnsServer): Resolver => {
		const resolver = new Resolver({ timeout: 3000, tries: 1 });
		resolver.setServers([`127.0.0.1:${server.address.port}`]);
		return resolver;
	};
	let upstream: DnsServer;
	let server: DnsServer;
	let names = indexNames({
		names: { "reviews.default.svc.cluster.local": ["10.0.0.1", "fd00::1"], "many.cluster.local": many },
	});

	before(async () => {
		const outside = indexNames({ names: { "www.example.org": ["192.0.2.7"], "big.example.org": many } });
		upstream = await start({ domain: "example.org", index: () => outside });
		server = await start({ index: () => names, upstreams: [upstream.address] });
	});
	after(() => Promise.all(servers.map((one) => one.close())));

	it("answers the mesh's names", async () => {
		const resolver = resolverOf(server);
		assert.deepEqual(await resolver.resolve4("reviews.default.svc.cluster.local"), ["10.0.0.1"]);
		assert.deepEqual(await resolver.resolve6("reviews.default.svc.cluster.local"), ["fd00::1"]);
		assert.deepEqual(await resolver.resolve4("Reviews.Default.svc.cluster.local", { ttl: true }), [
			{ address: "10.0.0.1", ttl: 30 },
		]);
	});

	it("asks the resolver behind for all others", async () => {
		const resolver = resolverOf(server);
		assert.deepEqual(await resolver.resolve4("www.example.org"), ["192.0.2.7"]);
		await assert.rejects(resolver.resolve4("none.example.org"), { code: "ENOTFOUND" });
	});

	it("truncates over UDP and gives everything over TCP, also what it forwards", async () => {
		const resolver = resolverOf(server);
		assert.equal((await resolver.resolve4("many.cluster.local")).length, 60);
		assert.equal((await resolver.resolve4("big.example.org")).length, 60);
		const udp = await askUdp(server, question("many.cluster.local"));
		assert.equal(udp.truncated, true);
	});

	it("takes new names at the next query", async () => {
		const earlier = names;
		names = indexNames({ names: { "new.default.svc.cluster.local": ["10.0.0.2"] } });
		assert.deepEqual(await resolverOf(server).resolve4("new.default.svc.cluster.local"), ["10.0.0.2"]);
		names = earlier;
	});

	it("answers SERVFAIL when the resolver behind is silent, and asks the next one first", async () => {
		const silent = createSocket("udp4");
		await new Promise<void>((resolve) => silent.bind(0, "127.0.0.1", resolve));
		const silentAt = { address: "127.0.0.1", port: silent.address().port };
		const dead = await start({ upstreams: [silentAt], upstreamTimeoutMs: 200 });
		assert.equal((await askUdp(dead, question("www.example.org"))).rcode, rcodes.servFail);
		const both = await start({ upstreams: [silentAt, upstream.address], upstreamTimeoutMs: 400 });
		assert.equal((await askUdp(both, question("www.example.org"))).answers.length, 1);
		silent.close();
	});

	it("does not believe answers to other questions", async () => {
		const liar = createSocket("udp4");
		await new Promise<void>((resolve) => liar.bind(0, "127.0.0.1", resolve));
		liar.on("message", (bytes, from) => {
			const decoded = decodeDns(bytes);
			if (!decoded.ok) return;
			const reply = { ...decoded.message, isResponse: true };
			liar.send(encodeDns({ ...reply, id: reply.id ^ 1 }), from.port, from.address);
			liar.send(encodeDns({ ...reply, questions: [{ ...question("evil.org") }] }), from.port, from.address);
			liar.send(bytes, from.port, from.address);
		});
		const fooled = await start({
			upstreams: [{ address: "127.0.0.1", port: liar.address().port }],
			upstreamTimeoutMs: 200,
		});
		assert.equal((await askUdp(fooled, question("www.example.org"))).rcode, rcodes.servFail);
		liar.close();
	});

	it("answers FORMERR to a broken query and nothing to a response", async () => {
		const broken = await sendUdp(server, Uint8Array.from([0, 9, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0xc0, 12]), 500);
		const decoded = broken && decodeDns(broken);
		assert.equal(decoded?.ok && decoded.message.rcode, rcodes.formErr);
		const response = encodeDns({ ...messageOf(question("x.cluster.local")), isResponse: true });
		assert.equal(await sendUdp(server, response, 150), undefined);
		assert.equal(await sendUdp(server, Uint8Array.of(1, 2, 3), 150), undefined);
	});

	it("answers several queries of one TCP connection, also in pieces", async () => {
		const socket = connect(server.address.port, "127.0.0.1");
		const replies: Buffer[] = [];
		socket.on("data", (chunk: Buffer) => replies.push(chunk));
		const bytes = framed(encodeDns(messageOf(question("reviews.default.svc.cluster.local"))));
		for (const byte of bytes) {
			socket.write(Uint8Array.of(byte));
			await new Promise((resolve) => setImmediate(resolve));
		}
		socket.write(Buffer.concat([bytes, bytes]));
		const size = () => replies.reduce((sum, chunk) => sum + chunk.length, 0);
		for (let tries = 0; size() < 3 * (bytes.length + 16) && tries < 200; tries++)
			await new Promise((resolve) => setTimeout(resolve, 5));
		assert.equal(size(), 3 * (bytes.length + 16));
		socket.destroy();
	});
});

function question(name: string) {
	return { name: nameFromText(name), type: dnsTypes.a, class: 1 };
}

function messageOf(asked: ReturnType<typeof question>) {
	return {
		id: 77,
		isResponse: false,
		opcode: 0,
		authoritative: false,
		truncated: false,
		recursionDesired: true,
		recursionAvailable: false,
		rcode: 0,
		questions: [asked],
		answers: [],
		authorities: [],
		additionals: [],
	};
}

async function askUdp(server: DnsServer, asked: ReturnType<typeof question>) {
	const answer = await sendUdp(server, encodeDns(messageOf(asked)), 3000);
	const decoded = answer && decodeDns(answer);
	assert.ok(decoded?.ok, "no answer");
	assert.equal(decoded.message.id, 77);
	return decoded.message;
}

function sendUdp(server: DnsServer, bytes: Uint8Array, timeoutMs: number): Promise<Uint8Array | undefined> {
	return new Promise((resolve) => {
		const socket = createSocket("udp4");
		const finish = (answer?: Uint8Array): void => {
			clearTimeout(timer);
			socket.close();
			resolve(answer);
		};
		const timer = setTimeout(finish, timeoutMs);
		socket.on("message", (answer) => finish(answer));
		socket.send(bytes, server.address.port, "127.0.0.1");
	});
}
