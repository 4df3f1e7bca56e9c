// The charts, rendered by the real Helm (built with the test cluster; skipped where it is not).

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { before, describe, it } from "node:test";
import { parseAllDocuments } from "yaml";
import { completeCharts } from "../../src/app/install/complete-charts.ts";
import { type InjectorConfiguration, tagConfiguration } from "../../src/install/revision-tag.ts";
import { keepmeshCrds } from "../../src/kubernetes/crds/keepmesh-crds.ts";

const root = join(import.meta.dirname, "../..");
const built = join(root, ".keepmesh/kubernetes/helm");
const helm = existsSync(built) ? built : undefined;
const charts = join(root, "deploy/helm");

interface Rule {
	readonly apiGroups: readonly string[];
	readonly resources: readonly string[];
	readonly verbs: readonly string[];
}

interface PodTemplate {
	readonly metadata: { readonly labels: Texts; readonly annotations: Texts };
	readonly spec: {
		readonly hostNetwork?: boolean;
		readonly securityContext: { readonly runAsNonRoot?: boolean };
		readonly containers: readonly { readonly image: string; readonly securityContext: object }[];
		readonly topologySpreadConstraints: readonly { readonly topologyKey: string; readonly whenUnsatisfiable: string }[];
	};
}

type Texts = Readonly<Record<string, string>>;

/** Of all kinds; a test asks only for what its kind has. */
interface KubernetesObject {
	readonly kind: string;
	readonly metadata: { readonly name: string; readonly annotations?: Texts };
	readonly rules: readonly Rule[];
	readonly webhooks: InjectorConfiguration["webhooks"];
	readonly spec: {
		readonly replicas?: number;
		readonly minReplicas?: number;
		readonly maxReplicas?: number;
		readonly maxUnavailable?: number;
		readonly selector?: object;
		readonly template: PodTemplate;
	};
}

interface Rendered {
	readonly objects: readonly KubernetesObject[];
	readonly error: string;
}

function render(chart: string, ...args: readonly string[]): Rendered {
	const release = chart === "gateway" ? "istio-ingressgateway" : chart;
	const command = ["template", release, join(charts, chart), "--namespace", "keepmesh-system", ...args];
	const { status, stderr, stdout } = spawnSync(helm ?? "", command, { encoding: "utf8", maxBuffer: 64 << 20 });
	if (status !== 0) return { objects: [], error: stderr };
	const documents = parseAllDocuments(stdout).map((document) => document.toJS() as KubernetesObject | null);
	return { objects: documents.filter((one) => one !== null), error: "" };
}

const image = ["--set", "global.image=r.test/keepmesh:1"];
const mesh = (...args: readonly string[]): readonly KubernetesObject[] => {
	const { error, objects } = render("keepmesh", ...image, ...args);
	assert.equal(error, "");
	return objects;
};
const find = (objects: readonly KubernetesObject[], kind: string, name?: string): KubernetesObject => {
	const found = objects.find((one) => one.kind === kind && (name === undefined || one.metadata.name === name));
	assert.ok(found, `there is no ${kind} ${name ?? ""}`);
	return found;
};

