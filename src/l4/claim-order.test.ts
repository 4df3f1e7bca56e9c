import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Balancer } from "./balancer.ts";
import { IpvsPlan } from "./ipvs/ipvs-plan.ts";
import { NftablesPlan } from "./nftables/nftables-plan.ts";
import type { NodeFacts } from "./node-facts.ts";
import { traceConnection } from "./services/trace-connection.ts";

const node: NodeFacts = {
	name: "n1",
	families: ["ipv4"],
	nodePortAddresses: ["192.0.2.1"],
	masqueradeBit: 14,
	masqueradeAll: false,
	scheduler: "random",
};
const balancer = (owner: string, type: "clusterIP" | "loadBalancerIP" | "externalIP", backend: string): Balancer => ({
	owner,
	front: { family: "ipv4", type, address: "10.96.0.1" },
	protocol: "tcp",
	port: 443,
	scheduler: "rr",
	outside: {
		type: "balance",
		backends: [{ address: backend, port: 6443, weight: 1, local: false, forwarding: { method: "NAT" } }],
		masquerade: "never",
	},
});
const given = balancer("default/kubernetes:https", "clusterIP", "10.0.0.1");
const controlled = balancer("cloud/entry:https", "loadBalancerIP", "10.0.0.2");
const written = balancer("aaa/catch:https", "externalIP", "10.0.0.3");
const serviceOf = ({ owner }: Balancer): string => owner.replace(/:.*/, "");

describe("Of Services with the same address and port", () => {
	for (const order of [
		[given, controlled, written],
		[written, controlled, given],
	]) {
		const seen = order.map(serviceOf).join(", ");

		it(`a cluster address comes first, an external one last, in nftables (seen as ${seen})`, () => {
			const plan = new NftablesPlan(node);
			for (const one of order) plan.set(serviceOf(one), [one]);
			const first = (): string | undefined => {
				plan.takeChanges();
				const rules = plan.ruleset()[0]?.chains.flatMap(({ rules }) => rules) ?? [];
				return rules.map(({ comment }) => comment).find((comment) => order.some(({ owner }) => owner === comment));
			};
			assert.equal(first(), given.owner);
			plan.remove(serviceOf(given));
			assert.equal(first(), controlled.owner);
			plan.remove(serviceOf(controlled));
			assert.equal(first(), written.owner);
			plan.set(serviceOf(given), [given]);
			assert.equal(first(), given.owner);
		});

		it(`and in IPVS (seen as ${seen})`, () => {
			const plan = new IpvsPlan(node);
			for (const one of order) plan.set(serviceOf(one), [one]);
			plan.takeChanges();
			const [only, ...others] = plan.wantedServers();
			assert.equal(others.length, 0);
			assert.deepEqual(
				[...(only?.destinations.values() ?? [])].map(({ address }) => address),
				["10.0.0.1"],
			);
		});

		it(`and trace says so (seen as ${seen})`, () => {
			const asked = {
				source: "10.9.0.9",
				destination: "10.96.0.1",
				port: 443,
				protocol: "tcp",
				from: "outside",
			} as const;
			const trace = traceConnection(order, node, asked);
			assert.equal(trace.balancer, given);
			assert.deepEqual(trace.sentences.slice(1, 3), [
				"cloud/entry:https has it too, and gets nothing: cluster addresses come before load balancers', those before external ones, then names.",
				"aaa/catch:https has it too, and gets nothing: cluster addresses come before load balancers', those before external ones, then names.",
			]);
		});
	}
});
