import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { trustBundleTypeUrl } from "../../identity/trust-bundle.ts";
import { aProxy, applied, aService } from "../../model/model.testing.ts";
import { silentLog } from "../../runtime/log.ts";
import { createMetrics } from "../../runtime/metrics.ts";
import { VirtualClock } from "../../runtime/virtual-clock.ts";
import { controlMetrics } from "../../telemetry/control-metrics.ts";
import { type TypeUrl, typeUrls } from "../../xds/resource.ts";
import type { SessionStatus } from "../../xds/wire/config-source.ts";
import { ControlPlane } from "./control-plane.ts";
import { ResourceStatuses } from "./resource-status.ts";

const service = aService("web", { clusterIP: "10.96.0.1", ports: [{ name: "http", port: 80 }] });
const proxy = aProxy("client-1");

function appliedOn(behind: TypeUrl): number | undefined {
	const parts = { log: silentLog, metrics: controlMetrics(createMetrics()), onPublished: () => {} };
	const control = new ControlPlane({}, { clock: new VirtualClock(), ...parts });
	control.change(applied(service));
	control.flush();
	control.connect(proxy);
	const types = [typeUrls.cluster, typeUrls.endpoints, trustBundleTypeUrl].map((typeUrl) => ({
		typeUrl,
		sync: typeUrl === behind ? ("STALE" as const) : ("SYNCED" as const),
		nonceSent: "2",
		nonceAcked: "1",
		version: "",
		resources: 1,
	}));
	const session: SessionStatus = {
		proxyId: proxy.id,
		nodeId: proxy.id,
		peer: { address: "unix" },
		protocol: "delta",
		userAgent: "envoy",
		connectedAtMs: 0,
		types,
	};
	return new ResourceStatuses(control, [session], [], () => 0).statusOf(service).proxies?.applied;
}

describe("a resource counts as applied on a proxy", () => {
	it("when the proxy has confirmed its configuration", () => assert.equal(appliedOn(""), 1));
	it("not while the proxy has something to confirm", () => assert.equal(appliedOn(typeUrls.endpoints), 0));
	it("also while the proxy's Envoy has yet to fetch its certificate again", () =>
		assert.equal(appliedOn(trustBundleTypeUrl), 1));
});
