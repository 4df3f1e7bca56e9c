import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { aPod, aProxy, applied, aService } from "../../model/model.testing.ts";
import { silentLog } from "../../runtime/log.ts";
import { createMetrics } from "../../runtime/metrics.ts";
import { VirtualClock } from "../../runtime/virtual-clock.ts";
import { controlMetrics } from "../../telemetry/control-metrics.ts";
import { type TypeUrl, typeUrls } from "../../xds/resource.ts";
import { ControlPlane } from "./control-plane.ts";

const service = aService("web", { clusterIP: "10.96.0.1", ports: [{ name: "http", port: 80, targetPort: 8080 }] });
const pod = (name: string, address: string, serviceAccountName: string) => aPod(name, address, { serviceAccountName });
const cluster = "outbound|80||web.default.svc.cluster.local";

describe("endpoints under a new service account", () => {
	const clock = new VirtualClock();
	const publications: { readonly atMs: number; readonly accounts: boolean; readonly endpoint: boolean }[] = [];
	const control = new ControlPlane(
		{},
		{
			clock,
			log: silentLog,
			metrics: controlMetrics(createMetrics()),
			onPublished: () =>
				publications.push({
					atMs: clock.monotonicMs(),
					accounts: holds(typeUrls.cluster, "sa/second"),
					endpoint: holds(typeUrls.endpoints, "10.1.0.2"),
				}),
		},
	);
	const client = aProxy("client-1", { workloadCertificate: true });
	const resource = (typeUrl: TypeUrl) => {
		const parts = control.configFor(client.id)?.get(typeUrl)?.parts ?? [];
		return parts.map((part) => part.resources.get(cluster)).find((one) => one !== undefined);
	};
	const holds = (typeUrl: TypeUrl, text: string) => Buffer.from(resource(typeUrl)?.any ?? []).includes(text);
	control.change(applied(service, pod("web-1", "10.1.0.1", "first")));
	control.flush();
	control.connect(client);
	clock.advance(10_000);

	it("are published at once, together with clusters that take the account, even in a storm of other changes", () => {
		publications.length = 0;
		const startMs = clock.monotonicMs();
		control.change(applied(aService("other")));
		clock.advance(5);
		control.change(applied(aService("another")));
		control.change(applied(pod("web-2", "10.1.0.2", "second")));
		assert.deepEqual(publications.at(-1), { atMs: startMs + 5, accounts: true, endpoint: true });
		assert.ok(publications.every(({ accounts, endpoint }) => accounts === endpoint));
	});

	it("leave the clusters alone when the account is known", () => {
		const before = resource(typeUrls.cluster);
		control.change(applied(pod("web-3", "10.1.0.3", "second")));
		clock.advance(10);
		assert.ok(holds(typeUrls.endpoints, "10.1.0.3"));
		assert.equal(resource(typeUrls.cluster), before);
	});
});
