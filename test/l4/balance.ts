// Keepmesh's layer 4 over a namespace: Kubernetes objects in, rules in its kernel out, as a node does it.

import assert from "node:assert/strict";
import type { Layer4Service } from "../../src/l4/layer4-service.ts";
import type { NodeFacts } from "../../src/l4/node-facts.ts";
import { layer4ServiceOf } from "../../src/l4/services/layer4-service-of.ts";
import { ofKind } from "../../src/l4/services/plan.testing.ts";
import { readResourceFile } from "../../src/resources/read-resources.ts";
import type { Manifest } from "./l4-case.ts";
import { openBalancer, written } from "./open-balancer.ts";

export interface Balancing {
	/** Adds or changes these Services, all objects of them given. */
	apply(objects: readonly Manifest[]): Promise<void>;
	close(): void;
}

export function balance(netns: string, node: NodeFacts): Balancing {
	const balancer = openBalancer(netns, node);
	return {
		apply: async (manifests) => {
			const text = manifests.map((manifest) => JSON.stringify(manifest)).join("\n---\n");
			const { objects, problems } = readResourceFile("services.yaml", text);
			const errors = problems.filter(({ severity }) => severity === "error");
			assert.deepEqual(errors, []);
			const slices = ofKind(objects, "EndpointSlice");
			const changed = new Map<string, Layer4Service | undefined>();
			for (const service of ofKind(objects, "Service"))
				changed.set(`${service.metadata.namespace}/${service.metadata.name}`, layer4ServiceOf(service, slices, []));
			balancer.update(changed);
			await written(balancer);
			assert.deepEqual(balancer.problems(), []);
		},
		close: () => balancer.close({ keepRules: true }),
	};
}
