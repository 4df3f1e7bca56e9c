// The key of heartbeats, kept in a Secret that all nodes and control planes read. In: what lies there. Out: keys, the newest first:
// while `key` is changed, what was there before counts as `previous`. A control plane makes it where it is not there.

import { randomBytes } from "node:crypto";
import type { Clock } from "../../../runtime/clock.ts";
import type { Log } from "../../../runtime/log.ts";
import type { RawObject } from "../../client/api-object.ts";
import { secrets } from "../../client/api-resources.ts";
import type { KubernetesClient } from "../../client/kubernetes-client.ts";
import { pathOf } from "../../client/resource-path.ts";
import { watchResource } from "../../client/watch-resource.ts";
import type { Sign } from "../datagram.ts";
import { signWith } from "./heartbeat-key.ts";

export const heartbeatSecretName = "keepmesh-heartbeat";
const keyBytes = 32;
const makeAgainMs = 5_000;

export interface HeartbeatSecret {
	keys(): readonly Sign[];
	close(): void;
}

/** `makes`: a Secret that is not there is made. */
export function followHeartbeatSecret(
	{ makes, namespace }: { readonly namespace: string; readonly makes: boolean },
	{ client, clock, log }: { readonly client: KubernetesClient; readonly clock: Clock; readonly log: Log },
): HeartbeatSecret {
	let keys: readonly Sign[] = [];
	let isClosed = false;
	const take = (found: readonly Sign[] | undefined): void => {
		// Without a Secret those that have a key go on with it.
		if (found && found.length > 0) keys = found;
		else if (makes) void make();
	};
	const make = async (): Promise<void> => {
		const data = { key: randomBytes(keyBytes).toString("base64") };
		const labels = { "app.kubernetes.io/part-of": "keepmesh" };
		const metadata = { name: heartbeatSecretName, namespace, labels };
		const body = { apiVersion: "v1", kind: "Secret", type: "Opaque", metadata, data };
		try {
			const { status } = await client.request("POST", pathOf(secrets, namespace), { body });
			// 409: another replica was first; the watch brings what it wrote.
			if (status < 300 || status === 409) return;
			log.warn({ status }, "heartbeats: their key cannot be made");
		} catch (error) {
			log.warn({ because: String(error) }, "heartbeats: their key cannot be made");
		}
		clock.after(makeAgainMs, () => {
			if (!isClosed && keys.length === 0) void make();
		});
	};
	const fieldSelector = `metadata.name=${heartbeatSecretName}`;
	const watch = watchResource<readonly Sign[]>(
		client,
		{ resource: secrets, namespace, fieldSelector, keep: keysOf },
		{
			clock,
			log,
			onEvent: (event) => {
				if (event.type === "synced") take(event.objects[0]);
				else if (event.type === "applied") take(event.object);
				else if (event.type === "removed") take(undefined);
			},
		},
	);
	return {
		keys: () => keys,
		close: () => {
			isClosed = true;
			watch.close();
		},
	};
}

function keysOf({ data }: RawObject): readonly Sign[] {
	const { key, previous } = (data ?? {}) as { readonly key?: string; readonly previous?: string };
	return [key, previous].flatMap((text) => (text ? [signWith(Buffer.from(text, "base64"))] : []));
}
