import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { defaultInjectConfig, type InjectConfig } from "./inject-config.ts";
import { injectPod } from "./inject-pod.ts";
import { readInjectedPod } from "./injected-pod.ts";
import type { Container, Pod } from "./pod-shape.ts";

const web: Container = {
	name: "web",
	image: "web:1",
	ports: [{ name: "http", containerPort: 8080 }],
	readinessProbe: { httpGet: { port: "http", path: "/ready" } },
};

interface Given {
	readonly annotations?: Readonly<Record<string, string>>;
	readonly labels?: Readonly<Record<string, string>>;
	readonly containers?: readonly Container[];
	readonly initContainers?: readonly Container[];
	readonly config?: Partial<InjectConfig>;
	readonly spec?: object;
}

function podOf({ annotations = {}, containers = [web], initContainers, labels = {}, spec }: Given): Pod {
	const init = initContainers ? { initContainers } : {};
	return { metadata: { generateName: "web-", labels, annotations }, spec: { containers, ...init, ...spec } };
}

function inject(given: Given = {}) {
	return injectPod(podOf(given), "shop", { ...defaultInjectConfig, ...given.config });
}

function injected(given: Given = {}) {
	const injection = inject(given);
	assert.equal(injection.outcome, "injected", JSON.stringify(injection));
	if (injection.outcome !== "injected") throw new Error("unreachable");
	const { pod, warnings } = injection;
	const all = [...(pod.spec.initContainers ?? []), ...pod.spec.containers];
	const proxy = all.find(({ name }) => name === "istio-proxy");
	assert.ok(proxy);
	const names = (list: readonly Container[] | undefined) => (list ?? []).map(({ name }) => name);
	const env = (name: string) => proxy.env?.find((variable) => variable.name === name)?.value;
	return { pod, warnings, proxy, env, init: names(pod.spec.initContainers), main: names(pod.spec.containers) };
}

function refused(given: Given): string {
	const injection = inject(given);
	assert.equal(injection.outcome, "refused", JSON.stringify(injection));
	return injection.outcome === "refused" ? injection.problems.join("\n") : "";
}

