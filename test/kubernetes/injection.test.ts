// Injection on a real cluster: two replicas of the control plane answer the API server's webhooks; pods are made, refused or left
// alone as their labels and annotations say. No node agent runs here, so proxies wait for their node, and applications for them.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { baseImage, keepmeshImage } from "../../cluster/images/image-names.ts";
import { loadKeepmesh, noCluster, openCluster, type TestCluster, until } from "./test-cluster.ts";

interface PodObject {
	readonly metadata: { readonly labels?: Record<string, string>; readonly annotations?: Record<string, string> };
	readonly spec: {
		readonly containers: readonly Container[];
		readonly initContainers?: readonly Container[];
	};
}
interface Container {
	readonly name: string;
	readonly image?: string;
	readonly imagePullPolicy?: string;
	readonly args?: readonly string[];
	readonly restartPolicy?: string;
	readonly readinessProbe?: { readonly httpGet?: { readonly path?: string; readonly port?: number } };
}

const injectorLabels = { "app.kubernetes.io/part-of": "keepmesh" };
const restricted = {
	allowPrivilegeEscalation: false,
	capabilities: { drop: ["ALL"] },
	runAsNonRoot: true,
	runAsUser: 1000,
	seccompProfile: { type: "RuntimeDefault" },
};

function podNamed(name: string, metadata: object = {}, container: object = {}): object {
	const web = { name: "web", image: baseImage, command: ["sleep", "600"], securityContext: restricted, ...container };
	const spec = { terminationGracePeriodSeconds: 0, containers: [web] };
	return { apiVersion: "v1", kind: "Pod", metadata: { name, ...metadata }, spec };
}

