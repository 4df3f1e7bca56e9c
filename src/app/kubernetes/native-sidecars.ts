// Whether the API server's version has native sidecars: init containers that go on, since 1.29.

import type { KubernetesClient } from "../../kubernetes/client/kubernetes-client.ts";
import type { Log } from "../../runtime/log.ts";

/** True when it does not say: nearly all have them. */
export async function hasNativeSidecars(client: KubernetesClient, log: Log): Promise<boolean> {
	try {
		const { body } = await client.request("GET", "/version", { timeoutMs: 5_000 });
		const { major, minor } = body as { readonly major?: string; readonly minor?: string };
		// Some distributions write `29+`.
		const version = [Number.parseInt(major ?? "", 10), Number.parseInt(minor ?? "", 10)] as const;
		return Number.isNaN(version[0]) || Number.isNaN(version[1]) || version[0] > 1 || version[1] >= 29;
	} catch (error) {
		log.warn({ because: String(error) }, "the API server does not tell its version; native sidecars are assumed");
		return true;
	}
}
