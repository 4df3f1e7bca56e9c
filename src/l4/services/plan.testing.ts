// For tests of layer 4's meaning: YAML of a Service, its slices and pods comes in, their plan on one node goes out.

import assert from "node:assert/strict";
import type { AnyObject, ConfigObject } from "../../resources/config-object.ts";
import type { Problem } from "../../resources/problem.ts";
import { readResourceFile } from "../../resources/read-resources.ts";
import type { Balancer } from "../balancer.ts";
import type { Layer4Service } from "../layer4-service.ts";
import type { NodeFacts } from "../node-facts.ts";
import { layer4ServiceOf } from "./layer4-service-of.ts";
import { planService } from "./plan-service.ts";

export const nodeA: NodeFacts = {
	name: "a",
	zone: "zone-1",
	families: ["ipv4", "ipv6"],
	nodePortAddresses: ["192.0.2.1", "2001:db8::1"],
	localTraffic: { type: "ranges", ranges: ["10.244.0.0/16", "fd00:244::/56"] },
	masqueradeBit: 14,
	masqueradeAll: false,
	scheduler: "random",
};

export interface Read {
	readonly objects: readonly AnyObject[];
	readonly problems: readonly Problem[];
}

export function readYaml(text: string): Read {
	return readResourceFile("a.yaml", text);
}

/** The only Service of the text, as layer 4 sees it. */
export function serviceOf(text: string): Layer4Service | undefined {
	const { objects, problems } = readYaml(text);
	const errors = problems.filter(({ severity }) => severity === "error");
	assert.deepEqual(errors, []);
	const [service] = objects.filter((object) => object.kind === "Service");
	assert.ok(service, "the text has no Service");
	return layer4ServiceOf(service, ofKind(objects, "EndpointSlice"), ofKind(objects, "Pod"));
}

export function planOf(text: string, node: NodeFacts = nodeA): readonly Balancer[] {
	const service = serviceOf(text);
	return service === undefined ? [] : planService(service, node);
}

export function ofKind<K extends "EndpointSlice" | "Pod" | "Service">(
	objects: readonly AnyObject[],
	kind: K,
): readonly ConfigObject<K>[] {
	return objects.filter((object) => object.kind === kind) as unknown as readonly ConfigObject<K>[];
}

export interface Written {
	/** Lines of the Service's spec, beside its ports and addresses. */
	readonly spec?: string;
	readonly ports?: string;
	readonly metadata?: string;
	readonly status?: string;
	/** The slices' `endpoints`, each on the addresses' family. */
	readonly endpoints?: readonly string[];
	/** Further documents. */
	readonly more?: string;
}

/** A Service `shop/web` at 10.96.0.10 with one slice, of which only what matters is written. */
export function written({ spec = "", ports, metadata = "", status, endpoints = [], more = "" }: Written): string {
	const hasOwnAddress = spec.includes("clusterIP");
	return `apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop${metadata}}
spec:
${hasOwnAddress ? "" : "  clusterIP: 10.96.0.10\n"}${spec.replace(/^(?=.)/gm, "  ")}
  ports: ${ports ?? "[{name: http, port: 80}]"}
${status === undefined ? "" : `status: ${status}`}
---
${slice("web-1", endpoints)}
---
${more}`;
}

export function slice(
	name: string,
	endpoints: readonly string[],
	{ type = "IPv4", ports = "[{name: http, port: 8080}]", labels = "" } = {},
): string {
	return `apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: ${name}, namespace: shop, labels: {kubernetes.io/service-name: web${labels}}}
addressType: ${type}
ports: ${ports}
endpoints: [${endpoints.join(", ")}]
`;
}

/** Who answers at the cluster address, or why nobody does; of IPv4. */
export function pool(
	endpoints: readonly string[],
	parts: Written = {},
	node: Partial<NodeFacts> = {},
): readonly string[] {
	const [first] = planOf(written({ ...parts, endpoints }), { ...nodeA, families: ["ipv4"], ...node });
	if (first?.outside.type !== "balance") return [first?.outside.type ?? "nothing"];
	return first.outside.backends.map(({ address, port }) => `${address}:${port}`);
}
