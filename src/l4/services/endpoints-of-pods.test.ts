import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { serviceOf, slice } from "./plan.testing.ts";

describe("pods without slices", () => {
	const pod = (name: string, rest = "", status = "", metadata = ""): string => `---
apiVersion: v1
kind: Pod
metadata: {name: ${name}, namespace: shop, labels: {app: web, topology.kubernetes.io/zone: zone-1}${metadata}}
spec: {nodeName: a, containers: [{name: c, ports: [{name: http, containerPort: 8080}, {name: dns, containerPort: 53, protocol: UDP}]}]${rest}}
status: {podIP: 10.244.1.5, podIPs: [{ip: 10.244.1.5}, {ip: "fd00::5"}]${status}}
`;
	const service = (rest = "", ports = "[{port: 80, targetPort: http}]"): string =>
		`apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: shop}\nspec: {selector: {app: web}, ports: ${ports}${rest}}\n`;

	it("are the endpoints, of both families, with the place that they have", () => {
		assert.deepEqual(serviceOf(service() + pod("web-1"))?.ports[0]?.endpoints, [
			{ address: "10.244.1.5", port: 8080, node: "a", zone: "zone-1", ready: true, serving: true, terminating: false },
			{ address: "fd00::5", port: 8080, node: "a", zone: "zone-1", ready: true, serving: true, terminating: false },
		]);
	});

	it("count only when the selector takes them in", () => {
		const text = service().replace("selector: {app: web}", "selector: {app: other}");
		assert.deepEqual(serviceOf(text + pod("web-1"))?.ports[0]?.endpoints, []);
	});

	it("are looked into for a named target port of the same protocol", () => {
		const ports = "[{name: a, port: 53, targetPort: dns, protocol: UDP}, {name: b, port: 53, targetPort: dns}]";
		const made = serviceOf(service("", ports) + pod("web-1"));
		assert.deepEqual(
			made?.ports.map(({ endpoints }) => endpoints.map(({ port }) => port)),
			[[53, 53], []],
		);
	});

	it("that are not ready are so unless publishNotReadyAddresses is set", () => {
		const status = ", conditions: [{type: Ready, status: 'False'}]";
		const ready = (rest: string): unknown =>
			serviceOf(service(rest) + pod("web-1", "", status))?.ports[0]?.endpoints[0]?.ready;
		assert.equal(ready(""), false);
		assert.equal(ready(", publishNotReadyAddresses: true"), true);
	});

	it("that are being deleted still serve, and those that ended are nobody", () => {
		const leaving = serviceOf(service() + pod("web-1", "", "", ", deletionTimestamp: 2026-01-01T00:00:00Z"));
		const [first] = leaving?.ports[0]?.endpoints ?? [];
		assert.deepEqual([first?.ready, first?.serving, first?.terminating], [false, true, true]);
		assert.deepEqual(serviceOf(service() + pod("web-1", "", ", phase: Succeeded"))?.ports[0]?.endpoints, []);
	});

	it("get the hints that trafficDistribution asks for", () => {
		const hints = (prefers: string): unknown => {
			const [first] = serviceOf(service(`, trafficDistribution: ${prefers}`) + pod("web-1"))?.ports[0]?.endpoints ?? [];
			return [first?.hintZones, first?.hintNodes];
		};
		assert.deepEqual(hints("PreferSameNode"), [["zone-1"], ["a"]]);
		assert.deepEqual(hints("PreferSameZone"), [["zone-1"], undefined]);
		assert.deepEqual(hints("PreferClose"), [["zone-1"], undefined]);
	});

	it("are nobody where there is any slice", () => {
		assert.deepEqual(serviceOf(`${service()}${pod("web-1")}---\n${slice("web-1", [])}`)?.ports[0]?.endpoints, []);
	});
});
