// What all injections of one control plane share. In: the parsed YAML of the ConfigMap's `config`; the names are those of Istio's
// injector configuration where it has them. Out: an InjectConfig with every default filled in, or all that is wrong with it.

import { isObject } from "./pod-shape.ts";

export interface LabelSelector {
	readonly matchLabels?: Readonly<Record<string, string>>;
	readonly matchExpressions?: readonly {
		readonly key: string;
		readonly operator: "In" | "NotIn" | "Exists" | "DoesNotExist";
		readonly values?: readonly string[];
	}[];
}

export interface InjectConfig {
	/** `istio.io/rev` of this control plane. Default `default`. */
	readonly revision: string;
	/** `enabled`: pods that do not say otherwise are injected when they are asked about; `disabled`: only those that ask for it. */
	readonly policy: "enabled" | "disabled";
	/** Never and always, of pods that do not say for themselves; the first wins. */
	readonly neverInjectSelector: readonly LabelSelector[];
	readonly alwaysInjectSelector: readonly LabelSelector[];
	/** Of the proxy's container: Keepmesh's own image. */
	readonly image: string;
	readonly imagePullPolicy: "IfNotPresent" | "Always" | "Never";
	readonly imagePullSecrets: readonly string[];
	readonly resources: { readonly requests?: object; readonly limits?: object };
	/** Kubernetes since 1.29 has native sidecars; before it the proxy is a plain container. Default true. */
	readonly nativeSidecars: boolean;
	/** The chained CNI plug-in sets the redirect. Without it, plain sidecars get the container `istio-init`, which waits for the node. */
	readonly cni: boolean;
	/** Of plain sidecars; native ones always hold the application. Default true, unlike Istio's. */
	readonly holdApplicationUntilProxyStarts: boolean;
	readonly rewriteAppHTTPProbe: boolean;
	readonly enablePrometheusMerge: boolean;
	/** The mesh's defaultConfig, Istio's ProxyConfig: concurrency, drainDuration, proxyMetadata, interceptionMode ... */
	readonly proxyConfig: Readonly<Record<string, unknown>>;
	/** Envoy's, default `warning`. */
	readonly logLevel: string;
	readonly clusterId: string;
	/** Empty: none. */
	readonly network: string;
	readonly meshId: string;
	readonly trustDomain: string;
	/** Of pods that name none, by `inject.istio.io/templates`. Default `[sidecar]`. */
	readonly defaultTemplates: readonly string[];
	/** Own templates: fragments of pods that are laid over the pod by strategic merge. */
	readonly templates: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
	/** Put onto every injected pod. */
	readonly injectedAnnotations: Readonly<Record<string, string>>;
}

export const defaultInjectConfig: InjectConfig = {
	revision: "default",
	policy: "enabled",
	neverInjectSelector: [],
	alwaysInjectSelector: [],
	image: "keepmesh.io/keepmesh:0.1.0",
	imagePullPolicy: "IfNotPresent",
	imagePullSecrets: [],
	resources: { requests: { cpu: "100m", memory: "128Mi" }, limits: { cpu: "2000m", memory: "1024Mi" } },
	nativeSidecars: true,
	cni: true,
	holdApplicationUntilProxyStarts: true,
	rewriteAppHTTPProbe: true,
	enablePrometheusMerge: true,
	proxyConfig: {},
	logLevel: "warning",
	clusterId: "Kubernetes",
	network: "",
	meshId: "cluster.local",
	trustDomain: "cluster.local",
	defaultTemplates: ["sidecar"],
	templates: {},
	injectedAnnotations: {},
};

export const builtInTemplates = ["sidecar", "gateway"] as const;

export type ParsedInjectConfig =
	| { readonly ok: true; readonly config: InjectConfig }
	| { readonly ok: false; readonly problems: readonly string[] };

type Check = (value: unknown) => string | undefined;

