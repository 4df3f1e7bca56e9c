// What one node does with Services, as golden files: Kubernetes objects as YAML in, the readable plan out. `npm run golden`
// writes the outcomes anew: read the difference before committing it. Every plan is that of node a in zone z1.

import assert from "node:assert/strict";
import { existsSync, globSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { describe, it } from "node:test";
import type { NodeFacts } from "../../src/l4/node-facts.ts";
import { layer4ServiceOf } from "../../src/l4/services/layer4-service-of.ts";
import { planService } from "../../src/l4/services/plan-service.ts";
import { renderBalancers } from "../../src/l4/services/render-balancers.ts";
import type { AnyObject } from "../../src/resources/config-object.ts";
import { readResourceFile } from "../../src/resources/read-resources.ts";

const node: NodeFacts = {
	name: "a",
	zone: "z1",
	families: ["ipv4", "ipv6"],
	nodePortAddresses: ["192.0.2.1", "2001:db8::1"],
	localTraffic: { type: "ranges", ranges: ["10.244.0.0/16", "fd00:244::/56"] },
	masqueradeBit: 14,
	masqueradeAll: false,
	scheduler: "random",
};

const rewrites = process.env.KEEPMESH_GOLDEN === "rewrite";

describe("plans of Services as text", () => {
	for (const input of globSync(join(import.meta.dirname, "service-plans/*.in.yaml")).sort())
		it(basename(input, ".in.yaml"), () => {
			const { objects, problems } = readResourceFile("case.yaml", readFileSync(input, "utf8"));
			assert.deepEqual(problems, []);
			const outcome = planned(objects);
			const golden = input.replace(/\.in\.yaml$/, ".out.txt");
			if (rewrites) writeFileSync(golden, outcome);
			assert.ok(existsSync(golden), `no ${basename(golden)}: npm run golden makes it`);
			assert.equal(outcome, readFileSync(golden, "utf8"));
		});
});

function planned(objects: readonly AnyObject[]): string {
	const slices = objects.filter((object) => object.kind === "EndpointSlice");
	const pods = objects.filter((object) => object.kind === "Pod");
	return objects
		.filter((object) => object.kind === "Service")
		.map((service) => {
			const { namespace, name } = service.metadata;
			const made = layer4ServiceOf(service, slices, pods);
			return made === undefined ? `${namespace}/${name}: no rules\n` : renderBalancers(planService(made, node));
		})
		.join("\n");
}