describe("injection by the control planes of a cluster", { skip: noCluster, timeout: 600_000 }, () => {
	let cluster: TestCluster;
	let apps = "";
	let revision = "";
	before(async () => {
		cluster = await openCluster();
		await loadKeepmesh(cluster);
		apps = `${cluster.namespace}-apps`;
		revision = `r${process.pid}`;
		await cluster.apply(...installation(cluster.namespace, revision));
		await cluster.apply({
			apiVersion: "v1",
			kind: "Namespace",
			metadata: {
				name: apps,
				labels: { "istio.io/rev": revision, "pod-security.kubernetes.io/enforce": "restricted" },
			},
		});
		await cluster.kubectl("rollout", "status", "deployment/keepmesh-control", "--timeout=180s");
		await until("API servers know who signed", async () => (await bundles()).every((bundle) => bundle !== ""), 120_000);
		await until("a pod is injected", async () => (await dryRun("first")).status === 201, 120_000);
	});
	after(async () => {
		if (!cluster) return;
		const names = [`mutatingwebhookconfiguration/${injectorName()}`, `clusterrolebinding/${injectorName()}`];
		await cluster.tryKubectl(["delete", ...names, "--ignore-not-found"]);
		await cluster.tryKubectl(["delete", "namespace", apps, "--wait=false", "--ignore-not-found"]);
		await cluster.close();
	});

	const injectorName = (): string => `keepmesh-injector-${cluster.namespace}`;
	const bundles = async (): Promise<readonly string[]> => {
		const path = "jsonpath={range .webhooks[*]}{.clientConfig.caBundle}{'\\n'}{end}";
		const text = await cluster.kubectl("get", "mutatingwebhookconfiguration", injectorName(), "--output", path);
		return text.split("\n").slice(0, 2);
	};
	/** What the API server would make of it, with all its webhooks. */
	const dryRun = async (
		name: string,
		metadata: object = {},
		{ container = {}, namespace = apps }: { container?: object; namespace?: string } = {},
	): Promise<{ readonly status: number; readonly pod: PodObject; readonly message: string }> => {
		const path = `/api/v1/namespaces/${namespace}/pods?dryRun=All`;
		const { body, status } = await cluster.api.request("POST", path, podNamed(name, metadata, container), 30_000);
		return { status, pod: body as PodObject, message: (body as { message?: string }).message ?? "" };
	};
	/** Undefined also for what is no pod but a refusal. */
	const proxyOf = ({ spec }: Partial<PodObject>): Container | undefined =>
		[...(spec?.initContainers ?? []), ...(spec?.containers ?? [])].find(({ name }) => name === "istio-proxy");

	it("makes pods with a proxy, for which the application waits", async () => {
		const probe = { readinessProbe: { httpGet: { port: 80, path: "/ready" } } };
		const { code, stderr } = await cluster.tryKubectl(
			["apply", "--namespace", apps, "--filename", "-"],
			JSON.stringify(podNamed("held", { labels: { app: "held" } }, probe)),
		);
		assert.equal(code, 0, stderr);
		const pod = JSON.parse(
			await cluster.kubectl("get", "pod", "held", "--namespace", apps, "--output", "json"),
		) as PodObject;
		assert.deepEqual(
			[proxyOf(pod)?.restartPolicy, proxyOf(pod)?.args, proxyOf(pod)?.image],
			["Always", ["proxy", "sidecar"], keepmeshImage],
		);
		assert.equal(pod.metadata.annotations?.["istio.io/rev"], revision);
		assert.equal(pod.metadata.labels?.["security.istio.io/tlsMode"], "istio");
		const httpGet = pod.spec.containers[0]?.readinessProbe?.httpGet;
		assert.deepEqual([httpGet?.path, httpGet?.port], ["/app-health/web/readyz", 15_020]);
		// Kubelet shows no log of a container while its hook runs.
		await until("the proxy waits for its node", async () => {
			const chosen = ["--field-selector", "involvedObject.name=held,reason=Started", "--output", "json"];
			const events = await cluster.kubectl("get", "events", "--namespace", apps, ...chosen);
			return events.includes("spec.initContainers{istio-proxy}");
		});
		const state = "jsonpath={.status.containerStatuses[0].state.waiting.reason}";
		assert.equal(
			await cluster.kubectl("get", "pod", "held", "--namespace", apps, "--output", state),
			"PodInitializing",
		);
		await cluster.kubectl("delete", "pod", "held", "--namespace", apps, "--wait=false");
	});

	it("leaves other namespaces alone, but for pods that ask for it", async () => {
		const { namespace } = cluster;
		assert.equal(proxyOf((await dryRun("other", {}, { namespace })).pod), undefined);
		const asking = { labels: { "istio.io/rev": revision } };
		assert.ok(proxyOf((await dryRun("asking", asking, { namespace })).pod));
		const refusing = { labels: { "sidecar.istio.io/inject": "false" } };
		assert.equal(proxyOf((await dryRun("refusing", refusing)).pod), undefined);
	});

	it("refuses what its author cannot have meant, with a sentence that says why", async () => {
		const { message, status } = await dryRun("wrong", { annotations: { "sidecar.istio.io/logLevel": "loud" } });
		assert.equal(status, 422);
		assert.match(message, /logLevel: "loud" is none of trace, debug/);
	});

	it("warns on the terminal of whoever applies", async () => {
		const annotations = { "sidecar.istio.io/bootstrapOverride": "x" };
		const { code, stderr } = await cluster.tryKubectl(
			["apply", "--namespace", apps, "--dry-run=server", "--filename", "-"],
			JSON.stringify(podNamed("warned", { annotations })),
		);
		assert.equal(code, 0);
		assert.match(stderr, /Warning: annotation sidecar.istio.io\/bootstrapOverride has no effect/);
	});

	it("fills a gateway's container in, whatever the API server made of its image `auto`", async () => {
		const annotations = { "inject.istio.io/templates": "gateway" };
		const container = { name: "istio-proxy", image: "auto", command: undefined };
		const { pod, status } = await dryRun("gateway", { annotations }, { container });
		assert.equal(status, 201);
		const proxy = proxyOf(pod);
		assert.deepEqual(
			[proxy?.image, proxy?.imagePullPolicy, proxy?.args],
			[keepmeshImage, "IfNotPresent", ["proxy", "router"]],
		);
	});

	it("follows its ConfigMap, and keeps the last good one", async () => {
		const change = (config: string) =>
			cluster.kubectl(
				"patch",
				"configmap",
				`keepmesh-injector-${revision}`,
				"--patch",
				JSON.stringify({ data: { config } }),
			);
		const policy = async (): Promise<string | undefined> => proxyOf((await dryRun("configured")).pod)?.imagePullPolicy;
		await change(`image: ${keepmeshImage}\nimagePullPolicy: Never`);
		await until("it is in force", async () => (await policy()) === "Never");
		await change("imagePullPolicy: Sometimes");
		await until("it is refused", async () => (await controlLogs()).includes("is none of IfNotPresent, Always, Never"));
		assert.equal(await policy(), "Never");
		await change(`image: ${keepmeshImage}`);
		await until("it is in force", async () => (await policy()) === "IfNotPresent");
	});

	const controlLogs = (): Promise<string> =>
		cluster.kubectl("logs", "--selector", "app=keepmesh-control", "--tail=2000");

	it("goes on when a replica is taken away", async () => {
		const [first = ""] = (
			await cluster.kubectl("get", "pods", "--selector", "app=keepmesh-control", "--output", "name")
		).split("\n");
		const deleted = cluster.kubectl("delete", first, "--wait=true");
		let isOver = false;
		void deleted.finally(() => {
			isOver = true;
		});
		const failed: string[] = [];
		let count = 0;
		for (; !isOver || count < 20; count++) {
			const { message, status } = await dryRun(`during-${count}`);
			if (status !== 201) failed.push(message);
		}
		await deleted;
		assert.deepEqual(failed, [], `of ${count}`);
	});

	it("gets a new authority when somebody deletes the old one, and API servers hear of it", async () => {
		const before = await bundles();
		await cluster.kubectl("delete", "secret", `keepmesh-webhook-${revision}`);
		await until("there is another", async () =>
			(await bundles()).every((bundle, at) => bundle !== "" && bundle !== before[at]),
		);
		await until("pods are injected", async () => (await dryRun("after")).status === 201);
	});

	it("makes no pod without its proxy while all replicas are down, unless whoever runs the cluster decides so", async () => {
		await cluster.kubectl("scale", "deployment/keepmesh-control", "--replicas=0");
		await until("they are gone", async () => {
			const left = await cluster.kubectl("get", "pods", "--selector", "app=keepmesh-control", "--output", "name");
			return left === "";
		});
		const { message, status } = await dryRun("refused");
		assert.equal(status, 500);
		assert.match(message, /failed calling webhook/);
		const ignore = [0, 1].map((at) => ({ op: "replace", path: `/webhooks/${at}/failurePolicy`, value: "Ignore" }));
		const patch = ["patch", "mutatingwebhookconfiguration", injectorName(), "--type=json", "--patch"];
		await cluster.kubectl(...patch, JSON.stringify(ignore));
		await until("pods are made again", async () => (await dryRun("plain")).status === 201);
		assert.equal(proxyOf((await dryRun("plain")).pod), undefined);
		await cluster.kubectl(...patch, JSON.stringify(ignore.map((one) => ({ ...one, value: "Fail" }))));
		await cluster.kubectl("scale", "deployment/keepmesh-control", "--replicas=1");
		await until("pods are injected", async () => proxyOf((await dryRun("again")).pod) !== undefined, 120_000);
	});
});

