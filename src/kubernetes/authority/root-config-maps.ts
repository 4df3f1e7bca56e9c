// The mesh's roots for tools and gateways of others, as Istio has them: ConfigMap `istio-ca-root-cert`, key `root-cert.pem`, in every
// namespace whose pods are injected. In: the roots, namespaces and ConfigMaps of that name, as they change. Out: writes, one after the
// other, only where something differs. Nothing is ever deleted.

import type { Cancel, Clock } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";
import type { RawObject } from "../client/api-object.ts";
import { configMaps, namespaces } from "../client/api-resources.ts";
import type { KubernetesClient } from "../client/kubernetes-client.ts";
import { Refused } from "../client/refused.ts";
import { pathOf } from "../client/resource-path.ts";
import { type ResourceEvent, type ResourceWatch, watchResource } from "../client/watch-resource.ts";

const name = "istio-ca-root-cert";
const key = "root-cert.pem";
/** Events that come together are looked at together. */
const gatherMs = 200;
const tryAgainMs = 10_000;

export interface RootConfigMapsParts {
	readonly client: KubernetesClient;
	readonly clock: Clock;
	readonly log: Log;
	/** PEM; none: it is not this replica that writes. */
	readonly roots: () => readonly string[] | undefined;
}

interface Held {
	readonly name: string;
	readonly text: string;
}

export class RootConfigMaps {
	readonly #parts: RootConfigMapsParts;
	/** Namespaces to write into. */
	readonly #meshed = new Set<string>();
	/** What each namespace has. */
	readonly #texts = new Map<string, string>();
	readonly #watches: readonly ResourceWatch[];
	#cancel: Cancel = () => {};
	#isWriting = false;
	#isClosed = false;

	constructor(parts: RootConfigMapsParts) {
		this.#parts = parts;
		const { client, clock, log } = parts;
		const onEvent =
			(held: (one: Held) => void, gone: (namespace: string, name: string) => void) =>
			(event: ResourceEvent<Held>): void => {
				if (event.type === "synced") for (const object of event.objects) held(object);
				else if (event.type === "applied") held(event.object);
				else if (event.type === "removed") gone(event.namespace, event.name);
				this.look();
			};
		this.#watches = [
			watchResource<Held>(
				client,
				{ resource: namespaces, keep: (raw) => (isMeshed(raw) ? { name: raw.metadata.name, text: "" } : undefined) },
				{
					clock,
					log,
					onEvent: onEvent(
						(one) => this.#meshed.add(one.name),
						(_, gone) => this.#meshed.delete(gone),
					),
				},
			),
			watchResource<Held>(
				client,
				{ resource: configMaps, fieldSelector: `metadata.name=${name}`, keep: mapOf },
				{
					clock,
					log,
					onEvent: onEvent(
						(one) => this.#texts.set(one.name, one.text),
						(namespace) => this.#texts.delete(namespace),
					),
				},
			),
		];
	}

	/** The roots, or who writes, may have changed. */
	look(afterMs = gatherMs): void {
		this.#cancel();
		if (!this.#isClosed) this.#cancel = this.#parts.clock.after(afterMs, () => void this.#write());
	}

	close(): void {
		this.#isClosed = true;
		this.#cancel();
		for (const watch of this.#watches) watch.close();
	}

	async #write(): Promise<void> {
		const roots = this.#parts.roots();
		// Without knowing what is there everything would be written.
		if (!roots || this.#isWriting || !this.#watches.every((watch) => watch.status().isSynced)) return;
		this.#isWriting = true;
		const wanted = roots.join("");
		try {
			for (const namespace of [...this.#meshed].sort())
				if (!this.#isClosed && this.#texts.get(namespace) !== wanted) await this.#put(namespace, wanted);
		} catch (error) {
			const because = error instanceof Error ? error.message : String(error);
			this.#parts.log.warn({ because }, "the mesh's roots cannot be written for others");
			this.look(tryAgainMs);
		} finally {
			this.#isWriting = false;
		}
		// They may have changed while this was being written.
		if (this.#parts.roots()?.join("") !== wanted) this.look();
	}

	async #put(namespace: string, text: string): Promise<void> {
		const { client } = this.#parts;
		const change = { metadata: { labels: { "istio.io/config": "true" } }, data: { [key]: text } };
		const path = pathOf(configMaps, namespace, name);
		const isThere = this.#texts.has(namespace);
		const body = { apiVersion: "v1", kind: "ConfigMap", ...change, metadata: { name, namespace, ...change.metadata } };
		const answer = isThere
			? await client.request("PATCH", path, { body: change })
			: await client.request("POST", pathOf(configMaps, namespace), { body });
		// Somebody was faster, or the namespace is going: the watch tells.
		if (answer.status === 409 || answer.status === 404 || isTerminating(answer.body)) return;
		if (answer.status >= 300) throw Refused.of(answer);
		this.#texts.set(namespace, text);
	}
}

/** Its pods get proxies, by the labels that the injection reads. */
function isMeshed({ metadata: { deletionTimestamp, labels = {} } }: RawObject): boolean {
	if (deletionTimestamp !== undefined || labels["istio-injection"] === "disabled") return false;
	return labels["istio-injection"] === "enabled" || labels["istio.io/rev"] !== undefined;
}

function mapOf({ data, metadata }: RawObject): Held | undefined {
	if (metadata.name !== name) return undefined;
	return { name: metadata.namespace ?? "", text: (data as Readonly<Record<string, string>> | undefined)?.[key] ?? "" };
}

function isTerminating(body: unknown): boolean {
	const causes = (body as { details?: { causes?: readonly { reason?: string }[] } } | null)?.details?.causes ?? [];
	return causes.some(({ reason }) => reason === "NamespaceTerminating");
}
