// Plain delta-ADS clients, all in this process: they ask for clusters, their endpoints, listeners and the routes that these
// name, ACK everything, and remember versions for a reconnect. What many clients get alike is read once.

import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import {
	encodeDeltaRequest,
	type ResponseSummary,
	summarizeDeltaResponse,
	valueOfAny,
} from "../../src/xds/relay-message.ts";
import { readFields } from "../../src/xds/request.ts";
import { typeUrls } from "../../src/xds/resource.ts";
import { type AdsStream, openAdsStream } from "../../src/xds/wire/xds-client.ts";
import { type ClientsCommand, type ClientsReply, machineMs } from "./messages.ts";

const send = (reply: ClientsReply): void => void process.send?.(reply);

interface Client {
	readonly node: Uint8Array;
	stream: AdsStream | undefined;
	/** By type: name -> version. */
	readonly held: Map<string, Map<string, string>>;
	/** Names still missing, by type. */
	readonly wanted: Map<string, readonly string[]>;
	bytes: number;
	sentBytes: number;
	isComplete: boolean;
}

let clients: Client[] = [];
let port = 0;
let incomplete = 0;
let awaited = 0;
let firstChangeAtMs = 0;

process.on("message", async (command: ClientsCommand) => {
	switch (command.type) {
		case "connect":
			port = command.port;
			incomplete = command.clients;
			send({ type: "connecting", atMs: machineMs() });
			clients = Array.from({ length: command.clients }, (_, index) => newClient(index));
			for (const client of clients) open(client);
			break;
		case "awaitChange":
			awaited = clients.length;
			firstChangeAtMs = 0;
			send({ type: "awaiting" });
			break;
		case "reconnect":
			await reconnect();
			break;
		case "stop":
			for (const client of clients) {
				const { stream } = client;
				client.stream = undefined;
				stream?.close();
			}
			process.disconnect?.();
			break;
		default:
			command satisfies never;
	}
});

function newClient(index: number): Client {
	const pod = `client-${index}`;
	const ip = `10.244.${Math.floor(index / 250)}.${(index % 250) + 1}`;
	return {
		node: encodeNode(`sidecar~${ip}~${pod}.bench~bench.svc.cluster.local`, { NAMESPACE: "bench", INSTANCE_IPS: ip }),
		stream: undefined,
		held: new Map(),
		wanted: new Map(),
		bytes: 0,
		sentBytes: 0,
		isComplete: false,
	};
}

function open(client: Client): void {
	const stream = openAdsStream(
		{ to: { host: "127.0.0.1", port } },
		{
			message: (bytes) => onMessage(client, stream, bytes),
			closed: (status, because) => {
				if (client.stream === stream) throw new Error(`a client lost its stream: ${status} ${because}`);
			},
		},
	);
	client.stream = stream;
	let isFirst = true;
	for (const typeUrl of [typeUrls.cluster, typeUrls.endpoints, typeUrls.listener, typeUrls.route]) {
		const initialVersions = client.held.get(typeUrl);
		const subscribe = client.wanted.get(typeUrl);
		const isWildcard = typeUrl === typeUrls.cluster || typeUrl === typeUrls.listener;
		if (!isWildcard && !subscribe) continue;
		request(client, stream, {
			typeUrl,
			...(isFirst && { node: client.node }),
			...(subscribe && { subscribe }),
			...(initialVersions && { initialVersions }),
		});
		isFirst = false;
	}
}

function request(client: Client, stream: AdsStream, parts: Parameters<typeof encodeDeltaRequest>[0]): void {
	const bytes = encodeDeltaRequest(parts);
	client.sentBytes += bytes.length + 5;
	stream.send(bytes);
}

function onMessage(client: Client, stream: AdsStream, bytes: Uint8Array): void {
	client.bytes += bytes.length + 5;
	const { typeUrl, nonce, removed, versions, names } = read(bytes);
	request(client, stream, { typeUrl, nonce });
	client.held.set(typeUrl, applied(client.held.get(typeUrl), { versions, removed }));
	const follow = typeUrl === typeUrls.cluster ? typeUrls.endpoints : typeUrls.route;
	if (names.length > 0 && !client.wanted.has(follow)) {
		client.wanted.set(follow, names);
		request(client, stream, { typeUrl: follow, subscribe: names });
	}
	if (!client.isComplete && isComplete(client)) {
		client.isComplete = true;
		incomplete--;
		const resources = [...client.held.values()].reduce((sum, each) => sum + each.size, 0);
		const received = clients.reduce((sum, each) => sum + each.bytes, 0);
		if (incomplete === 0) send({ type: "complete", atMs: machineMs(), bytes: received, resources });
	} else if (awaited > 0 && typeUrl === typeUrls.endpoints) {
		if (firstChangeAtMs === 0) firstChangeAtMs = machineMs();
		awaited--;
		if (awaited === 0) send({ type: "changed", atMs: machineMs(), firstAtMs: firstChangeAtMs });
	}
}