/** As the chart installs it, as far as injection needs it. */
function installation(namespace: string, revision: string): readonly object[] {
	const name = "keepmesh-control";
	const labels = { app: name };
	const control = {
		name: "control",
		image: keepmeshImage,
		args: [
			...["control", "--kubernetes", "--id=$(POD_NAME)", "--pod=$(POD_NAME)", `--system-namespace=${namespace}`],
			...[`--service=${name}`, `--revision=${revision}`, "--xds=0.0.0.0:15012", "--advertise=$(POD_IP):15012"],
			...["--api=0.0.0.0:15014", "--data=/var/lib/keepmesh"],
		],
		env: [
			{ name: "POD_NAME", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } },
			{ name: "POD_IP", valueFrom: { fieldRef: { fieldPath: "status.podIP" } } },
		],
		readinessProbe: { httpGet: { path: "/readyz", port: 15_014 }, periodSeconds: 1 },
		volumeMounts: [{ name: "data", mountPath: "/var/lib/keepmesh" }],
	};
	const spec = {
		serviceAccountName: name,
		terminationGracePeriodSeconds: 20,
		containers: [control],
		volumes: [{ name: "data", emptyDir: {} }],
	};
	const clusterWide = `keepmesh-injector-${namespace}`;
	const webhook = (prefix: string, namespaces: readonly object[], pods: readonly object[]) => ({
		name: `${prefix}.sidecar-injector.keepmesh.io`,
		admissionReviewVersions: ["v1"],
		clientConfig: { service: { name, namespace, path: "/inject", port: 443 } },
		rules: [{ apiGroups: [""], apiVersions: ["v1"], operations: ["CREATE"], resources: ["pods"], scope: "Namespaced" }],
		namespaceSelector: { matchExpressions: namespaces },
		objectSelector: { matchExpressions: pods },
		failurePolicy: "Fail",
		sideEffects: "None",
		timeoutSeconds: 10,
	});
	const isRevision = { key: "istio.io/rev", operator: "In", values: [revision] };
	const noRevision = { key: "istio.io/rev", operator: "DoesNotExist" };
	const notRefused = { key: "sidecar.istio.io/inject", operator: "NotIn", values: ["false"] };
	return [
		{ apiVersion: "v1", kind: "ServiceAccount", metadata: { name } },
		{
			apiVersion: "rbac.authorization.k8s.io/v1",
			kind: "ClusterRoleBinding",
			metadata: { name: clusterWide },
			roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "cluster-admin" },
			subjects: [{ kind: "ServiceAccount", name, namespace }],
		},
		{
			apiVersion: "v1",
			kind: "ConfigMap",
			metadata: { name: `keepmesh-injector-${revision}` },
			data: { config: `image: ${keepmeshImage}` },
		},
		{
			apiVersion: "v1",
			kind: "Service",
			metadata: { name },
			spec: { selector: labels, ports: [{ name: "https-webhooks", port: 443, targetPort: 15_017 }] },
		},
		{
			apiVersion: "apps/v1",
			kind: "Deployment",
			metadata: { name },
			spec: { replicas: 2, selector: { matchLabels: labels }, template: { metadata: { labels }, spec } },
		},
		{
			apiVersion: "admissionregistration.k8s.io/v1",
			kind: "MutatingWebhookConfiguration",
			metadata: { name: clusterWide, labels: injectorLabels },
			webhooks: [
				webhook("rev.namespace", [isRevision], [notRefused]),
				webhook("rev.object", [noRevision], [notRefused, isRevision]),
			],
		},
	];
}
