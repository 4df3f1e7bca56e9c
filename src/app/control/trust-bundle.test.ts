import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { decodeTrustBundle, trustBundleName, trustBundleTypeUrl } from "../../identity/trust-bundle.ts";
import { aPod, aProxy, applied, aService } from "../../model/model.testing.ts";
import { silentLog } from "../../runtime/log.ts";
import { createMetrics } from "../../runtime/metrics.ts";
import { VirtualClock } from "../../runtime/virtual-clock.ts";
import { controlMetrics } from "../../telemetry/control-metrics.ts";
import { typeUrls } from "../../xds/resource.ts";
import { caMetrics, isLate } from "./ca-metrics.ts";
import { ControlPlane } from "./control-plane.ts";
import { expectedProxies } from "./expected-proxies.ts";
import { trustBundleResource } from "./trust-bundle-part.ts";

const bundle = { trustDomain: "cluster.local", roots: ["root"], issuerKeyId: "00" };

function started() {
	const published: string[][] = [];
	const clock = new VirtualClock();
	const control = new ControlPlane(
		{},
		{
			clock,
			log: silentLog,
			metrics: controlMetrics(createMetrics()),
			onPublished: (ids) => published.push([...ids]),
		},
	);
	control.change(applied(aService("web", { clusterIP: "10.96.0.1", ports: [{ name: "http", port: 80 }] })));
	control.flush();
	return { control, clock, published };
}

describe("the trust bundle", () => {
	const secure = aProxy("a-1", { workloadCertificate: true });
	const plain = aProxy("b-1", { workloadCertificate: false });

	it("is given to proxies with a certificate alone, at once, beside what they have", () => {
		const { control, published } = started();
		control.connect(secure);
		control.connect(plain);
		const clusters = control.configFor(secure.id)?.get(typeUrls.cluster);
		const first = trustBundleResource(bundle, 0);
		control.setTrustBundle(first.part);
		assert.deepEqual(published.at(-1), [secure.id]);
		const config = control.configFor(secure.id);
		assert.equal(config?.get(trustBundleTypeUrl)?.parts[0], first.part);
		assert.equal(config?.get(typeUrls.cluster), clusters);
		assert.equal(control.configFor(plain.id)?.has(trustBundleTypeUrl), false);
		const count = published.length;
		control.setTrustBundle(first.part);
		assert.equal(published.length, count, "the same bundle again is no news");
	});

	it("stays with a proxy through other changes, and greets those that come later", () => {
		const { control, clock } = started();
		const { part } = trustBundleResource(bundle, 3);
		control.setTrustBundle(part);
		control.connect(secure);
		assert.equal(control.configFor(secure.id)?.get(trustBundleTypeUrl)?.parts[0], part);
		control.change(applied(aService("other", { clusterIP: "10.96.0.2", ports: [{ name: "http", port: 80 }] })));
		clock.advance(10_000);
		assert.equal(control.configFor(secure.id)?.get(trustBundleTypeUrl)?.parts[0], part);
	});

	it("is another resource in each stage of a rotation, though its content is the same", () => {
		const versions = [0, 1, 2].map((epoch) => trustBundleResource(bundle, epoch).version);
		assert.equal(new Set(versions).size, 3);
		assert.equal(trustBundleResource({ ...bundle }, 2).version, versions[2], "on every replica the same one");
		const resource = trustBundleResource(bundle, 2).part.resources.get(trustBundleName);
		const value = Buffer.from(resource?.any ?? []);
		// The Any: its type's name, then the bytes.
		const at = value.indexOf(Buffer.from("\x0a\x0dcluster.local", "latin1"));
		assert.deepEqual(decodeTrustBundle(value.subarray(at)), { ...bundle, epoch: 2 });
	});
});

describe("the proxies that a rotation waits for", () => {
	const tlsMode = (mode: string) => ({ labels: { "security.istio.io/tlsMode": mode } });

	it("are the pods that run and take mutual TLS, and those that were seen with a certificate", () => {
		const { control } = started();
		const pods = [
			aPod("mesh-1", "10.1.0.1", {}, tlsMode("istio")),
			aPod("plain-1", "10.1.0.2", {}, tlsMode("disabled")),
			aPod("gateway-1", "10.1.0.3", {}, tlsMode("disabled")),
			aPod("leaving-1", "10.1.0.4", {}, { ...tlsMode("istio"), deletedMs: 1 }),
			aPod("done-1", "10.1.0.5", { status: { phase: "Succeeded", podIP: "10.1.0.5" } }, tlsMode("istio")),
		];
		control.change(applied(...pods));
		const seen = new Set(["gateway-1.default", "gone-1.default"]);
		assert.deepEqual(expectedProxies(control.snapshot, seen), ["gateway-1.default", "mesh-1.default"]);
	});
});

describe("the life of the authority's certificates", () => {
	it("is an alarm in its last fifth", async () => {
		const life = { notBeforeMs: 0, notAfterMs: 1_000_000 };
		assert.deepEqual(
			[799_999, 800_000].map((nowMs) => isLate(life, nowMs)),
			[false, true],
		);
		const metrics = createMetrics();
		const shown = caMetrics(metrics);
		shown.show(life, { ...life, notAfterMs: 900_000 }, { phase: "idle", epoch: 0 }, 750_000);
		const text = await metrics.render();
		assert.match(text, /^keepmesh_ca_root_expiry_seconds 250$/m);
		assert.match(text, /^keepmesh_ca_issuer_expiry_seconds 150$/m);
		assert.match(text, /^keepmesh_ca_expiry_alarm\{certificate="root"\} 0$/m);
		assert.match(text, /^keepmesh_ca_expiry_alarm\{certificate="issuer"\} 1$/m);
	});
});
