import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
	decodeHotSwitchPolicy,
	hotSwitchPolicyName,
	hotSwitchPolicyTypeUrl,
} from "../../hotswitch/hot-switch-policy-codec.ts";
import { anObject, aPeerAuthentication, aProxy, applied, aService, removed } from "../../model/model.testing.ts";
import { silentLog } from "../../runtime/log.ts";
import { createMetrics } from "../../runtime/metrics.ts";
import { VirtualClock } from "../../runtime/virtual-clock.ts";
import { controlMetrics } from "../../telemetry/control-metrics.ts";
import { valueOfAny } from "../../xds/relay-message.ts";
import { ControlPlane } from "./control-plane.ts";

describe("the HotSwitchPolicy of a proxy", () => {
	const clock = new VirtualClock();
	let published: readonly string[] = [];
	const control = new ControlPlane(
		{},
		{
			clock,
			log: silentLog,
			metrics: controlMetrics(createMetrics()),
			onPublished: (proxyIds) => {
				published = proxyIds;
			},
		},
	);
	const web = aProxy("web-1", { labels: { app: "web" } });
	const other = aProxy("other-1", { labels: { app: "other" } });
	const edge = aProxy("edge-1", { type: "router", labels: { app: "edge" } });
	const partOf = (proxyId: string) => control.configFor(proxyId)?.get(hotSwitchPolicyTypeUrl)?.parts[0];
	const policyOf = (proxyId: string) => {
		const any = partOf(proxyId)?.resources.get(hotSwitchPolicyName)?.any;
		return any && decodeHotSwitchPolicy(valueOfAny(any));
	};
	const change = (changes: Parameters<ControlPlane["change"]>[0]) => {
		published = [];
		control.change(changes);
		clock.advance(10_000);
	};
	const forWeb = anObject("HotSwitch", "web", { selector: { matchLabels: { app: "web" } }, steps: ["spare"] });
	control.flush();
	for (const proxy of [web, other, edge]) control.connect(proxy);

	it("is there from the start, one part for all that it is equal for, and none for gateways", () => {
		assert.equal(policyOf(web.id)?.direct, true);
		assert.equal(partOf(other.id), partOf(web.id));
		assert.equal(partOf(edge.id), undefined);
	});

	it("goes out to those whose policy a HotSwitch changes, and to them only", () => {
		change(applied(forWeb));
		assert.deepEqual(published, [web.id]);
		assert.deepEqual([policyOf(web.id)?.direct, policyOf(other.id)?.direct], [false, true]);
	});

	it("follows the mutual TLS in force", () => {
		assert.equal(policyOf(other.id)?.permitsPlaintext, true);
		change(applied(aPeerAuthentication("all", { mtls: { mode: "STRICT" } })));
		assert.equal(policyOf(other.id)?.permitsPlaintext, false);
	});

	it("stays the same object while other things change, and is the wider one's again when its own is gone", () => {
		const before = partOf(web.id);
		change(applied(aService("more")));
		assert.ok(published.includes(web.id));
		assert.equal(partOf(web.id), before);
		change(removed(forWeb));
		assert.deepEqual(published, [web.id]);
		assert.equal(policyOf(web.id)?.direct, true);
	});
});
