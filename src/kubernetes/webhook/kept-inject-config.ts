// The ConfigMap that says how pods are injected: followed, read, and in force as soon as it is right. One that is wrong changes
// nothing: the last good one goes on, and the log says what is wrong.

import { parse } from "yaml";
import { type InjectConfig, parseInjectConfig } from "../../inject/inject-config.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";
import type { RawObject } from "../client/api-object.ts";
import { configMaps } from "../client/api-resources.ts";
import type { KubernetesClient } from "../client/kubernetes-client.ts";
import { type ResourceWatch, watchResource } from "../client/watch-resource.ts";

export interface KeptInjectConfigOptions {
	readonly namespace: string;
	/** Of the ConfigMap; the text lies in its field `config`. */
	readonly name: string;
	/** What is in force where it says nothing. */
	readonly base: InjectConfig;
}

export interface KeptInjectConfig {
	readonly current: InjectConfig;
	/** What is wrong with the ConfigMap as it is now; empty when nothing is. */
	readonly problems: readonly string[];
	close(): void;
}

/** Resolves when the ConfigMap has been looked for once; `withinMs` bounds the wait, and then `base` is in force for now. */
export async function keepInjectConfig(
	{ base, name, namespace }: KeptInjectConfigOptions,
	deps: { readonly client: KubernetesClient; readonly clock: Clock; readonly log: Log; readonly withinMs?: number },
): Promise<KeptInjectConfig> {
	const { client, clock, log, withinMs = 10_000 } = deps;
	let current = base;
	let problems: readonly string[] = [];
	const take = (text: string | undefined): void => {
		const parsed = readConfig(text, base);
		problems = parsed.ok ? [] : parsed.problems;
		if (parsed.ok) current = parsed.config;
		else
			log.error(
				{ configMap: `${namespace}/${name}`, problems },
				"the injection configuration is wrong; the last good one goes on",
			);
	};
	let watch: ResourceWatch | undefined;
	await new Promise<void>((synced) => {
		const cancel = clock.after(withinMs, synced);
		const keep = (raw: RawObject): string => (raw.data as Readonly<Record<string, string>> | undefined)?.config ?? "";
		const target = { resource: configMaps, namespace, fieldSelector: `metadata.name=${name}`, keep };
		watch = watchResource<string>(client, target, {
			clock,
			log,
			onEvent: (event) => {
				if (event.type === "synced") take(event.objects[0]);
				else if (event.type === "applied") take(event.object);
				// It was deleted: by mistake, or by an uninstallation. What it said stays until the next start.
				else if (event.type === "removed")
					log.warn({ configMap: `${namespace}/${name}` }, "the injection configuration is gone");
				if (event.type === "synced") {
					cancel();
					synced();
				}
			},
		});
	});
	return {
		get current() {
			return current;
		},
		get problems() {
			return problems;
		},
		close: () => watch?.close(),
	};
}

function readConfig(text: string | undefined, base: InjectConfig): ReturnType<typeof parseInjectConfig> {
	try {
		return parseInjectConfig(parse(text ?? "", { maxAliasCount: 50 }), base);
	} catch (error) {
		return { ok: false, problems: [`config is no YAML: ${error instanceof Error ? error.message : "unreadable"}`] };
	}
}
