// By what API servers know the webhooks: the leader writes the authorities into each webhook of this control plane, whoever made
// its configuration (the chart, `keepmesh tag`), and again when somebody takes them out.

import type { Clock } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";
import type { RawObject } from "../client/api-object.ts";
import type { KubernetesClient } from "../client/kubernetes-client.ts";
import { type ApiResource, pathOf } from "../client/resource-path.ts";
import { type ResourceWatch, watchResource } from "../client/watch-resource.ts";

export interface KeptCaBundleOptions {
	/** Webhooks that call this Service are looked after; of others nothing is touched. */
	readonly service: string;
	readonly namespace: string;
}

export interface KeptCaBundleDeps {
	readonly client: KubernetesClient;
	readonly clock: Clock;
	readonly log: Log;
	readonly isLeader: () => boolean;
}

interface Webhook {
	readonly name: string;
	readonly clientConfig?: {
		readonly service?: { readonly name?: string; readonly namespace?: string };
		readonly caBundle?: string;
	};
}

interface Configuration {
	readonly resource: ApiResource;
	readonly name: string;
	readonly webhooks: readonly Webhook[];
}

const group = "admissionregistration.k8s.io";
const resources: readonly ApiResource[] = [
	{
		group,
		version: "v1",
		plural: "mutatingwebhookconfigurations",
		kind: "MutatingWebhookConfiguration",
		namespaced: false,
	},
	{
		group,
		version: "v1",
		plural: "validatingwebhookconfigurations",
		kind: "ValidatingWebhookConfiguration",
		namespaced: false,
	},
];
const retryMs = 2_000;

export class KeptCaBundle {
	readonly #options: KeptCaBundleOptions;
	readonly #deps: KeptCaBundleDeps;
	readonly #configurations = new Map<string, Configuration>();
	#watches: readonly ResourceWatch[] = [];
	#bundle: string | undefined;
	#isWriting = false;
	#isDue = false;
	#isClosed = false;

	constructor(options: KeptCaBundleOptions, deps: KeptCaBundleDeps) {
		this.#options = options;
		this.#deps = deps;
	}

	open(): void {
		const { client, clock, log } = this.#deps;
		this.#watches = resources.map((resource) => {
			const keep = (raw: RawObject): Configuration => ({
				resource,
				name: raw.metadata.name,
				webhooks: ((raw.webhooks ?? []) as readonly Webhook[]).map(({ name, clientConfig }) => ({
					name,
					...(clientConfig ? { clientConfig } : {}),
				})),
			});
			const target = { resource, labelSelector: "app.kubernetes.io/part-of=keepmesh", keep };
			return watchResource<Configuration>(client, target, {
				clock,
				log,
				onEvent: (event) => {
					const key = (name: string): string => `${resource.plural}/${name}`;
					if (event.type === "synced") for (const one of event.objects) this.#configurations.set(key(one.name), one);
					else if (event.type === "applied") this.#configurations.set(key(event.object.name), event.object);
					else if (event.type === "removed") this.#configurations.delete(key(event.name));
					this.look();
				},
			});
		});
	}

	/** PEM in base64. */
	use(bundle: string): void {
		this.#bundle = bundle;
		this.look();
	}

	/** Writes what is not as it should be; harmless when nothing is, and when another replica leads. */
	look(): void {
		this.#isDue = true;
		if (!this.#isWriting) void this.#writeAll();
	}

	close(): void {
		this.#isClosed = true;
		for (const watch of this.#watches) watch.close();
	}

	async #writeAll(): Promise<void> {
		this.#isWriting = true;
		try {
			while (this.#isDue && !this.#isClosed) {
				this.#isDue = false;
				if (this.#bundle === undefined || !this.#deps.isLeader()) continue;
				for (const configuration of [...this.#configurations.values()]) await this.#write(configuration, this.#bundle);
			}
		} catch (error) {
			this.#deps.log.warn({ because: String(error) }, "the webhooks' authorities could not be written");
			this.#deps.clock.after(retryMs, () => {
				if (!this.#isClosed) this.look();
			});
		} finally {
			this.#isWriting = false;
		}
	}

	async #write({ name, resource, webhooks }: Configuration, bundle: string): Promise<void> {
		const patch = planBundlePatch(webhooks, this.#options, bundle);
		if (patch.length === 0) return;
		const contentType = "application/json-patch+json";
		const path = pathOf(resource, undefined, name);
		const { status } = await this.#deps.client.request("PATCH", path, { body: patch, contentType });
		if (status < 300)
			this.#deps.log.info({ configuration: name, kind: resource.kind }, "webhooks know their authorities");
		// 404, 409, 422: it has changed meanwhile; the watch tells, and it is looked at again.
		else if (![404, 409, 422].includes(status)) throw new Error(`${name}: the API server answered ${status}`);
	}
}

/** By place in the list, with a test that it is still the webhook's place. */
export function planBundlePatch(
	webhooks: readonly Webhook[],
	{ namespace, service }: KeptCaBundleOptions,
	bundle: string,
): readonly object[] {
	return webhooks.flatMap(({ clientConfig, name }, index): readonly object[] => {
		const called = clientConfig?.service;
		if (called?.name !== service || called.namespace !== namespace || clientConfig?.caBundle === bundle) return [];
		return [
			{ op: "test", path: `/webhooks/${index}/name`, value: name },
			{ op: "add", path: `/webhooks/${index}/clientConfig/caBundle`, value: bundle },
		];
	});
}