/** Unknown fields are a problem: a misspelt one would otherwise do nothing, silently. `base` has what is not said. */
export function parseInjectConfig(value: unknown, base: InjectConfig = defaultInjectConfig): ParsedInjectConfig {
	if (value === undefined || value === null) return { ok: true, config: base };
	if (!isObject(value)) return { ok: false, problems: ["the injection configuration is not a map of fields"] };
	const problems: string[] = [];
	for (const [field, given] of Object.entries(value)) {
		if (!Object.hasOwn(checks, field)) {
			problems.push(`${field}: no such field; there are ${Object.keys(checks).join(", ")}`);
			continue;
		}
		const wrong = checks[field as keyof InjectConfig](given);
		if (wrong !== undefined) problems.push(`${field}: ${wrong}`);
	}
	if (problems.length > 0) return { ok: false, problems };
	const config = { ...base, ...(value as Partial<InjectConfig>) };
	const known = [...builtInTemplates, ...Object.keys(config.templates)];
	const missing = config.defaultTemplates.filter((name) => !known.includes(name));
	if (missing.length === 0) return { ok: true, config };
	return {
		ok: false,
		problems: [`defaultTemplates: there is no template ${missing.join(", ")}; there are ${known.join(", ")}`],
	};
}

const isText: Check = (value) => (typeof value === "string" ? undefined : `${show(value)} is not a text`);
const isFilled: Check = (value) =>
	typeof value === "string" && value !== "" ? undefined : `${show(value)} is not a text`;
const isBoolean: Check = (value) =>
	typeof value === "boolean" ? undefined : `${show(value)} is neither true nor false`;
const isFields: Check = (value) => (isObject(value) ? undefined : `${show(value)} is not a map`);
const isTexts: Check = (value) =>
	Array.isArray(value) && value.every((item) => typeof item === "string")
		? undefined
		: `${show(value)} is not a list of texts`;
const isTextMap: Check = (value) =>
	isObject(value) && Object.values(value).every((item) => typeof item === "string")
		? undefined
		: `${show(value)} is not a map of texts`;
const isSelectors: Check = (value) =>
	Array.isArray(value) && value.every(isSelector) ? undefined : `${show(value)} is not a list of label selectors`;
const isFragments: Check = (value) => {
	if (!isObject(value)) return `${show(value)} is not a map of templates`;
	const odd = Object.entries(value).find(([, fragment]) => !isObject(fragment));
	if (odd) return `template ${odd[0]} is not a fragment of a pod: metadata, spec`;
	const taken = builtInTemplates.find((name) => Object.hasOwn(value, name));
	return taken === undefined ? undefined : `${taken} is a template of Keepmesh's own; give yours another name`;
};
const oneOf =
	(...allowed: readonly string[]): Check =>
	(value) =>
		allowed.includes(value as string) ? undefined : `${show(value)} is none of ${allowed.join(", ")}`;

const checks: Readonly<Record<keyof InjectConfig, Check>> = {
	revision: isFilled,
	policy: oneOf("enabled", "disabled"),
	neverInjectSelector: isSelectors,
	alwaysInjectSelector: isSelectors,
	image: isFilled,
	imagePullPolicy: oneOf("IfNotPresent", "Always", "Never"),
	imagePullSecrets: isTexts,
	resources: isFields,
	nativeSidecars: isBoolean,
	cni: isBoolean,
	holdApplicationUntilProxyStarts: isBoolean,
	rewriteAppHTTPProbe: isBoolean,
	enablePrometheusMerge: isBoolean,
	proxyConfig: isFields,
	logLevel: oneOf("trace", "debug", "info", "warning", "error", "critical", "off"),
	clusterId: isFilled,
	network: isText,
	meshId: isText,
	trustDomain: isFilled,
	defaultTemplates: isTexts,
	templates: isFragments,
	injectedAnnotations: isTextMap,
};

function isSelector(value: unknown): boolean {
	if (!isObject(value) || Object.keys(value).some((key) => key !== "matchLabels" && key !== "matchExpressions"))
		return false;
	const { matchLabels = {}, matchExpressions = [] } = value;
	return (
		isTextMap(matchLabels) === undefined &&
		Array.isArray(matchExpressions) &&
		matchExpressions.every(
			(one) =>
				isObject(one) &&
				isFilled(one.key) === undefined &&
				oneOf("In", "NotIn", "Exists", "DoesNotExist")(one.operator) === undefined &&
				(one.values === undefined || isTexts(one.values) === undefined),
		)
	);
}

function show(value: unknown): string {
	return (JSON.stringify(value) ?? String(value)).slice(0, 80);
}