describe("the chart keepmesh", { skip: helm ? false : "Helm is not built" }, () => {
	it("needs an image, and says how to get one", () => {
		assert.match(render("keepmesh").error, /global\.image/);
	});

	it("refuses values that are not its own, and those of a wrong type", () => {
		for (const [given, said] of [
			["control.replica=3", /replica/],
			["control.replicas=none", /replicas/],
			["injection.failurePolicy=Perhaps", /failurePolicy/],
			["control.spread=Never", /spread/],
			["revision=Prod_1", /revision/],
		] as const)
			assert.match(render("keepmesh", ...image, "--set", given).error, said, given);
	});

	it("has a schema for every value, and a value for everything in the schema", () => {
		const values = parseAllDocuments(readFileSync(join(charts, "keepmesh/values.yaml"), "utf8"))[0]?.toJS() as object;
		const schema = JSON.parse(readFileSync(join(charts, "keepmesh/values.schema.json"), "utf8")) as Schema;
		assert.deepEqual(pathsOfValues(values, schema), pathsOfSchema(schema));
	});

	it("runs control planes without any right on their machine", () => {
		const { template } = find(mesh(), "Deployment", "keepmesh-control").spec;
		const [container] = template.spec.containers;
		assert.equal(template.spec.securityContext.runAsNonRoot, true);
		assert.deepEqual(container?.securityContext, {
			allowPrivilegeEscalation: false,
			capabilities: { drop: ["ALL"] },
			readOnlyRootFilesystem: true,
		});
		assert.equal(template.spec.hostNetwork, undefined);
		assert.equal(template.metadata.labels["sidecar.istio.io/inject"], "false");
	});

	it("spreads control planes, and lets one at a time go", () => {
		const objects = mesh();
		const { spec } = find(objects, "Deployment", "keepmesh-control");
		assert.equal(spec.replicas, 2);
		assert.deepEqual(
			spec.template.spec.topologySpreadConstraints.map(({ topologyKey, whenUnsatisfiable }) => [
				topologyKey,
				whenUnsatisfiable,
			]),
			[
				["kubernetes.io/hostname", "ScheduleAnyway"],
				["topology.kubernetes.io/zone", "ScheduleAnyway"],
			],
		);
		assert.equal(find(objects, "PodDisruptionBudget").spec.maxUnavailable, 1);
		assert.ok(!mesh("--set", "control.replicas=1").some(({ kind }) => kind === "PodDisruptionBudget"));
	});

	it("has values for high availability", () => {
		const objects = mesh("--values", join(charts, "keepmesh/values-ha.yaml"));
		const { spec } = find(objects, "Deployment", "keepmesh-control");
		assert.equal(spec.replicas, undefined, "an autoscaler and a fixed number would fight");
		assert.equal(spec.template.spec.topologySpreadConstraints[0]?.whenUnsatisfiable, "DoNotSchedule");
		const { maxReplicas, minReplicas } = find(objects, "HorizontalPodAutoscaler").spec;
		assert.deepEqual([minReplicas, maxReplicas], [3, 7]);
	});

	it("gives no part rights on everything", () => {
		const objects = mesh("--set", "vip.enabled=true", "--set", "node.layer4.enabled=true");
		const rules = objects
			.filter(({ kind }) => kind === "ClusterRole" || kind === "Role")
			.flatMap(({ metadata, rules: all }) => all.map((rule) => ({ of: metadata.name, ...rule })));
		for (const { of, apiGroups, resources, verbs } of rules) {
			assert.ok(!verbs.includes("*") && !apiGroups.includes("*"), `${of}: ${JSON.stringify({ apiGroups, verbs })}`);
			assert.ok(!verbs.some((verb) => ["escalate", "bind", "impersonate"].includes(verb)), of);
			if (verbs.some((verb) => !["get", "list", "watch"].includes(verb)))
				assert.ok(!resources.includes("*"), `${of} changes all of ${apiGroups}`);
		}
		// Of the whole cluster's Secrets only control planes read any: those that Gateways name.
		const inCluster = new Set(
			objects.filter(({ kind }) => kind === "ClusterRole").map(({ metadata }) => metadata.name),
		);
		const readers = rules.filter(({ of, resources }) => inCluster.has(of) && resources.includes("secrets"));
		assert.deepEqual(
			readers.map(({ of, verbs }) => [of, verbs]),
			[["keepmesh-control-keepmesh-system", ["list", "watch"]]],
		);
	});

	it("installs a second revision beside the first without touching it", () => {
		const names = (objects: readonly KubernetesObject[]): ReadonlySet<string> =>
			new Set(objects.map(({ kind, metadata }) => `${kind}/${metadata.name}`));
		const first = names(mesh());
		const shared = [...names(mesh("--set", "revision=1-1"))].filter((name) => first.has(name));
		assert.deepEqual(shared, []);
	});

	it("injects for revision default what says istio-injection, and for others what names them", () => {
		const hooks = (...args: readonly string[]): readonly string[] =>
			find(mesh(...args), "MutatingWebhookConfiguration").webhooks.map(({ name }) =>
				name.replace(".sidecar-injector.keepmesh.io", ""),
			);
		assert.deepEqual(hooks(), ["rev.namespace", "rev.object", "namespace", "object"]);
		assert.deepEqual(hooks("--set", "injection.byDefault=true").at(-1), "auto");
		assert.deepEqual(hooks("--set", "revision=1-1"), ["rev.namespace", "rev.object"]);
	});

	it("has the same webhooks for revision default as a tag default of another revision", () => {
		const own = find(mesh(), "MutatingWebhookConfiguration").webhooks;
		const other = find(mesh("--set", "revision=1-1"), "MutatingWebhookConfiguration") as unknown;
		const tag = { tag: "default", revision: "1-1", namespace: "keepmesh-system" };
		const made = tagConfiguration(other as InjectorConfiguration, tag).webhooks;
		const selectors = (hooks: InjectorConfiguration["webhooks"]): readonly unknown[] =>
			hooks.map(({ name, namespaceSelector, objectSelector }) => ({ name, namespaceSelector, objectSelector }));
		assert.deepEqual(selectors(made), selectors(own));
	});

	it("never injects the system's namespaces, nor its own parts", () => {
		for (const { namespaceSelector } of find(mesh(), "MutatingWebhookConfiguration").webhooks) {
			const excluded = namespaceSelector?.matchExpressions?.at(-1);
			assert.deepEqual([excluded?.operator, excluded?.values?.includes("kube-system")], ["NotIn", true]);
		}
	});

	it("makes its namespace the one whose resources are for the whole mesh, unless another is named", () => {
		const config = (...args: readonly string[]): object => find(mesh(...args), "MeshConfig").spec;
		const closed = "meshConfig.outboundTrafficPolicy.mode=REGISTRY_ONLY";
		assert.deepEqual(config("--set", closed), {
			outboundTrafficPolicy: { mode: "REGISTRY_ONLY" },
			rootNamespace: "keepmesh-system",
		});
		assert.deepEqual(config("--set", "meshConfig.rootNamespace=istio-system"), { rootNamespace: "istio-system" });
	});

	it("judges what names no revision by the default one, and what names another by that", () => {
		const selectors = (...args: readonly string[]): readonly string[] =>
			find(mesh(...args), "ValidatingWebhookConfiguration").webhooks.map(
				({ objectSelector }) => objectSelector?.matchExpressions?.[0]?.operator ?? "",
			);
		assert.deepEqual(selectors(), ["In", "DoesNotExist"]);
		assert.deepEqual(selectors("--set", "revision=1-1"), ["In"]);
	});

	it("leaves what is not wanted out", () => {
		const kinds = (...args: readonly string[]): readonly string[] => mesh(...args).map(({ kind }) => kind);
		assert.ok(!kinds("--set", "node.enabled=false").includes("DaemonSet"));
		assert.ok(!kinds("--set", "injection.enabled=false").includes("MutatingWebhookConfiguration"));
		assert.ok(!kinds("--set", "validation.enabled=false").includes("ValidatingWebhookConfiguration"));
		assert.ok(!kinds().includes("PodMonitor"));
	});
});

