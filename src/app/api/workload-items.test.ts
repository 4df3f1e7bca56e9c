import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
	anAuthorizationPolicy,
	aPeerAuthentication,
	aPod,
	aProxy,
	applied,
	aRequestAuthentication,
	aService,
	aWorkloadEntry,
} from "../../model/model.testing.ts";
import type { Proxy as MeshProxy } from "../../model/proxy.ts";
import { applyChanges, emptySnapshot } from "../../snapshot/snapshot.ts";
import { type WorkloadQuery, workloadItems } from "./workload-items.ts";

const hash = { "pod-template-hash": "abc", app: "web" };
const pods = [
	aPod("web-abc-1", "10.1.0.1", {}, { labels: hash }),
	aPod("web-abc-2", "10.1.0.2", {}, { labels: hash }),
	aPod("old-1", "10.1.0.3", {}, { labels: { app: "web", "security.istio.io/tlsMode": "" } }),
];
const connected = aProxy("web-abc-1", {
	ipAddresses: ["10.1.0.1"],
	labels: { ...pods[0]?.metadata.labels },
	workloadCertificate: true,
});
const objects = [
	...pods,
	aService("web", { clusterIP: "10.96.0.1", ports: [{ name: "http", port: 80, targetPort: 8080 }] }),
	aService("api", { clusterIP: "10.96.0.2", ports: [{ name: "http", port: 81 }] }),
	aPeerAuthentication("strict", { mtls: { mode: "STRICT" } }),
	anAuthorizationPolicy("nothing", { selector: { matchLabels: { app: "web" } } }),
	aRequestAuthentication("jwt", { jwtRules: [{ issuer: "https://i" }] }),
];
const { snapshot } = applyChanges(emptySnapshot(), applied(...objects));
const items = (query: Partial<WorkloadQuery>, proxies: readonly MeshProxy[] = [connected]) =>
	workloadItems(snapshot, proxies, { namespace: "default", maxServices: 50, ...query });

describe("what is in force for a workload", () => {
	it("is shown by the name of a pod, of what made it, or of a service in front of it", () => {
		const shown = (query: Partial<WorkloadQuery>) =>
			items(query).map((item) => `${item.names.join(" ")}: ${item.proxy}`);
		assert.deepEqual(shown({ name: "web-abc-2" }), ["web-abc-2: not connected"]);
		assert.deepEqual(shown({ name: "web" }), ["web-abc-1: connected", "web-abc-2: not connected"]);
		assert.deepEqual(shown({ service: "web" }), ["old-1: none", "web-abc-1: connected", "web-abc-2: not connected"]);
		assert.deepEqual(shown({ name: "web", namespace: "other" }), []);
	});

	it("is shown by the name of a WorkloadEntry, whose machine's proxy has a name of its own", () => {
		const entry = aWorkloadEntry("legacy-1", {
			address: "10.9.0.1",
			labels: { app: "legacy", "security.istio.io/tlsMode": "istio" },
			serviceAccount: "legacy",
		});
		const { snapshot } = applyChanges(emptySnapshot(), applied(...objects, entry));
		const shown = (name: string, proxies: readonly MeshProxy[]) =>
			workloadItems(snapshot, proxies, { namespace: "default", name, maxServices: 50 }).map(
				(item) => `${item.names.join(" ")}: ${item.proxy}`,
			);
		const machine = aProxy("n1", { ipAddresses: ["10.9.0.1"], workloadCertificate: true });
		assert.deepEqual(shown("legacy-1", [machine]), ["n1: connected"]);
		assert.deepEqual(shown("legacy-1", []), ["legacy-1: not connected"]);
		assert.deepEqual(shown("n1", [machine]), ["n1: connected"]);
	});

	it("is one item for all that are alike", () => {
		assert.deepEqual(
			items({ name: "web" }, []).map((item) => item.names),
			[["web-abc-1", "web-abc-2"]],
		);
	});

	it("says what it accepts on each port, its policies and its tokens", () => {
		const [item] = items({ name: "web-abc-1" });
		const by = "PeerAuthentication/default/strict";
		assert.deepEqual(item?.inbound, [{ port: 8080, protocol: "HTTP", service: "web", accepts: "STRICT", by }]);
		assert.deepEqual(item?.policies, [
			{ source: "AuthorizationPolicy/default/nothing", action: "ALLOW", dryRun: false, rules: 0 },
		]);
		assert.deepEqual(item?.tokens, [
			{ source: "RequestAuthentication/default/jwt", issuer: "https://i", hasKeys: false },
		]);
	});

	it("is nothing without a proxy, whatever policies say", () => {
		const [item] = items({ name: "old-1" });
		assert.deepEqual(item?.inbound, [{ port: 8080, protocol: "HTTP", service: "web" }]);
		assert.deepEqual([item?.policies, item?.tokens], [[], []]);
		assert.equal(item?.outbound.find((one) => one.port === 80)?.paths[0]?.clientSends, "plaintext");
	});

	it("looks at one service as a target, or at so many, and counts the others", () => {
		const targets = (query: Partial<WorkloadQuery>) => {
			const [item] = items({ name: "web-abc-1", ...query });
			return [item?.outbound.map((one) => one.service.split(".")[0]), item?.servicesLeftOut];
		};
		assert.deepEqual(targets({}), [["api", "web"], 0]);
		assert.deepEqual(targets({ maxServices: 1 }), [["api"], 1]);
		for (const to of ["web", "web.default", "web.default.svc.cluster.local"])
			assert.deepEqual(targets({ to }), [["web"], 0]);
		assert.deepEqual(targets({ to: "web.other" }), [[], 0]);
	});
});
