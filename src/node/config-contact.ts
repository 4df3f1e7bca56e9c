// How old what a proxy works with may be. In: the relay's streams, looked at each second, and what proxies accept. Out: for
// each proxy whether a control plane is in contact, since when not, from when its configuration is; a word in the log when it
// grows stale. The last contact is on disk, so that a restart of the agent makes nothing look older or newer than it is.

import { readFileSync } from "node:fs";
import type { Cancel, Clock } from "../runtime/clock.ts";
import type { Log } from "../runtime/log.ts";
import type { RelayStreamStatus } from "../xds/wire/relay-options.ts";
import { writeFileAtomic } from "./atomic-file.ts";

export interface ConfigContactStatus {
	readonly connected: boolean;
	/** `host:port` of the control plane; absent while there is none. */
	readonly upstream?: string;
	/** What it lacks comes from the disk. */
	readonly fromCache?: true;
	/** ISO 8601. Absent: never, as far as this node knows. */
	readonly lastContactAt?: string;
	/** When the proxy accepted something last. */
	readonly acceptedAt?: string;
	/** Since the last contact; 0 while there is one. */
	readonly staleForSeconds: number;
}

interface Contact {
	/** When it is told to be stale if no control plane was ever there. */
	readonly expectedMs: number;
	stream: RelayStreamStatus | undefined;
	lastMs: number | undefined;
	/** The same moment on the clock that nobody sets; undefined when it was before this agent. */
	lastMonotonicMs: number | undefined;
	acceptedMs: number | undefined;
	isToldStale: boolean;
}

interface ConfigContactParts {
	readonly clock: Clock;
	readonly log: Log;
	/** The relay's streams as they are now. */
	readonly streams: () => readonly RelayStreamStatus[];
}

const lookEveryMs = 1_000;
const saveEveryMs = 10_000;
const staleAfterMs = 60_000;

export class ConfigContact {
	readonly #file: string;
	readonly #parts: ConfigContactParts;
	readonly #contacts = new Map<string, Contact>();
	readonly #before: ReadonlyMap<string, number>;
	#savedMs = Number.NEGATIVE_INFINITY;
	#saving: Promise<void> = Promise.resolve();
	#cancel: Cancel = () => {};

	/** `file`: where the times of the last contacts are kept. */
	constructor(file: string, parts: ConfigContactParts) {
		this.#file = file;
		this.#parts = parts;
		this.#before = readTimes(file);
	}

	open(): void {
		this.look();
		this.#cancel = this.#parts.clock.after(lookEveryMs, () => this.open());
	}

	async close(): Promise<void> {
		this.#cancel();
		this.#save();
		await this.#saving;
	}

	expect(proxyId: string): void {
		if (this.#contacts.has(proxyId)) return;
		this.#contacts.set(proxyId, {
			expectedMs: this.#parts.clock.wallMs(),
			stream: undefined,
			lastMs: this.#before.get(proxyId),
			lastMonotonicMs: undefined,
			acceptedMs: undefined,
			isToldStale: false,
		});
	}

	forget(proxyId: string): void {
		this.#contacts.delete(proxyId);
	}

	/** `atMs`: milliseconds since the epoch, default now. */
	accepted(proxyId: string, atMs = this.#parts.clock.wallMs()): void {
		const contact = this.#contacts.get(proxyId);
		if (contact) contact.acceptedMs = atMs;
	}

	/** Undefined for a proxy that is not expected. */
	of(proxyId: string): ConfigContactStatus | undefined {
		this.look();
		const contact = this.#contacts.get(proxyId);
		if (!contact) return undefined;
		const { stream, lastMs, acceptedMs } = contact;
		return {
			connected: stream?.upstream !== undefined,
			...(stream?.upstream !== undefined && { upstream: stream.upstream }),
			...(stream?.fromCache && { fromCache: true as const }),
			...(lastMs !== undefined && { lastContactAt: new Date(lastMs).toISOString() }),
			...(acceptedMs !== undefined && { acceptedAt: new Date(acceptedMs).toISOString() }),
			staleForSeconds: Math.floor(this.#staleForMs(contact) / 1000),
		};
	}

	/** Prometheus' text format. */
	metrics(): string {
		this.look();
		const lines: string[] = [];
		const family = (name: string, help: string, measure: (contact: Contact) => number): void => {
			lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} gauge`);
			for (const [proxyId, contact] of this.#contacts) lines.push(`${name}{proxy="${proxyId}"} ${measure(contact)}`);
		};
		family("keepmesh_node_xds_connected", "1 while a proxy's stream reaches a control plane.", ({ stream }) =>
			stream?.upstream === undefined ? 0 : 1,
		);
		family(
			"keepmesh_node_config_stale_seconds",
			"Since a control plane was last in contact with a proxy; 0 while one is.",
			(contact) => Math.floor(this.#staleForMs(contact) / 1000),
		);
		return `${lines.join("\n")}\n`;
	}

	look(): void {
		const { clock, log, streams } = this.#parts;
		const found = new Map<string, RelayStreamStatus>();
		for (const stream of streams())
			if (stream.upstream !== undefined || !found.has(stream.nodeId)) found.set(stream.nodeId, stream);
		for (const [proxyId, contact] of this.#contacts) {
			contact.stream = found.get(proxyId);
			if (contact.stream?.upstream !== undefined) {
				contact.lastMs = clock.wallMs();
				contact.lastMonotonicMs = clock.monotonicMs();
			}
			const staleForMs = this.#staleForMs(contact);
			if (contact.isToldStale === staleForMs > staleAfterMs) continue;
			contact.isToldStale = !contact.isToldStale;
			const staleForSeconds = Math.floor(staleForMs / 1000);
			if (contact.isToldStale)
				log.warn(
					{ proxyId, staleForSeconds, because: contact.stream?.lastLoss },
					"a proxy's configuration may be out of date: no control plane",
				);
			else log.info({ proxyId }, "a proxy's configuration is up to date again");
		}
		if (clock.monotonicMs() - this.#savedMs >= saveEveryMs) this.#save();
	}

	#staleForMs({ stream, lastMs, lastMonotonicMs, acceptedMs, expectedMs }: Contact): number {
		if (stream?.upstream !== undefined) return 0;
		const { clock } = this.#parts;
		if (lastMonotonicMs !== undefined) return clock.monotonicMs() - lastMonotonicMs;
		return Math.max(0, clock.wallMs() - (lastMs ?? acceptedMs ?? expectedMs));
	}

	#save(): void {
		this.#savedMs = this.#parts.clock.monotonicMs();
		const times = [...this.#contacts].flatMap(([proxyId, { lastMs }]) =>
			lastMs === undefined ? [] : [[proxyId, lastMs]],
		);
		const text = JSON.stringify(Object.fromEntries(times));
		this.#saving = this.#saving
			.then(() => writeFileAtomic(this.#file, text))
			.catch((error: unknown) =>
				this.#parts.log.warn({ because: String(error) }, "times of the last contacts could not be kept"),
			);
	}
}

/** A file that is not whole is as none: it only makes what is told less exact. */
function readTimes(file: string): ReadonlyMap<string, number> {
	try {
		const read: unknown = JSON.parse(readFileSync(file, "utf8"));
		if (typeof read !== "object" || read === null) return new Map();
		return new Map(
			Object.entries(read).filter((entry): entry is [string, number] => typeof entry[1] === "number" && entry[1] > 0),
		);
	} catch {
		return new Map();
	}
}
