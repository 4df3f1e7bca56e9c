// The body of POST /v1/pods: a pod whose network the node agent shall put behind an Envoy. In: parsed JSON. Out: a PodSpec
// with every default filled in, or all problems at once.

import { ipFamilyOf } from "../../hotswitch/ip-text.ts";
import type { InterceptionMode } from "../../hotswitch/redirect-plan.ts";

export interface PodPort {
	readonly name?: string;
	readonly containerPort: number;
	readonly protocol?: string;
}

export interface PodSpec {
	readonly name: string;
	readonly namespace: string;
	/** Names the pod's files and sockets: letters, digits, `.`, `_` and `-`. */
	readonly uid: string;
	/** At least one; the first is the pod's main address. */
	readonly ips: readonly string[];
	/** `/run/netns/NAME`, or `/proc/PID/ns/net`. */
	readonly netns: string;
	readonly labels: Readonly<Record<string, string>>;
	readonly annotations: Readonly<Record<string, string>>;
	readonly serviceAccount: string;
	readonly ports: readonly PodPort[];
	readonly proxy: "sidecar" | "router";
	/** Default TPROXY for sidecars, NONE for routers; the annotation sidecar.istio.io/interceptionMode overrules it. */
	readonly interceptionMode: InterceptionMode;
	/** Worker threads of Envoy; default 2. */
	readonly concurrency: number;
	readonly workload: string;
	readonly clusterId: string;
	readonly network: string;
	readonly locality: { readonly region: string; readonly zone: string; readonly subzone: string };
	/** Send the pod's DNS queries to the node's DNS server, whatever its resolv.conf says. Default false. */
	readonly dnsCapture: boolean;
	/** Present when its Envoy runs in a container of its own, which somebody else starts. */
	readonly container?: ProxyContainer;
}

export interface ProxyContainer {
	/** Envoy's. Default `warning`. */
	readonly logLevel?: string;
	/** The application's own metrics; its annotations lead to 15020. */
	readonly appMetrics?: { readonly port: number; readonly path: string };
	/** Probes of the application that 15020 answers, as ISTIO_KUBE_APP_PROBERS has them. */
	readonly probes?: string;
}

export interface RequestProblem {
	readonly path: string;
	readonly message: string;
	readonly hint: string;
}

export type ParsedPod =
	| { readonly ok: true; readonly pod: PodSpec }
	| { readonly ok: false; readonly problems: readonly RequestProblem[] };

type Json = Readonly<Record<string, unknown>>;

export function parsePodSpec(body: unknown): ParsedPod {
	if (!isObject(body))
		return { ok: false, problems: [{ path: "", message: "the body is not a JSON object", hint: "send one pod" }] };
	const problems: RequestProblem[] = [];
	const wrong = (path: string, message: string, hint: string): void => {
		problems.push({ path, message, hint });
	};
	const text = (key: string, fallback?: string): string => {
		const value = body[key];
		if (typeof value === "string" && value !== "") return value;
		if (value === undefined && fallback !== undefined) return fallback;
		wrong(key, value === undefined ? "is missing" : "is not a text", `"${key}": "..."`);
		return "";
	};
	const texts = (key: string): Readonly<Record<string, string>> => {
		const value = body[key] ?? {};
		if (isObject(value) && Object.values(value).every((item) => typeof item === "string"))
			return value as Readonly<Record<string, string>>;
		wrong(key, "is not an object of texts", `"${key}": {"app": "reviews"}`);
		return {};
	};
	const oneOf = <T extends string>(key: string, value: unknown, allowed: readonly T[], fallback: T): T => {
		if (value === undefined) return fallback;
		const found = allowed.find((item) => item === value);
		if (found === undefined) wrong(key, `${JSON.stringify(value)} is not known`, `one of ${allowed.join(", ")}`);
		return found ?? fallback;
	};

	const annotations = texts("annotations");
	const labels = texts("labels");
	const name = text("name");
	const namespace = text("namespace", "default");
	for (const [key, value] of [
		["name", name],
		["namespace", namespace],
	] as const)
		if (value !== "" && !/^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/.test(value))
			wrong(key, `"${value}" is not a name`, "lower-case letters, digits, . and -");
	const uid = text("uid", `${namespace}.${name}`);
	if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/.test(uid))
		wrong("uid", `"${uid}" cannot be a file name`, "letters, digits, ., _ and -, at most 128");
	const netns = text("netns");
	if (netns !== "" && !netns.startsWith("/")) wrong("netns", `"${netns}" is not a full path`, "/run/netns/NAME");
	const ips = addressesOf(body, wrong);
	const proxy = oneOf("proxy", body.proxy, ["sidecar", "router"], "sidecar");
	const interceptionMode = oneOf(
		"interceptionMode",
		annotations["sidecar.istio.io/interceptionMode"] ?? body.interceptionMode,
		["TPROXY", "REDIRECT", "NONE"],
		proxy === "router" ? "NONE" : "TPROXY",
	);
	const pod: PodSpec = {
		name,
		namespace,
		uid,
		ips,
		netns,
		labels,
		annotations,
		serviceAccount: text("serviceAccount", "default"),
		ports: portsOf(body.ports, wrong),
		proxy,
		interceptionMode,
		concurrency: concurrencyOf(body.concurrency, annotations, wrong),
		workload: text("workload", workloadOf(name)),
		clusterId: text("clusterId", "Kubernetes"),
		network: typeof body.network === "string" ? body.network : (labels["topology.istio.io/network"] ?? ""),
		locality: localityOf(body.locality),
		dnsCapture: body.dnsCapture === true,
		...(isObject(body.container) ? { container: body.container as ProxyContainer } : {}),
	};
	return problems.length > 0 ? { ok: false, problems } : { ok: true, pod };
}

