// What each proxy accepted last, on disk: an Envoy that is started again while no control plane can be reached gets it. A file
// for each proxy, a log of accepted responses that is folded when it has grown. Secrets of the control plane are left out:
// their keys do not belong on every machine's disk.

import { existsSync, mkdirSync } from "node:fs";
import { appendFile, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { AnySchema } from "@bufbuild/protobuf/wkt";
import { resourcePart } from "../envoy/encode-resource.ts";
import { DeltaDiscoveryResponseSchema } from "../envoy/gen/envoy/service/discovery/v3/discovery_pb.ts";
import type { Log } from "../runtime/log.ts";
import { summarizeDeltaResponse } from "../xds/relay-message.ts";
import type { AcceptedResponse } from "../xds/relay-session.ts";
import { type EncodedResource, type ProxyConfig, type TypeUrl, typeUrls } from "../xds/resource.ts";
import { writeFileAtomic } from "./atomic-file.ts";
import { proxyFileName } from "./proxy-file-name.ts";

type Resources = Map<TypeUrl, Map<string, EncodedResource>>;

interface File {
	/** Bytes since it was folded. */
	grown: number;
	folded: number;
	/** Its end may be half a record, of an agent that was killed. */
	isChecked: boolean;
	writing: Promise<void>;
}

const headBytes = 5;
const foldAtBytes = 256 * 1024;

export class ConfigCache {
	readonly #directory: string;
	readonly #log: Log;
	readonly #files = new Map<string, File>();

	/** Makes the directory, 0700. */
	constructor(directory: string, log: Log) {
		this.#directory = directory;
		this.#log = log;
		mkdirSync(directory, { recursive: true, mode: 0o700 });
	}

	has(proxyId: string): boolean {
		return existsSync(this.#path(proxyId));
	}

	/** Written in the background, in order. */
	accept(proxyId: string, accepted: AcceptedResponse): void {
		if (accepted.typeUrl === typeUrls.secret) return;
		const record = encodeRecord(accepted.bytes, accepted.isFirst);
		const file = this.#fileOf(proxyId);
		file.writing = file.writing
			.then(async () => {
				if (!file.isChecked || file.grown > foldAtBytes + 2 * file.folded) await this.#fold(proxyId, file);
				await appendFile(this.#path(proxyId), record, { mode: 0o600 });
				file.grown += record.length;
			})
			.catch((error: unknown) =>
				this.#log.error({ proxyId, because: String(error) }, "a proxy's configuration could not be kept"),
			);
	}

	/** Undefined when nothing is kept. */
	async load(proxyId: string): Promise<ProxyConfig | undefined> {
		await this.#files.get(proxyId)?.writing;
		const resources = await this.#read(proxyId);
		if (resources.size === 0) return undefined;
		return new Map(
			[...resources].map(([typeUrl, byName]) => [typeUrl, { typeUrl, parts: [resourcePart([...byName.values()])] }]),
		);
	}

	async forget(proxyId: string): Promise<void> {
		const file = this.#files.get(proxyId);
		this.#files.delete(proxyId);
		await file?.writing;
		await rm(this.#path(proxyId), { force: true });
	}

	/** Removes what belongs to none of these. */
	async keep(proxyIds: Iterable<string>): Promise<void> {
		const kept = new Set([...proxyIds].map(fileNameOf));
		for (const name of await readdir(this.#directory))
			if (!kept.has(name)) await rm(join(this.#directory, name), { force: true });
	}

	async close(): Promise<void> {
		await Promise.all([...this.#files.values()].map(({ writing }) => writing));
	}

	#fileOf(proxyId: string): File {
		const known = this.#files.get(proxyId);
		if (known) return known;
		const made: File = { grown: 0, folded: 0, isChecked: false, writing: Promise.resolve() };
		this.#files.set(proxyId, made);
		return made;
	}

	async #fold(proxyId: string, file: File): Promise<void> {
		const resources = await this.#read(proxyId);
		const records = [...resources].map(([typeUrl, byName]) => encodeRecord(encodeFolded(typeUrl, byName), true));
		const content = Buffer.concat(records);
		await writeFileAtomic(this.#path(proxyId), content, 0o600);
		file.isChecked = true;
		file.folded = content.length;
		file.grown = 0;
	}

	async #read(proxyId: string): Promise<Resources> {
		const bytes = await readFile(this.#path(proxyId)).catch(() => Buffer.alloc(0));
		return foldRecords(bytes);
	}

	#path(proxyId: string): string {
		return join(this.#directory, fileNameOf(proxyId));
	}
}

const fileNameOf = (proxyId: string): string => proxyFileName(proxyId, ".xds");

/** Length, then whether it replaces all of its type, then the response. */
function encodeRecord(response: Uint8Array, replaces: boolean): Buffer {
	const head = Buffer.alloc(headBytes);
	head.writeUInt32BE(response.length);
	head[4] = replaces ? 1 : 0;
	return Buffer.concat([head, response]);
}

/** A record that is cut off or no response ends it: what came before counts. */
function foldRecords(bytes: Buffer): Resources {
	const resources: Resources = new Map();
	for (let at = 0; at + headBytes <= bytes.length; ) {
		const end = at + headBytes + bytes.readUInt32BE(at);
		if (end > bytes.length) break;
		try {
			const response = summarizeDeltaResponse(bytes.subarray(at + headBytes, end));
			const before = bytes[at + 4] === 1 ? undefined : resources.get(response.typeUrl);
			const byName = new Map(before);
			for (const resource of response.resources) byName.set(resource.name, resource);
			for (const name of response.removed) byName.delete(name);
			resources.set(response.typeUrl, byName);
		} catch {
			break;
		}
		at = end;
	}
	return resources;
}

function encodeFolded(typeUrl: TypeUrl, byName: ReadonlyMap<string, EncodedResource>): Uint8Array {
	const resources = [...byName.values()].map(({ name, version, any }) => ({
		name,
		version,
		resource: fromBinary(AnySchema, any),
	}));
	return toBinary(DeltaDiscoveryResponseSchema, create(DeltaDiscoveryResponseSchema, { typeUrl, resources }));
}