describe("the chart crds", { skip: helm ? false : "Helm is not built" }, () => {
	before(() => completeCharts(charts).release());

	it("has Keepmesh's kinds as keepmesh crds prints them, and keeps them when it goes", () => {
		const { objects } = render("crds", "--set", "istio=never");
		assert.deepEqual(
			objects.map(({ metadata }) => metadata.name).sort(),
			keepmeshCrds()
				.map(({ metadata }) => metadata.name)
				.sort(),
		);
		for (const { metadata } of objects) assert.equal(metadata.annotations?.["helm.sh/resource-policy"], "keep");
	});

	it("has Istio's where there are none", () => {
		const names = render("crds").objects.map(({ metadata }) => metadata.name);
		assert.ok(names.includes("virtualservices.networking.istio.io"));
		assert.equal(new Set(names).size, names.length);
	});
});

describe("the chart gateway", { skip: helm ? false : "Helm is not built" }, () => {
	it("is chosen by Istio's labels, and its container is written by the injector", () => {
		const { objects } = render("gateway");
		const { template } = find(objects, "Deployment", "istio-ingressgateway").spec;
		assert.equal(template.metadata.labels.istio, "ingressgateway");
		assert.equal(template.metadata.annotations["inject.istio.io/templates"], "gateway");
		assert.equal(template.spec.containers[0]?.image, "auto");
		assert.deepEqual(find(objects, "Service").spec.selector, { app: "istio-ingressgateway", istio: "ingressgateway" });
	});
});

it("each chart has a schema", () => {
	for (const chart of readdirSync(charts)) assert.ok(existsSync(join(charts, chart, "values.schema.json")), chart);
});

interface Schema {
	readonly properties?: Readonly<Record<string, Schema>>;
	readonly definitions?: Readonly<Record<string, Schema>>;
	readonly $ref?: string;
}

/** Down to where the schema leaves the rest open. */
function pathsOfSchema(schema: Schema, whole = schema, path = ""): readonly string[] {
	const { $ref, properties } = schema;
	const target = $ref === undefined ? undefined : whole.definitions?.[$ref.replace("#/definitions/", "")];
	if (target) return isOpen($ref) ? [path] : pathsOfSchema(target, whole, path);
	if (!properties) return [path];
	return Object.entries(properties)
		.flatMap(([name, below]) => pathsOfSchema(below, whole, `${path}.${name}`))
		.sort();
}

const isOpen = (ref: string | undefined): boolean => ref === "#/definitions/resources";

function pathsOfValues(value: unknown, schema: Schema): readonly string[] {
	const known = new Set(pathsOfSchema(schema));
	const walk = (item: unknown, path: string): readonly string[] => {
		if (known.has(path) || typeof item !== "object" || item === null) return [path];
		return Object.entries(item).flatMap(([name, below]) => walk(below, `${path}.${name}`));
	};
	return [...walk(value, "")].sort();
}