type Report = (path: string, message: string, hint: string) => void;

function addressesOf(body: Json, wrong: Report): readonly string[] {
	const given = body.ips ?? (body.ip === undefined ? [] : [body.ip]);
	const ips = Array.isArray(given) ? given : [given];
	if (ips.length === 0) wrong("ips", "is missing", '"ips": ["10.1.0.5"]');
	ips.forEach((ip, index) => {
		if (typeof ip !== "string" || ipFamilyOf(ip) === undefined)
			wrong(`ips[${index}]`, `${JSON.stringify(ip)} is not an IP address`, "10.1.0.5 or fd00::5");
	});
	return ips.filter((ip) => typeof ip === "string");
}

function portsOf(value: unknown, wrong: Report): readonly PodPort[] {
	if (value === undefined) return [];
	if (!Array.isArray(value)) {
		wrong("ports", "is not a list", '"ports": [{"name": "http", "containerPort": 9080}]');
		return [];
	}
	return value.flatMap((item: unknown, index): readonly PodPort[] => {
		const port = isObject(item) ? item.containerPort : undefined;
		if (!isObject(item) || typeof port !== "number" || !Number.isInteger(port) || port < 1 || port > 65_535) {
			wrong(`ports[${index}].containerPort`, `${JSON.stringify(port)} is not a port`, "a number from 1 to 65535");
			return [];
		}
		return [
			{
				containerPort: port,
				...(typeof item.name === "string" ? { name: item.name } : {}),
				...(typeof item.protocol === "string" ? { protocol: item.protocol } : {}),
			},
		];
	});
}

/** Istio's proxy.istio.io/config is YAML; of it only the line `concurrency: N` matters here. */
function concurrencyOf(value: unknown, annotations: Readonly<Record<string, string>>, wrong: Report): number {
	const fromAnnotation = annotations["proxy.istio.io/config"]?.match(/(?:^|[\s,{"])concurrency"?:\s*(\d+)/)?.[1];
	const chosen = fromAnnotation === undefined ? (value ?? 2) : Number(fromAnnotation);
	if (typeof chosen === "number" && Number.isInteger(chosen) && chosen >= 0 && chosen <= 256) return chosen;
	wrong("concurrency", `${JSON.stringify(chosen)} is not a number of threads`, "0 (one for each core) to 256");
	return 2;
}

/** `reviews-v1-6d5f8c9b7-x2k4p` -> `reviews-v1`: Kubernetes' names for pods of a Deployment. */
function workloadOf(podName: string): string {
	return podName.replace(/-[a-z0-9]{6,10}-[a-z0-9]{5}$/, "");
}

function localityOf(value: unknown): PodSpec["locality"] {
	const given: Json = isObject(value) ? value : {};
	const part = (key: string): string => (typeof given[key] === "string" ? given[key] : "");
	return { region: part("region"), zone: part("zone"), subzone: part("subzone") };
}

function isObject(value: unknown): value is Json {
	return typeof value === "object" && value !== null && !Array.isArray(value);
}
