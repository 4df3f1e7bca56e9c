// What a pod's annotations and the configuration together say about its proxy. All that is wrong with the annotations comes back
// at once; what they ask for and does nothing here, as warnings. Names: https://istio.io/latest/docs/reference/config/annotations/

import { parse } from "yaml";
import { type InterceptionMode, planRedirect } from "../hotswitch/redirect-plan.ts";
import type { InjectConfig } from "./inject-config.ts";
import { isObject, type Pod, proxyContainerName } from "./pod-shape.ts";
import { parseUserVolumes } from "./user-volumes.ts";

export type NamedFields = Readonly<Record<string, unknown>>;

export interface ProxySettings {
	readonly interceptionMode: InterceptionMode;
	readonly native: boolean;
	/** Of a plain sidecar: the other containers start after it is ready. */
	readonly hold: boolean;
	readonly image: string;
	readonly resources: NamedFields;
	readonly logLevel: string;
	/** The mesh's with the pod's over it. */
	readonly proxyConfig: NamedFields;
	readonly rewriteProbes: boolean;
	readonly readiness: {
		readonly initialDelaySeconds: number;
		readonly periodSeconds: number;
		readonly failureThreshold: number;
	};
	readonly volumes: readonly NamedFields[];
	readonly volumeMounts: readonly NamedFields[];
}

export interface SettingsResult {
	readonly settings: ProxySettings;
	readonly problems: readonly string[];
	readonly warnings: readonly string[];
}

const own = "sidecar.istio.io/";
/** Uid of Envoy: what another container does under it is not redirected. */
export const proxyUid = 1337;

const logLevels = ["trace", "debug", "info", "warning", "error", "critical", "off"];
const withoutEffect = ["bootstrapOverride", "componentLogLevel", "statsInclusionPrefixes", "statsInclusionRegexps"]
	.concat("statsInclusionSuffixes", "extraStatTags", "statsHistogramBuckets", "agentLogLevel", "enableCoreDump")
	.concat("statsCompression", "discoveryAddress", "controlPlaneAuthPolicy")
	.map((name) => `${own}${name}`);

export function proxySettings(pod: Pod, config: InjectConfig): SettingsResult {
	const annotations = pod.metadata?.annotations ?? {};
	const problems: string[] = [];
	const wrong = (annotation: string, message: string): void => {
		problems.push(`annotation ${annotation}: ${message}`);
	};
	const flag = (name: string, fallback: boolean): boolean => {
		const value = annotations[name];
		if (value === undefined) return fallback;
		if (/^(?:true|t|1)$/i.test(value)) return true;
		if (!/^(?:false|f|0)$/i.test(value)) wrong(name, `"${value}" is neither "true" nor "false"`);
		return false;
	};
	const count = (name: string, fallback: number): number => {
		const value = annotations[name];
		if (value === undefined) return fallback;
		if (/^\d{1,6}$/.test(value)) return Number(value);
		wrong(name, `"${value}" is not a number of seconds or times`);
		return fallback;
	};
	const choice = <T extends string>(name: string, fallback: T, allowed: readonly string[]): T => {
		const value = annotations[name];
		if (value === undefined) return fallback;
		if (allowed.includes(value)) return value as T;
		wrong(name, `"${value}" is none of ${allowed.join(", ")}`);
		return fallback;
	};
	const proxyConfig = mergeProxyConfig(config.proxyConfig, annotations["proxy.istio.io/config"], wrong);
	const configured = proxyConfig.interceptionMode;
	const modes = ["REDIRECT", "TPROXY", "NONE"];
	const mode = modes.find((one) => one === configured) ?? "REDIRECT";
	const interceptionMode = choice<InterceptionMode>(`${own}interceptionMode`, mode as InterceptionMode, modes);
	const { problems: wrongRules } = planRedirect({ owner: "", mode: interceptionMode, ips: [], annotations });
	for (const { annotation, hint, message } of wrongRules) wrong(annotation, `${message}; write ${hint}`);
	const volumes = parseUserVolumes(annotations[`${own}userVolume`], "name", (message) =>
		wrong(`${own}userVolume`, message),
	);
	const volumeMounts = parseUserVolumes(annotations[`${own}userVolumeMount`], "name", (message) =>
		wrong(`${own}userVolumeMount`, message),
	);
	const readiness = "readiness.status.sidecar.istio.io/";
	const settings: ProxySettings = {
		interceptionMode,
		native: flag(`${own}nativeSidecar`, config.nativeSidecars),
		hold:
			typeof proxyConfig.holdApplicationUntilProxyStarts === "boolean"
				? proxyConfig.holdApplicationUntilProxyStarts
				: config.holdApplicationUntilProxyStarts,
		image: annotations[`${own}proxyImage`] || imageOf(proxyConfig) || config.image,
		resources: resourcesOf(annotations, config, wrong),
		logLevel: choice(`${own}logLevel`, config.logLevel, logLevels),
		proxyConfig,
		rewriteProbes:
			annotations["status.sidecar.istio.io/port"] !== "0" &&
			flag(`${own}rewriteAppHTTPProbers`, config.rewriteAppHTTPProbe),
		readiness: {
			initialDelaySeconds: count(`${readiness}initialDelaySeconds`, 0),
			periodSeconds: Math.max(1, count(`${readiness}periodSeconds`, 15)),
			failureThreshold: Math.max(1, count(`${readiness}failureThreshold`, 4)),
		},
		volumes,
		volumeMounts,
	};
	return { settings, problems, warnings: [...warningsOf(pod), ...dnsWarnings(proxyConfig)] };
}

