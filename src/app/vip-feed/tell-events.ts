// Events of Kubernetes on Services, so that `kubectl describe service` says what became of its addresses. Each is told once.

import { events } from "../../kubernetes/client/api-resources.ts";
import type { KubernetesClient } from "../../kubernetes/client/kubernetes-client.ts";
import { pathOf } from "../../kubernetes/client/resource-path.ts";
import type { Allocation } from "../../kubernetes/vip/allocate-addresses.ts";
import { serviceKeyOf } from "../../kubernetes/vip/cluster-objects.ts";
import type { Log } from "../../runtime/log.ts";

export class AllocationEvents {
	readonly #client: Pick<KubernetesClient, "request">;
	readonly #node: string;
	readonly #log: Log;
	/** NAMESPACE/NAME of a Service -> what was said last. */
	readonly #told = new Map<string, string>();

	constructor(client: Pick<KubernetesClient, "request">, node: string, log: Log) {
		this.#client = client;
		this.#node = node;
		this.#log = log;
	}

	tell(allocations: readonly Allocation[], nowIso: string): void {
		const seen = new Set<string>();
		for (const { service, addresses, because } of allocations) {
			if (!service.wants) continue;
			const key = serviceKeyOf(service);
			seen.add(key);
			const message = because ?? `given ${addresses.join(", ")}`;
			const isNews = because !== undefined || addresses.join() !== service.allocated.join();
			if (this.#told.get(key) === message) continue;
			this.#told.set(key, message);
			if (isNews) void this.#say(service, because === undefined, message, nowIso);
		}
		for (const key of this.#told.keys()) if (!seen.has(key)) this.#told.delete(key);
	}

	async #say(
		{ namespace, name, uid }: Allocation["service"],
		isGood: boolean,
		message: string,
		at: string,
	): Promise<void> {
		const facts = { service: `${namespace}/${name}`, because: message };
		if (isGood) this.#log.info(facts, "a Service is given addresses");
		else this.#log.warn(facts, "a Service lacks an address");
		const body = {
			apiVersion: "v1",
			kind: "Event",
			metadata: { generateName: `${name}.`, namespace },
			involvedObject: { apiVersion: "v1", kind: "Service", namespace, name, uid },
			reason: isGood ? "AddressesGiven" : "AddressMissing",
			message,
			type: isGood ? "Normal" : "Warning",
			source: { component: "keepmesh-vip", host: this.#node },
			firstTimestamp: at,
			lastTimestamp: at,
			count: 1,
		};
		// An event that is lost is no loss: the log has it as well.
		await this.#client.request("POST", pathOf(events, namespace), { body, timeoutMs: 5000 }).catch(() => undefined);
	}
}
