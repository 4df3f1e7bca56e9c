// Keepmesh's layer 4 over a namespace: Kubernetes objects in, rules in its kernel out, as a node does it.

import assert from "node:assert/strict";
import { openNftablesTables } from "../../src/kernel/linux/nftables/linux-nftables-tables.ts";
import type { NftablesTables } from "../../src/kernel/nftables-tables.ts";
import { NftablesPlan } from "../../src/l4/nftables/nftables-plan.ts";
import type { NodeFacts } from "../../src/l4/node-facts.ts";
import { layer4ServiceOf } from "../../src/l4/services/layer4-service-of.ts";
import { ofKind } from "../../src/l4/services/plan.testing.ts";
import { planService } from "../../src/l4/services/plan-service.ts";
import { readResourceFile } from "../../src/resources/read-resources.ts";
import type { Manifest } from "./l4-case.ts";

export interface Balancing {
	readonly plan: NftablesPlan;
	readonly tables: NftablesTables;
	/** Adds or changes these Services, all objects of them given. */
	apply(objects: readonly Manifest[]): void;
	close(): void;
}

export function balance(netns: string, node: NodeFacts): Balancing {
	const opened = openNftablesTables({ netns });
	if (!opened.ok) throw new Error(JSON.stringify(opened));
	const tables = opened.value;
	const plan = new NftablesPlan(node);
	return {
		plan,
		tables,
		apply: (manifests) => {
			const text = manifests.map((manifest) => JSON.stringify(manifest)).join("\n---\n");
			const { objects, problems } = readResourceFile("services.yaml", text);
			assert.deepEqual(
				problems.filter(({ severity }) => severity === "error"),
				[],
			);
			const slices = ofKind(objects, "EndpointSlice");
			for (const service of ofKind(objects, "Service")) {
				const owner = `${service.metadata.namespace}/${service.metadata.name}`;
				const seen = layer4ServiceOf(service, slices, []);
				plan.set(owner, seen ? planService(seen, node) : []);
			}
			const written = tables.apply(plan.takeChanges());
			assert.ok(written.ok, JSON.stringify(written));
		},
		close: () => tables.close(),
	};
}
