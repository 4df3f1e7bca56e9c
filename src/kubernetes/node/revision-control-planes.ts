// The control planes of every revision that is installed beside each other, each reached by itself and not by the Service of all. In:
// the EndpointSlices of their Services, from the API server. Out: addresses by revision, and on disk for a start without the server.

import type { HostPort } from "../../node/identity/control-trust.ts";
import { readKeptFile, writeKeptFile } from "../../node/kept-file.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";
import type { RawObject } from "../client/api-object.ts";
import { endpointSlices } from "../client/api-resources.ts";
import type { KubernetesClient } from "../client/kubernetes-client.ts";
import { type ResourceWatch, watchResource } from "../client/watch-resource.ts";

const xdsPort = 15_012;
/** Slices have the labels of their Service. */
const labelSelector = "app.kubernetes.io/name=keepmesh-control";
const revisionLabel = "istio.io/rev";

interface Slice {
	readonly name: string;
	readonly revision: string;
	readonly endpoints: readonly Endpoint[];
}

interface Endpoint {
	readonly hosts: readonly string[];
	/** The machine that its Pod is on. */
	readonly node?: string;
}

export interface RevisionControlPlanesOptions {
	/** Where Keepmesh itself lives. */
	readonly namespace: string;
	/** Absent: nothing is kept. */
	readonly file?: string;
}

export interface RevisionControlPlanesDeps {
	readonly client: KubernetesClient;
	readonly clock: Clock;
	readonly log: Log;
	/** Addresses, or revisions, are others than before. */
	readonly onChange?: () => void;
}

export class RevisionControlPlanes {
	readonly #options: RevisionControlPlanesOptions;
	readonly #deps: RevisionControlPlanesDeps;
	readonly #slices = new Map<string, Slice>();
	#byRevision: ReadonlyMap<string, readonly HostPort[]>;
	#watch: ResourceWatch | undefined;

	constructor(options: RevisionControlPlanesOptions, deps: RevisionControlPlanesDeps) {
		this.#options = options;
		this.#deps = deps;
		this.#byRevision = readKept(options.file);
	}

	open(): void {
		const { client, clock, log } = this.#deps;
		const { namespace } = this.#options;
		this.#watch = watchResource<Slice>(
			client,
			{ resource: endpointSlices, namespace, labelSelector, keep: sliceOf },
			{
				clock,
				log,
				onEvent: (event) => {
					if (event.type === "synced") for (const one of event.objects) this.#slices.set(one.name, one);
					else if (event.type === "applied") this.#slices.set(event.object.name, event.object);
					else if (event.type === "removed") this.#slices.delete(event.name);
					else return;
					this.#settle();
				},
			},
		);
	}

	/** Undefined: the revision has no Service, so it is not installed. Ready or not: one that is about to be may as well be tried. */
	of(revision: string): readonly HostPort[] | undefined {
		return this.#byRevision.get(revision);
	}

	/** Of all revisions. */
	all(): readonly HostPort[] {
		return [...this.#byRevision.values()].flat();
	}

	/** Those on one machine. */
	hostsOn(node: string): readonly string[] {
		const endpoints = [...this.#slices.values()].flatMap((slice) => slice.endpoints);
		return endpoints.filter((one) => one.node === node).flatMap(({ hosts }) => hosts);
	}

	close(): void {
		this.#watch?.close();
	}

	#settle(): void {
		const hosts = new Map<string, Set<string>>();
		for (const { endpoints, revision } of this.#slices.values()) {
			const own = endpoints.flatMap((one) => one.hosts);
			hosts.set(revision, (hosts.get(revision) ?? new Set()).union(new Set(own)));
		}
		const next = new Map<string, readonly HostPort[]>();
		for (const [revision, found] of hosts) {
			const addresses = [...found].sort().map((host) => ({ host, port: xdsPort }));
			// All are away for the moment: they are looked for where they were.
			const kept = addresses.length > 0 ? addresses : this.#byRevision.get(revision);
			if (kept && kept.length > 0) next.set(revision, kept);
		}
		const text = render(next);
		if (text === render(this.#byRevision)) return;
		this.#byRevision = next;
		const { log, onChange } = this.#deps;
		const { file } = this.#options;
		const because = file === undefined ? undefined : writeKeptFile(file, text);
		if (because !== undefined) log.warn({ because }, "the control planes of the revisions could not be kept");
		onChange?.();
	}
}

function sliceOf({ endpoints, metadata }: RawObject): Slice {
	const all = (endpoints ?? []) as readonly { readonly addresses?: readonly string[]; readonly nodeName?: string }[];
	const revision = metadata.labels?.[revisionLabel] ?? "default";
	const kept = all.map(({ addresses = [], nodeName }) => ({ hosts: addresses, ...(nodeName && { node: nodeName }) }));
	return { name: metadata.name, revision, endpoints: kept };
}

function render(byRevision: ReadonlyMap<string, readonly HostPort[]>): string {
	const entries = [...byRevision].map(
		([revision, addresses]) => [revision, addresses.map(({ host }) => host)] as const,
	);
	return JSON.stringify(Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1))));
}

/** A file that is not whole is as none. */
function readKept(file: string | undefined): ReadonlyMap<string, readonly HostPort[]> {
	try {
		const read: unknown = JSON.parse((file !== undefined && readKeptFile(file)) || "{}");
		const found = new Map<string, readonly HostPort[]>();
		for (const [revision, hosts] of Object.entries(read ?? {}))
			if (Array.isArray(hosts) && hosts.length > 0 && hosts.every((host) => typeof host === "string"))
				found.set(
					revision,
					hosts.map((host: string) => ({ host, port: xdsPort })),
				);
		return found;
	} catch {
		return new Map();
	}
}
