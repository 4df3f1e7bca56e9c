import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type InjectorConfiguration, tagConfiguration, tagValidation } from "./revision-tag.ts";

const excluded = { key: "kubernetes.io/metadata.name", operator: "NotIn", values: ["kube-system"] };
const clientConfig = { service: { name: "keepmesh-control-1-1", namespace: "keepmesh-system" }, caBundle: "Q0E=" };
const revision: InjectorConfiguration = {
	apiVersion: "admissionregistration.k8s.io/v1",
	kind: "MutatingWebhookConfiguration",
	metadata: { name: "keepmesh-injector-1-1-keepmesh-system" },
	webhooks: [
		{
			name: "rev.namespace.sidecar-injector.keepmesh.io",
			clientConfig,
			failurePolicy: "Fail",
			namespaceSelector: {
				matchExpressions: [
					{ key: "istio.io/rev", operator: "In", values: ["1-1"] },
					{ key: "istio-injection", operator: "DoesNotExist" },
					excluded,
				],
			},
			objectSelector: { matchExpressions: [{ key: "sidecar.istio.io/inject", operator: "NotIn", values: ["false"] }] },
		},
		{
			name: "rev.object.sidecar-injector.keepmesh.io",
			clientConfig,
			failurePolicy: "Fail",
			namespaceSelector: {
				matchExpressions: [
					{ key: "istio.io/rev", operator: "DoesNotExist" },
					{ key: "istio-injection", operator: "DoesNotExist" },
					excluded,
				],
			},
			objectSelector: {
				matchExpressions: [
					{ key: "sidecar.istio.io/inject", operator: "NotIn", values: ["false"] },
					{ key: "istio.io/rev", operator: "In", values: ["1-1"] },
				],
			},
		},
	],
};

describe("a tag of a revision", () => {
	it("answers to its own name, and calls the revision's control planes", () => {
		const made = tagConfiguration(revision, { tag: "prod", revision: "1-1", namespace: "keepmesh-system" });
		assert.equal(made.metadata.name, "keepmesh-tag-prod-keepmesh-system");
		assert.deepEqual(made.metadata.labels?.["istio.io/rev"], "1-1");
		assert.deepEqual(made.metadata.labels?.["istio.io/tag"], "prod");
		assert.doesNotMatch(
			JSON.stringify(made.webhooks.map((hook) => [hook.namespaceSelector, hook.objectSelector])),
			/1-1/,
		);
		assert.equal(made.webhooks.length, 2);
		for (const hook of made.webhooks) assert.deepEqual(hook.clientConfig, clientConfig);
	});

	it("named default takes namespaces with istio-injection=enabled too, and leaves out what the revision leaves out", () => {
		const made = tagConfiguration(revision, { tag: "default", revision: "1-1", namespace: "keepmesh-system" });
		const names = made.webhooks.map(({ name }) => name.replace(".sidecar-injector.keepmesh.io", ""));
		assert.deepEqual(names, ["rev.namespace", "rev.object", "namespace", "object"]);
		for (const { namespaceSelector } of made.webhooks)
			assert.deepEqual(namespaceSelector?.matchExpressions?.at(-1), excluded);
	});

	it("named default has resources judged that name no revision, and no other tag does", () => {
		const notOurs = { key: "app.kubernetes.io/part-of", operator: "NotIn", values: ["keepmesh"] };
		const own = { key: "istio.io/rev", operator: "In", values: ["1-1"] };
		const validator: InjectorConfiguration = {
			apiVersion: revision.apiVersion,
			kind: "ValidatingWebhookConfiguration",
			metadata: { name: "keepmesh-validator-1-1-keepmesh-system" },
			webhooks: [
				{ name: "rev.validation.keepmesh.io", clientConfig, objectSelector: { matchExpressions: [own, notOurs] } },
			],
		};
		const of = { revision: "1-1", namespace: "keepmesh-system" };
		const made = tagValidation(validator, { tag: "default", ...of });
		assert.deepEqual(made?.webhooks, [
			{
				name: "validation.keepmesh.io",
				clientConfig,
				objectSelector: { matchExpressions: [{ key: "istio.io/rev", operator: "DoesNotExist" }, notOurs] },
			},
		]);
		assert.equal(tagValidation(validator, { tag: "prod", ...of }), undefined);
		assert.equal(tagValidation(undefined, { tag: "default", ...of }), undefined);
	});
});