describe("a pod with a proxy", () => {
	it("has it as a native sidecar, the first to start and the last to end", () => {
		const { init, main, proxy } = injected({ initContainers: [{ name: "migrate" }] });
		assert.deepEqual([init, main], [["istio-proxy", "migrate"], ["web"]]);
		assert.equal(proxy.restartPolicy, "Always");
		assert.deepEqual(proxy.args, ["proxy", "sidecar"]);
	});

	it("holds the application back by a hook, which kubelet waits for; by a probe where the redirect may come later", () => {
		const { proxy } = injected();
		assert.deepEqual(proxy.lifecycle?.postStart, { exec: { command: ["keepmesh", "proxy", "wait"] } });
		assert.equal(proxy.startupProbe, undefined);
		const late = injected({ config: { cni: false } }).proxy;
		assert.equal(late.lifecycle?.postStart, undefined);
		assert.deepEqual((late.startupProbe as { readonly httpGet?: unknown }).httpGet, {
			path: "/healthz/ready",
			port: 15_021,
		});
	});

	it("outlives the application until its callers have taken leave", () => {
		const preStop = { exec: { command: ["keepmesh", "proxy", "drain", "inbound"] } };
		assert.deepEqual(injected().proxy.lifecycle?.preStop, preStop);
		assert.deepEqual(injected({ config: { cni: false } }).proxy.lifecycle?.preStop, preStop);
	});

	it("has it as a plain container where the server or the pod wants that, and lets callers go before it ends", () => {
		for (const given of [
			{ config: { nativeSidecars: false } },
			{ annotations: { "sidecar.istio.io/nativeSidecar": "false" } },
		]) {
			const { init, main, proxy } = injected(given);
			assert.deepEqual([init, main], [[], ["istio-proxy", "web"]]);
			assert.deepEqual(proxy.lifecycle?.preStop, { exec: { command: ["keepmesh", "proxy", "drain"] } });
		}
	});

	it("starts a plain one before the others, which wait for it unless somebody says that they need not", () => {
		const config = { nativeSidecars: false };
		const { main, proxy } = injected({ config });
		assert.deepEqual(main, ["istio-proxy", "web"]);
		assert.deepEqual(proxy.lifecycle?.postStart, { exec: { command: ["keepmesh", "proxy", "wait"] } });
		const annotations = { "proxy.istio.io/config": "holdApplicationUntilProxyStarts: false" };
		const loose = injected({ annotations, config });
		assert.deepEqual([loose.main, loose.proxy.lifecycle?.postStart], [["web", "istio-proxy"], undefined]);
	});

	it("waits for the node's redirect in an init container where neither plug-in nor native sidecar does", () => {
		const config = { nativeSidecars: false, cni: false };
		const given = { config, initContainers: [{ name: "migrate" }] };
		assert.deepEqual(injected(given).init, ["migrate", "istio-init"]);
		const annotations = { "sidecar.istio.io/interceptionMode": "NONE" };
		assert.deepEqual(injected({ ...given, annotations }).init, ["migrate"]);
		assert.deepEqual(injected({ ...given, config: { cni: false } }).init, ["istio-proxy", "migrate"]);
	});

	it("gives the proxy no privilege, unless TPROXY needs one", () => {
		const context = injected().proxy.securityContext as Record<string, unknown>;
		assert.deepEqual(
			[context.runAsUser, context.runAsGroup, context.runAsNonRoot, context.readOnlyRootFilesystem],
			[1337, 1337, true, true],
		);
		assert.deepEqual(context.capabilities, { drop: ["ALL"] });
		const annotations = { "sidecar.istio.io/interceptionMode": "TPROXY" };
		const transparent = injected({ annotations }).proxy.securityContext as Record<string, unknown>;
		assert.deepEqual([transparent.runAsUser, transparent.runAsGroup], [0, 1337]);
		assert.deepEqual(transparent.capabilities, { drop: ["ALL"], add: ["NET_ADMIN"] });
	});

	it("is labelled as one of the mesh, under the name that telemetry shows", () => {
		const { labels } = injected({ labels: { app: "shop", version: "v2" } }).pod.metadata ?? {};
		assert.deepEqual(labels, {
			app: "shop",
			version: "v2",
			"security.istio.io/tlsMode": "istio",
			"service.istio.io/canonical-name": "shop",
			"service.istio.io/canonical-revision": "v2",
		});
		const own = { "service.istio.io/canonical-name": "mine", "security.istio.io/tlsMode": "disabled" };
		assert.equal(injected({ labels: own }).pod.metadata?.labels?.["service.istio.io/canonical-name"], "mine");
		assert.equal(injected({ labels: own }).pod.metadata?.labels?.["security.istio.io/tlsMode"], "disabled");
	});

	it("says which revision did it, and what was added", () => {
		const { annotations = {} } =
			injected({ config: { revision: "canary", imagePullSecrets: ["regcred"] } }).pod.metadata ?? {};
		assert.equal(annotations["istio.io/rev"], "canary");
		assert.equal(annotations["kubectl.kubernetes.io/default-container"], "web");
		assert.deepEqual(JSON.parse(annotations["sidecar.istio.io/status"] ?? ""), {
			initContainers: ["istio-proxy"],
			containers: null,
			volumes: ["istio-envoy"],
			imagePullSecrets: ["regcred"],
			revision: "canary",
		});
	});

	it("has its probes at the proxy, and the proxy knows whom to ask", () => {
		const { env, pod } = injected();
		assert.equal(pod.spec.containers[0]?.readinessProbe?.httpGet?.path, "/app-health/web/readyz");
		assert.match(env("ISTIO_KUBE_APP_PROBERS") ?? "", /"path":"\/ready","port":8080/);
		const wishes: readonly [string, string][] = [
			["sidecar.istio.io/rewriteAppHTTPProbers", "false"],
			["status.sidecar.istio.io/port", "0"],
		];
		for (const wish of wishes)
			assert.equal(
				injected({ annotations: Object.fromEntries([wish]) }).pod.spec.containers[0]?.readinessProbe?.httpGet?.port,
				"http",
			);
	});

	it("turns probes of its native sidecars too, but not those of the proxy", () => {
		const log = { ...web, name: "log", restartPolicy: "Always" };
		const { env, proxy } = injected({ initContainers: [log] });
		assert.match(env("ISTIO_KUBE_APP_PROBERS") ?? "", /app-health\/log\/readyz/);
		assert.deepEqual(proxy.readinessProbe?.httpGet, { path: "/healthz/ready", port: 15_021 });
	});

	it("gives the proxy resources by default, or those of its annotations alone", () => {
		assert.deepEqual(injected().proxy.resources, defaultInjectConfig.resources);
		const annotations = { "sidecar.istio.io/proxyCPU": "10m", "sidecar.istio.io/proxyMemoryLimit": "1Gi" };
		assert.deepEqual(injected({ annotations }).proxy.resources, {
			requests: { cpu: "10m" },
			limits: { memory: "1Gi" },
		});
	});

	it("mounts the volumes that annotations ask for, in both forms", () => {
		const annotations = {
			"sidecar.istio.io/userVolume": '{"certs":{"secret":{"secretName":"c"}}}',
			"sidecar.istio.io/userVolumeMount": '[{"name":"certs","mountPath":"/certs","readOnly":true}]',
		};
		const { pod, proxy } = injected({ annotations });
		assert.deepEqual(pod.spec.volumes?.[1], { name: "certs", secret: { secretName: "c" } });
		assert.deepEqual(proxy.volumeMounts?.[1], { name: "certs", mountPath: "/certs", readOnly: true });
	});

	it("takes over what the author wrote into a container istio-proxy, in whichever list", () => {
		const wish: Container = { name: "istio-proxy", image: "auto", resources: { limits: { cpu: "4" } } };
		for (const given of [{ containers: [wish, web] }, { initContainers: [wish] }]) {
			const { init, main, proxy } = injected(given);
			assert.deepEqual([init, main], [["istio-proxy"], ["web"]]);
			assert.equal(proxy.image, defaultInjectConfig.image);
			assert.equal(proxy.resources?.limits?.cpu, "4");
			assert.equal(proxy.resources?.limits?.memory, "1024Mi");
		}
		const other = injected({ containers: [web, { name: "istio-proxy", image: "mine:1" }] });
		assert.equal(other.proxy.image, "mine:1");
	});

	it("may be a gateway, of which the author writes hardly anything", () => {
		const wish: Container = { name: "istio-proxy", image: "auto", ports: [{ containerPort: 8443 }] };
		const annotations = { "inject.istio.io/templates": "gateway" };
		const { init, main, pod, proxy } = injected({ containers: [{ ...wish, imagePullPolicy: "Always" }], annotations });
		assert.deepEqual([init, main], [[], ["istio-proxy"]]);
		// The API server wrote Always, for an image without a tag: it is not what the author wants of ours.
		assert.equal(proxy.imagePullPolicy, "IfNotPresent");
		assert.deepEqual(proxy.args, ["proxy", "router"]);
		assert.deepEqual(
			proxy.ports?.map(({ containerPort }) => containerPort),
			[15_090, 8443],
		);
		assert.equal(pod.metadata?.labels?.["security.istio.io/tlsMode"], undefined);
		assert.deepEqual(pod.spec.securityContext, {
			sysctls: [{ name: "net.ipv4.ip_unprivileged_port_start", value: "0" }],
		});
		assert.ok(proxy.lifecycle?.preStop);
	});

	it("does not pull its image anew for the policy that an API server gives to the image `auto`", () => {
		const wish: Container = { name: "istio-proxy", image: "auto", imagePullPolicy: "Always" };
		assert.equal(injected({ containers: [wish, web] }).proxy.imagePullPolicy, "IfNotPresent");
		const own: Container = { name: "istio-proxy", image: "mine:1", imagePullPolicy: "Always" };
		assert.equal(injected({ containers: [own, web] }).proxy.imagePullPolicy, "Always");
	});

	it("may have templates of the mesh's own, which reach the proxy wherever it is", () => {
		const templates = {
			tuned: {
				metadata: { labels: { tuned: "yes" } },
				spec: { containers: [{ name: "istio-proxy", env: [{ name: "GODEBUG", value: "x" }] }], dnsPolicy: "Default" },
			},
		};
		const given = { annotations: { "inject.istio.io/templates": "sidecar,tuned" }, config: { templates } };
		const { env, init, main, pod } = injected(given);
		assert.deepEqual([init, main], [["istio-proxy"], ["web"]]);
		assert.equal(env("GODEBUG"), "x");
		assert.equal(env("TRUST_DOMAIN"), "cluster.local");
		assert.equal(pod.metadata?.labels?.tuned, "yes");
		assert.equal(pod.spec.dnsPolicy, "Default");
		const byDefault = injected({ config: { templates, defaultTemplates: ["sidecar", "tuned"] } });
		assert.equal(byDefault.env("GODEBUG"), "x");
	});

	it("stays as it is when it is injected a second time", () => {
		const { pod } = injected();
		assert.deepEqual(injectPod(pod, "shop", defaultInjectConfig), {
			outcome: "skipped",
			because: "it is injected already",
		});
	});

	it("is not made of annotations that cannot be meant so; all of them are told at once", () => {
		const problems = refused({
			annotations: {
				"sidecar.istio.io/interceptionMode": "MAGIC",
				"sidecar.istio.io/proxyCPU": "lots",
				"traffic.sidecar.istio.io/excludeInboundPorts": "80,http",
				"proxy.istio.io/config": "concurrency: many",
				"sidecar.istio.io/userVolume": "{",
				"inject.istio.io/templates": "sidecar,grpc-agent",
				"sidecar.istio.io/nativeSidecar": "maybe",
			},
		});
		assert.equal(problems.split("\n").length, 7);
		assert.match(problems, /interceptionMode: "MAGIC" is none of REDIRECT, TPROXY, NONE/);
		assert.match(problems, /excludeInboundPorts: "http" is not a port/);
		assert.match(problems, /there is no template grpc-agent; there are sidecar, gateway/);
	});

	it("warns of what will not do what its author expects", () => {
		const { warnings } = injected({
			annotations: { "sidecar.istio.io/bootstrapOverride": "x", "status.sidecar.istio.io/port": "15999" },
			containers: [{ ...web, securityContext: { runAsUser: 1337 } }],
		});
		assert.equal(warnings.length, 3);
		assert.match(warnings.join("\n"), /web runs as user 1337/);
	});

	it("warns that names are the cluster's, whether the pod or the mesh's configuration asks for more", () => {
		const proxyConfig = { proxyMetadata: { ISTIO_META_DNS_CAPTURE: "true" } };
		const annotations = { "proxy.istio.io/config": "proxyMetadata: {ISTIO_META_DNS_CAPTURE: true}" };
		for (const given of [{ config: { proxyConfig } }, { annotations }])
			assert.match(injected(given).warnings.join("\n"), /DNS_CAPTURE has no effect on Kubernetes/);
		assert.deepEqual(injected().warnings, []);
	});

	it("changes nothing of what it was given", () => {
		const pod = podOf({ annotations: { "prometheus.io/port": "9" } });
		const before = JSON.stringify(pod);
		injectPod(pod, "shop", defaultInjectConfig);
		assert.equal(JSON.stringify(pod), before);
	});
});