const appliedBefore = new WeakMap<Map<string, string>, WeakMap<Map<string, string>, Map<string, string>>>();

/** Clients that had the same and got the same share the result, so that this process measures the server, not itself. */
function applied(
	held: Map<string, string> | undefined,
	{ versions, removed }: Pick<Read, "versions" | "removed">,
): Map<string, string> {
	if (!held || held.size === 0) return versions;
	let byVersions = appliedBefore.get(held);
	if (!byVersions) {
		byVersions = new WeakMap();
		appliedBefore.set(held, byVersions);
	}
	let next = byVersions.get(versions);
	if (!next) {
		next = new Map(held);
		for (const [name, version] of versions) next.set(name, version);
		for (const name of removed) next.delete(name);
		byVersions.set(versions, next);
	}
	return next;
}

function isComplete({ held, wanted }: Client): boolean {
	if (!held.has(typeUrls.cluster) || !held.has(typeUrls.listener)) return false;
	return [typeUrls.endpoints, typeUrls.route].every((typeUrl) => {
		const names = wanted.get(typeUrl);
		return names === undefined || (held.get(typeUrl)?.size ?? 0) >= names.length;
	});
}

async function reconnect(): Promise<void> {
	for (const client of clients) {
		const { stream } = client;
		client.stream = undefined;
		stream?.close();
		client.bytes = 0;
		client.sentBytes = 0;
	}
	await new Promise((resolve) => setTimeout(resolve, 300));
	for (const client of clients) open(client);
	await new Promise((resolve) => setTimeout(resolve, 3_000));
	send({
		type: "reconnected",
		bytes: clients.reduce((sum, each) => sum + each.bytes, 0),
		sentBytes: clients.reduce((sum, each) => sum + each.sentBytes, 0),
	});
}

interface Read {
	readonly typeUrl: string;
	readonly nonce: string;
	readonly removed: readonly string[];
	readonly versions: Map<string, string>;
	/** Names of another type that the resources refer to. */
	readonly names: readonly string[];
}

const readBefore: { readonly bytes: Uint8Array; readonly read: Read }[] = [];

/** Most clients get the same bytes: those are read once. */
function read(bytes: Uint8Array): Read {
	const known = readBefore.find((before) => Buffer.compare(before.bytes, bytes) === 0);
	if (known) return known.read;
	const summary = summarizeDeltaResponse(bytes);
	const { typeUrl, nonce, removed } = summary;
	const versions = new Map(summary.resources.map(({ name, version }) => [name, version]));
	const result: Read = { typeUrl, nonce, removed, versions, names: namesIn(summary) };
	readBefore.push({ bytes: bytes.slice(), read: result });
	if (readBefore.length > 16) readBefore.shift();
	return result;
}

function namesIn({ typeUrl, resources }: ResponseSummary): readonly string[] {
	if (typeUrl === typeUrls.cluster)
		return resources.map(({ name }) => name).filter((name) => name.startsWith("outbound|"));
	if (typeUrl !== typeUrls.listener) return [];
	const names = new Set<string>();
	for (const { any } of resources) {
		try {
			for (const name of routeNames(valueOfAny(any))) names.add(name);
		} catch {
			// Made up bytes in the synthetic mesh.
		}
	}
	if (names.size === 0) for (let index = 0; index < 40; index++) names.add(`${8000 + index}`);
	return [...names];
}

/** Listener.filter_chains (3) and default_filter_chain (25) . filters (3) . typed_config (4) -> rds (3) . route_config_name (2). */
function routeNames(listener: Uint8Array): readonly string[] {
	const names: string[] = [];
	within(listener, [3, 25], (chain) =>
		within(chain, [3], (filter) =>
			within(filter, [4], (any) => {
				within(valueOfAny(any), [3], (rds) => within(rds, [2], (name) => names.push(new TextDecoder().decode(name))));
			}),
		),
	);
	return names;
}

function within(bytes: Uint8Array, fields: readonly number[], each: (bytes: Uint8Array) => void): void {
	readFields(bytes, (reader, field) => {
		if (!fields.includes(field)) return false;
		each(reader.bytes());
		return true;
	});
}

/** envoy.config.core.v3.Node: id 1, cluster 2, metadata 3 (google.protobuf.Struct of strings). */
function encodeNode(id: string, metadata: Readonly<Record<string, string>>): Uint8Array {
	const writer = new BinaryWriter();
	writer.tag(1, WireType.LengthDelimited).string(id).tag(2, WireType.LengthDelimited).string("bench");
	writer.tag(3, WireType.LengthDelimited).fork();
	for (const [key, value] of Object.entries(metadata)) {
		writer.tag(1, WireType.LengthDelimited).fork().tag(1, WireType.LengthDelimited).string(key);
		writer.tag(2, WireType.LengthDelimited).fork().tag(3, WireType.LengthDelimited).string(value).join().join();
	}
	return writer.join().finish();
}
