// Watches of all kinds that the mesh reads: the core ones from the start, Istio's and Keepmesh's as their definitions come and go.
// In: what the API server has. Out: each kind's objects, as they were read.

import type { RawObject } from "../../kubernetes/client/api-object.ts";
import type { KubernetesClient } from "../../kubernetes/client/kubernetes-client.ts";
import { pathOf, resourceName } from "../../kubernetes/client/resource-path.ts";
import { type ResourceEvent, type ResourceWatch, watchResource } from "../../kubernetes/client/watch-resource.ts";
import type { Kind } from "../../resources/config-object.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";
import { type ReadApiObject, readApiObject } from "./read-api-object.ts";
import { isFinished } from "./slim-object.ts";
import type { RecordedDefinition } from "./source-record.ts";
import type { KindStatus } from "./source-status.ts";
import { coreKinds, customKinds, type WatchedKind, watchedKindOf } from "./watched-kinds.ts";

export interface KindWatchesParts {
	readonly client: KubernetesClient;
	readonly clock: Clock;
	readonly log: Log;
	readonly random?: () => number;
	/** Of this control plane: what names another one is not for it. Absent: everything is. */
	readonly revision?: string;
	readonly onEvent: (kind: Kind, event: ResourceEvent<ReadApiObject>) => void;
	/** It is known which kinds there are. */
	readonly onDefinitions: () => void;
	/** The kind is no longer at the server. */
	readonly onGone: (kind: Kind) => void;
}

interface Open {
	readonly watched: WatchedKind;
	readonly watch: ResourceWatch;
}

export class KindWatches {
	readonly #parts: KindWatchesParts;
	readonly #open = new Map<Kind, Open>();
	readonly #definitions: ResourceWatch;
	/** CustomResourceDefinition -> the kind that it brought. */
	readonly #kindOfDefinition = new Map<string, Kind>();
	#hasDefinitions = false;

	constructor(parts: KindWatchesParts) {
		this.#parts = parts;
		for (const kind of coreKinds) this.#start(kind);
		this.#definitions = watchResource(
			parts.client,
			{ resource: customKinds, keep: (raw) => ({ name: raw.metadata.name, watched: watchedKindOf(raw) }) },
			{
				...this.#deps(),
				onEvent: (event) => {
					switch (event.type) {
						case "synced":
							this.#hasDefinitions = true;
							for (const { name, watched } of event.objects) this.#define(name, watched);
							this.#undefineOthers(new Set(event.objects.map(({ name }) => name)));
							parts.onDefinitions();
							return;
						case "applied":
							this.#define(event.object.name, event.object.watched);
							return;
						case "removed":
							this.#define(event.name, undefined);
							return;
						case "stale":
						case "fresh":
							return;
						default:
							event satisfies never;
					}
				},
			},
		);
	}

	/** Those that somebody installed, as they are known now. */
	definitions(): readonly RecordedDefinition[] {
		return [...this.#kindOfDefinition].flatMap(([name, kind]) => {
			const watched = this.#open.get(kind)?.watched;
			return watched ? [{ name, watched }] : [];
		});
	}

	/** As an earlier process knew them, until the server says which there are. */
	assume(definitions: readonly RecordedDefinition[]): void {
		if (!this.#hasDefinitions) for (const { name, watched } of definitions) this.#define(name, watched);
	}

	/** The server has said once what there is of the kind. */
	isRead(kind: Kind): boolean {
		return this.#open.get(kind)?.watch.status().isSynced === true;
	}

	/** What is not read yet, and why; undefined: everything has been. */
	waitingFor(): string | undefined {
		const definitions = { resource: resourceName(customKinds), status: this.#definitions.status() };
		const kinds = [...this.#open.values()].map(({ watch, watched }) => ({
			resource: resourceName(watched.resource),
			status: watch.status(),
		}));
		const late = [...kinds, definitions].filter(({ status }) => !status.isSynced);
		if (late.length === 0 && this.#hasDefinitions) return undefined;
		const because = late.map(({ status }) => status.because).find((text) => text !== undefined);
		return `${late.map(({ resource }) => resource).join(", ")}${because === undefined ? "" : ` (${because})`}`;
	}

	/** The oldest last word of those that cannot be followed, and why; undefined: all can. */
	stale(): { readonly sinceMs: number; readonly because: string } | undefined {
		const all = [...this.#open.values()].map(({ watch }) => watch.status());
		const found = [...all, this.#definitions.status()]
			.flatMap(({ because, lastContactMs }) => (because === undefined ? [] : [{ sinceMs: lastContactMs, because }]))
			.sort((a, b) => a.sinceMs - b.sinceMs);
		return found[0];
	}

	statuses(): readonly KindStatus[] {
		return [...this.#open.values()].map(({ watch, watched }) => {
			const { because, isSynced, objects } = watch.status();
			return {
				resource: resourceName(watched.resource),
				kind: watched.kind,
				objects,
				isSynced,
				...(because === undefined ? {} : { because }),
			};
		});
	}

	/** The kind as the server has it now; undefined: it has none. */
	watchedKind(kind: Kind): WatchedKind | undefined {
		return this.#open.get(kind)?.watched;
	}

	retryNow(): void {
		for (const { watch } of this.#open.values()) watch.retryNow();
		this.#definitions.retryNow();
	}

	close(): void {
		for (const { watch } of this.#open.values()) watch.close();
		this.#definitions.close();
	}

	#deps() {
		const { clock, log, random } = this.#parts;
		return { clock, log, ...(random ? { random } : {}) };
	}

	#define(name: string, watched: WatchedKind | undefined): void {
		const before = this.#kindOfDefinition.get(name);
		if (watched) this.#kindOfDefinition.set(name, watched.kind);
		else this.#kindOfDefinition.delete(name);
		if (before !== undefined && before !== watched?.kind) this.#stop(before);
		if (watched) this.#start(watched);
	}

	/** Of those that were assumed. */
	#undefineOthers(names: ReadonlySet<string>): void {
		for (const name of [...this.#kindOfDefinition.keys()]) if (!names.has(name)) this.#define(name, undefined);
	}

	#start(watched: WatchedKind): void {
		const { client, log, onEvent, revision } = this.#parts;
		const { kind, resource } = watched;
		const hasRevisions = !coreKinds.includes(watched);
		const before = this.#open.get(kind);
		if (before && pathOf(before.watched.resource) === pathOf(resource)) return;
		before?.watch.close();
		if (before)
			log.info({ kind, from: before.watched.resource.version, to: resource.version }, "another version is read");
		const keep = (raw: RawObject): ReadApiObject | undefined =>
			isFinished(raw) || (hasRevisions && isOfAnother(raw, revision)) ? undefined : readApiObject(kind, raw);
		// An event of a watch that was replaced or closed is none of this kind's.
		const isCurrent = (): boolean => this.#open.get(kind)?.watched === watched;
		const watch = watchResource(
			client,
			{ resource, keep },
			{ ...this.#deps(), onEvent: (event) => (isCurrent() ? onEvent(kind, event) : undefined) },
		);
		this.#open.set(kind, { watched, watch });
	}

	#stop(kind: Kind): void {
		this.#open.get(kind)?.watch.close();
		this.#open.delete(kind);
		this.#parts.log.info({ kind }, "the API server has no such kind any more");
		this.#parts.onGone(kind);
	}
}

/** As Istio has it: what names no revision is for all. */
function isOfAnother({ metadata }: RawObject, revision: string | undefined): boolean {
	const named = metadata.labels?.["istio.io/rev"];
	return revision !== undefined && named !== undefined && named !== revision;
}