describe("what the pod's node reads of it", () => {
	it("is what injection wrote", () => {
		const annotations = {
			"prometheus.io/port": "9090",
			"proxy.istio.io/config": "proxyMetadata: {ISTIO_META_DNS_CAPTURE: 'true'}\ndrainDuration: 20s",
			"sidecar.istio.io/logLevel": "debug",
			"sidecar.istio.io/proxyCPULimit": "2500m",
		};
		const { pod } = injected({ annotations, config: { revision: "r2", network: "net-a", clusterId: "east" } });
		const { probers, ...read } = readInjectedPod(pod) ?? assert.fail("it is injected");
		assert.deepEqual(read, {
			proxy: "sidecar",
			container: { name: "istio-proxy", list: "initContainers" },
			interceptionMode: "REDIRECT",
			revision: "r2",
			clusterId: "east",
			network: "net-a",
			workload: "web",
			meshId: "cluster.local",
			ports: [{ containerPort: 8080, name: "http" }],
			proxyConfig: { proxyMetadata: { ISTIO_META_DNS_CAPTURE: "true" }, drainDuration: "20s" },
			concurrency: 3,
			logLevel: "debug",
			dnsCapture: true,
			appMetrics: { port: 9090, path: "/metrics" },
		});
		assert.deepEqual([...probers.keys()], ["/app-health/web/readyz"]);
	});

	it("takes the mesh's configuration with the pod's over it", () => {
		const config = { proxyConfig: { concurrency: 4, proxyMetadata: { A: "1", B: "1" } } };
		const annotations = { "proxy.istio.io/config": "proxyMetadata: {B: '2'}" };
		const { env, pod } = injected({ config, annotations });
		assert.deepEqual([env("A"), env("B")], ["1", "2"]);
		assert.equal(readInjectedPod(pod)?.concurrency, 4);
	});

	it("knows a gateway, whose traffic nobody redirects", () => {
		const annotations = { "inject.istio.io/templates": "gateway" };
		const { pod } = injected({ containers: [{ name: "istio-proxy", image: "auto" }], annotations });
		const read = readInjectedPod(pod);
		assert.deepEqual([read?.proxy, read?.interceptionMode, read?.container.list], ["router", "NONE", "containers"]);
	});

	it("is nothing for pods without a proxy, or with one of stock Istio's", () => {
		assert.equal(readInjectedPod(podOf({})), undefined);
		assert.equal(readInjectedPod({ spec: {} }), undefined);
		const theirs: Container = { name: "istio-proxy", image: "proxyv2", args: ["proxy", "sidecar", "--domain", "x"] };
		assert.equal(readInjectedPod(podOf({ containers: [web, theirs] })), undefined);
	});

	it("survives texts that somebody changed", () => {
		const { pod } = injected();
		const break_ = (container: Container): Container => ({
			...container,
			env: (container.env ?? []).map((variable) =>
				variable.value === undefined ? variable : { ...variable, value: "{[" },
			),
		});
		const broken = { ...pod, spec: { ...pod.spec, initContainers: pod.spec.initContainers?.map(break_) } };
		const read = readInjectedPod(broken);
		assert.deepEqual([read?.proxyConfig, read?.concurrency, read?.probers.size], [{}, 2, 0]);
	});
});