function imageOf(proxyConfig: NamedFields): string | undefined {
	const { image } = proxyConfig;
	return typeof image === "string" ? image : undefined;
}

type Wrong = (annotation: string, message: string) => void;

/** Field by field; maps such as proxyMetadata are merged, as Istio does. */
function mergeProxyConfig(base: NamedFields, text: string | undefined, wrong: Wrong): NamedFields {
	if (text === undefined || text.trim() === "") return base;
	let value: unknown;
	try {
		value = parse(text, { maxAliasCount: 20 });
	} catch (error) {
		wrong(
			"proxy.istio.io/config",
			`it is no YAML: ${error instanceof Error ? error.message.split("\n")[0] : "unreadable"}`,
		);
		return base;
	}
	if (!isObject(value)) {
		wrong("proxy.istio.io/config", "it is not a map of ProxyConfig's fields, like concurrency: 2");
		return base;
	}
	const { concurrency } = value;
	if (concurrency !== undefined && concurrency !== null && !isThreads(concurrency))
		wrong("proxy.istio.io/config", `concurrency ${JSON.stringify(concurrency)} is not a number from 0 to 256`);
	const merged = Object.entries(value).map(([field, item]): [string, unknown] => {
		const before = base[field];
		return [field, isObject(item) && isObject(before) ? { ...before, ...item } : item];
	});
	return { ...base, ...Object.fromEntries(merged) };
}

export function isThreads(value: unknown): value is number {
	return typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= 256;
}

/** A pod that says anything about them says all: none of the configuration's then count. */
function resourcesOf(annotations: Readonly<Record<string, string>>, config: InjectConfig, wrong: Wrong): NamedFields {
	const quantity = (name: string): string | undefined => {
		const value = annotations[`${own}${name}`];
		if (value === undefined) return undefined;
		if (/^\d+(?:\.\d+)?(?:m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei|[eE]\d+)?$/.test(value)) return value;
		wrong(`${own}${name}`, `"${value}" is not a quantity, such as 100m or 128Mi`);
		return undefined;
	};
	const pair = (cpu: string | undefined, memory: string | undefined) => ({
		...(cpu === undefined ? {} : { cpu }),
		...(memory === undefined ? {} : { memory }),
	});
	const requests = pair(quantity("proxyCPU"), quantity("proxyMemory"));
	const limits = pair(quantity("proxyCPULimit"), quantity("proxyMemoryLimit"));
	if (Object.keys(requests).length + Object.keys(limits).length === 0) return { ...config.resources };
	return {
		...(Object.keys(requests).length > 0 ? { requests } : {}),
		...(Object.keys(limits).length > 0 ? { limits } : {}),
	};
}

/** The node's DNS server would end with its agent, and names must be found while that is replaced. */
function dnsWarnings({ proxyMetadata }: NamedFields): readonly string[] {
	const isWanted = isObject(proxyMetadata) && String(proxyMetadata.ISTIO_META_DNS_CAPTURE) === "true";
	return isWanted
		? [
				"ISTIO_META_DNS_CAPTURE has no effect on Kubernetes: the cluster's DNS is asked; a host that only a ServiceEntry names must be known there",
			]
		: [];
}

function warningsOf({ metadata, spec }: Pod): readonly string[] {
	const annotations = metadata?.annotations ?? {};
	const unused = withoutEffect.filter((name) => annotations[name] !== undefined);
	const statusPort = annotations["status.sidecar.istio.io/port"];
	const ownUser = spec.containers.filter(
		({ name, securityContext }) =>
			name !== proxyContainerName && isObject(securityContext) && securityContext.runAsUser === proxyUid,
	);
	return [
		...unused.map((name) => `annotation ${name} has no effect in Keepmesh`),
		...(statusPort === undefined || statusPort === "0" || statusPort === "15020"
			? []
			: ["annotation status.sidecar.istio.io/port: the port is 15020, whatever it says"]),
		...ownUser.map(
			({ name }) => `container ${name} runs as user ${proxyUid}, the proxy's: nothing that it sends is redirected`,
		),
	];
}
