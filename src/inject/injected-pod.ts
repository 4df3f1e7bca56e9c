// A pod as the API server has it -> what its proxy is to be, as injection has written it there; undefined for a pod without a
// proxy of Keepmesh's. The pod's node reads it. Whoever may write pods may have changed it: odd values count as absent.

import { parse } from "yaml";
import type { InterceptionMode } from "../hotswitch/redirect-plan.ts";
import { type AppProbes, appProbesVariable, isPort, parseAppProbes } from "./app-probe.ts";
import { appMetricsVariable } from "./merge-metrics.ts";
import { asPod, type Container, isObject, type Pod, proxyContainerName } from "./pod-shape.ts";
import { isThreads } from "./proxy-settings.ts";

export interface InjectedPod {
	readonly proxy: "sidecar" | "router";
	/** Name of the container, and the list that it is in. */
	readonly container: { readonly name: string; readonly list: "initContainers" | "containers" };
	readonly interceptionMode: InterceptionMode;
	readonly revision: string;
	readonly clusterId: string;
	readonly network: string;
	readonly workload: string;
	readonly meshId: string;
	readonly ports: readonly { readonly name?: string; readonly containerPort: number; readonly protocol?: string }[];
	/** proxy.istio.io/config over the mesh's defaultConfig. */
	readonly proxyConfig: Readonly<Record<string, unknown>>;
	/** Threads of Envoy; 0: one for each core. What the configuration says, else the container's CPU limit, else 2. */
	readonly concurrency: number;
	readonly logLevel: string;
	readonly dnsCapture: boolean;
	/** The application's own metrics, as its annotations said before they led to 15020. */
	readonly appMetrics?: { readonly port: number; readonly path: string };
	/** What port 15020 answers for the application, by path. */
	readonly probers: AppProbes;
}

export function readInjectedPod(value: unknown): InjectedPod | undefined {
	const pod = asPod(value);
	const found = pod && findProxy(pod);
	if (!pod || !found) return undefined;
	const { container, list } = found;
	const texts = new Map((container.env ?? []).map(({ name, value: text }) => [name, text]));
	const labels = pod.metadata?.labels ?? {};
	const annotations = pod.metadata?.annotations ?? {};
	const proxyConfig = fieldsOf(texts.get("PROXY_CONFIG"));
	const mode = texts.get("ISTIO_META_INTERCEPTION_MODE");
	const proxy = container.args?.[1] === "router" ? "router" : "sidecar";
	const appMetrics = metricsOf(texts.get(appMetricsVariable));
	return {
		proxy,
		container: { name: proxyContainerName, list },
		interceptionMode:
			proxy === "router" ? "NONE" : ((["TPROXY", "NONE"] as const).find((one) => one === mode) ?? "REDIRECT"),
		revision: annotations["istio.io/rev"] ?? "default",
		clusterId: texts.get("ISTIO_META_CLUSTER_ID") || "Kubernetes",
		network: texts.get("ISTIO_META_NETWORK") ?? labels["topology.istio.io/network"] ?? "",
		workload: texts.get("ISTIO_META_WORKLOAD_NAME") || (pod.metadata?.name ?? ""),
		meshId: texts.get("ISTIO_META_MESH_ID") ?? "",
		ports: portsOf(pod),
		proxyConfig,
		concurrency: concurrencyOf(proxyConfig, container),
		logLevel: texts.get("KEEPMESH_LOG_LEVEL") || "warning",
		dnsCapture: texts.get("ISTIO_META_DNS_CAPTURE") === "true",
		...(appMetrics ? { appMetrics } : {}),
		probers: parseAppProbes(texts.get(appProbesVariable) ?? "{}"),
	};
}

/** Stock Istio's proxy has the same name; ours is started by `proxy` and asks the pod's node, and has no token of its own. */
function findProxy({ spec }: Pod) {
	for (const list of ["initContainers", "containers"] as const) {
		const container = spec[list]?.find(({ name, args, env }) => {
			const isOurs = env?.some((variable) => variable.name === "KEEPMESH_LOG_LEVEL") ?? false;
			return name === proxyContainerName && args?.[0] === "proxy" && isOurs;
		});
		if (container) return { container, list };
	}
	return undefined;
}

function portsOf({ spec }: Pod): InjectedPod["ports"] {
	const apps = [...spec.containers, ...(spec.initContainers ?? []).filter((one) => one.restartPolicy === "Always")];
	return apps
		.filter(({ name }) => name !== proxyContainerName)
		.flatMap(({ ports }) => ports ?? [])
		.filter(({ containerPort }) => isPort(containerPort))
		.map(({ containerPort, name, protocol }) => ({
			containerPort,
			...(name ? { name } : {}),
			...(protocol ? { protocol } : {}),
		}));
}

function fieldsOf(text: string | undefined): Readonly<Record<string, unknown>> {
	if (text === undefined) return {};
	try {
		const value: unknown = parse(text, { maxAliasCount: 20 });
		return isObject(value) ? value : {};
	} catch {
		return {};
	}
}

function concurrencyOf(proxyConfig: Readonly<Record<string, unknown>>, { resources }: Container): number {
	if (isThreads(proxyConfig.concurrency)) return proxyConfig.concurrency;
	const limit = String(resources?.limits?.cpu ?? "");
	const cores = /^\d+(?:\.\d+)?m$/.test(limit) ? Number(limit.slice(0, -1)) / 1000 : Number(limit || Number.NaN);
	return Number.isFinite(cores) && cores > 0 ? Math.min(256, Math.ceil(cores)) : 2;
}

/** Istio's defaults: port 80, path /metrics; only when its `scrape` was not said to be false. */
function metricsOf(text: string | undefined): InjectedPod["appMetrics"] {
	if (text === undefined) return undefined;
	const { path, port, scrape } = fieldsOf(text);
	if (scrape === "false") return undefined;
	const number = Number(port || "80");
	if (!isPort(number)) return undefined;
	const from = typeof path === "string" && path !== "" ? path : "/metrics";
	return { port: number, path: from.startsWith("/") ? from : `/${from}` };
}
