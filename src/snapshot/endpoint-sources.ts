// What endpoints are made of, as questions: the builders of endpoints ask, the index of workloads answers.

import type { ServiceKey } from "../model/service.ts";
import type { ConfigObject } from "../resources/config-object.ts";
import type { ServingSteps } from "./serving-steps.ts";
import type { Surroundings } from "./workload-facts.ts";

export type Workload = ConfigObject<"Pod"> | ConfigObject<"WorkloadEntry">;

export interface EndpointSources {
	readonly where: Surroundings;
	/** EndpointSlices that carry the Service's name, sorted by name. */
	slicesOf(namespace: string, service: string): readonly ConfigObject<"EndpointSlice">[];
	/** Workloads that the service's selector takes in. */
	membersOf(service: ServiceKey): readonly Workload[];
	/** Whether the workload's policies turn mutual TLS off on the port. Absent while no policy does so anywhere. */
	readonly disablesMtls?: (namespace: string, labels: Readonly<Record<string, string>>, targetPort: number) => boolean;
	/** More than one for pods on the host's network. */
	podsAt(address: string): readonly ConfigObject<"Pod">[];
	/** Of workloads that no proxy serves. */
	readonly steps: ServingSteps;
}

/** A WorkloadEntry's labels are those of its spec and of its metadata together. */
export function labelsOfWorkload(workload: Workload): Readonly<Record<string, string>> {
	if (workload.kind === "Pod") return workload.metadata.labels;
	return { ...workload.metadata.labels, ...workload.spec.labels };
}
