import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { defaultInjectConfig, type InjectConfig } from "./inject-config.ts";
import type { Pod } from "./pod-shape.ts";
import { matchesLabels, shouldInject } from "./should-inject.ts";

const web: Pod = { metadata: {}, spec: { containers: [{ name: "web" }] } };
const labelled = (labels: Readonly<Record<string, string>>, annotations = {}): Pod => ({
	...web,
	metadata: { labels, annotations },
});
const decide = (pod: Pod, config: Partial<InjectConfig> = {}, namespace = "shop"): string => {
	const decision = shouldInject(pod, namespace, { ...defaultInjectConfig, ...config });
	return decision.inject ? "yes" : decision.because;
};
const label = "sidecar.istio.io/inject";

describe("whether a pod is injected", () => {
	it("is, when it is asked about and nothing speaks against it", () => {
		assert.equal(decide(web), "yes");
	});

	it("never is on its node's network, nor in namespaces that the cluster stands on", () => {
		const onNode = { ...labelled({ [label]: "true" }), spec: { ...web.spec, hostNetwork: true } };
		assert.match(decide(onNode), /hostNetwork/);
		assert.match(decide(labelled({ [label]: "true" }), {}, "kube-system"), /kube-system/);
	});

	for (const yes of ["true", "y", "YES", "on"])
		it(`takes "${yes}" for a wish`, () => {
			assert.equal(decide(labelled({ [label]: yes }), { policy: "disabled" }), "yes");
		});

	it("takes everything else for a refusal, and says where it stands", () => {
		assert.match(decide(labelled({ [label]: "false" })), /label sidecar.istio.io\/inject is "false"/);
		assert.match(decide(labelled({}, { [label]: "nope" })), /annotation .* is "nope"/);
	});

	it("believes the label before the annotation", () => {
		assert.equal(decide(labelled({ [label]: "true" }, { [label]: "false" })), "yes");
	});

	it("asks the selectors when the pod says nothing: never before always, and both before the policy", () => {
		const selector = [{ matchLabels: { app: "a" } }];
		assert.match(decide(labelled({ app: "a" }), { neverInjectSelector: selector }), /neverInjectSelector/);
		const both = { neverInjectSelector: selector, alwaysInjectSelector: selector };
		assert.match(decide(labelled({ app: "a" }), both), /neverInjectSelector/);
		assert.equal(decide(labelled({ app: "a" }), { alwaysInjectSelector: selector, policy: "disabled" }), "yes");
		assert.match(decide(labelled({ app: "b" }), { policy: "disabled" }), /policy is disabled/);
		assert.equal(decide(labelled({ app: "a", [label]: "true" }), { neverInjectSelector: selector }), "yes");
	});

	it("leaves alone what is injected already", () => {
		const pod = labelled({ [label]: "true" }, { "sidecar.istio.io/status": "{}" });
		assert.equal(decide(pod), "yes");
		const containers = [{ name: "web" }, { name: "istio-proxy", image: "envoy" }];
		assert.match(decide({ ...pod, spec: { containers } }), /already/);
	});
});

describe("a label selector", () => {
	const labels = { app: "a", tier: "web" };
	const expression = (key: string, operator: "In" | "NotIn" | "Exists" | "DoesNotExist", values?: readonly string[]) =>
		matchesLabels({ matchExpressions: [{ key, operator, ...(values ? { values } : {}) }] }, labels);

	it("needs all of it", () => {
		assert.equal(matchesLabels({ matchLabels: { app: "a", tier: "db" } }, labels), false);
		assert.equal(expression("app", "In", ["a", "b"]), true);
		assert.equal(expression("app", "NotIn", ["a"]), false);
		assert.equal(expression("other", "NotIn", ["a"]), true);
		assert.equal(expression("tier", "Exists"), true);
		assert.equal(expression("tier", "DoesNotExist"), false);
	});

	it("matches nothing when it is empty", () => {
		assert.equal(matchesLabels({}, labels), false);
	});
});
