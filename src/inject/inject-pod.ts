// A pod, its namespace and the configuration -> the pod with its proxy, or why it stays as it is, or what is wrong with it. The
// webhook and `keepmesh inject` call this one function.

import { type AppProbe, appProbesVariable, renderAppProbes } from "./app-probe.ts";
import { builtInTemplates, type InjectConfig } from "./inject-config.ts";
import { appMetricsVariable, mergeMetrics } from "./merge-metrics.ts";
import {
	type Container,
	type EnvVar,
	initContainerName,
	type Pod,
	type PodBody,
	proxyContainerName,
} from "./pod-shape.ts";
import { proxySettings } from "./proxy-settings.ts";
import { rewriteProbes } from "./rewrite-probes.ts";
import { shouldInject, statusAnnotation } from "./should-inject.ts";
import { mergeStrategically } from "./strategic-merge.ts";
import { gatewayFragment, type PodFragment, sidecarFragment } from "./templates.ts";

export type Injection =
	| { readonly outcome: "injected"; readonly pod: Pod; readonly warnings: readonly string[] }
	| { readonly outcome: "skipped"; readonly because: string }
	| { readonly outcome: "refused"; readonly problems: readonly string[] };

export function injectPod(pod: Pod, namespace: string, config: InjectConfig): Injection {
	const decision = shouldInject(pod, namespace, config);
	if (!decision.inject) return { outcome: "skipped", because: decision.because };
	const { settings, problems, warnings } = proxySettings(pod, config);
	const names = templatesOf(pod, config);
	const known = [...builtInTemplates, ...Object.keys(config.templates)];
	const missing = names.filter((name) => !known.includes(name));
	const wrong = [
		...problems,
		...missing.map(
			(name) => `annotation inject.istio.io/templates: there is no template ${name}; there are ${known.join(", ")}`,
		),
	];
	if (wrong.length > 0) return { outcome: "refused", problems: wrong };
	const role = names.includes("gateway") ? "router" : "sidecar";
	const { base, wish } = takeWish(pod);
	const input = { pod, namespace, role, settings, config } as const;
	let merged = base;
	for (const name of names) {
		if (name === "sidecar") merged = layOver(merged, sidecarFragment(input));
		else if (name === "gateway") merged = layOver(merged, gatewayFragment(input));
		else merged = layOver(merged, config.templates[name] ?? {});
	}
	// What the pod's author wrote counts for more than any template.
	if (wish) merged = layOver(merged, { spec: { containers: [wish] } });
	merged = { ...merged, metadata: keepOwn(pod, merged) };
	const finished = role === "sidecar" && settings.rewriteProbes ? withProbes(merged) : merged;
	const placed = inOrder(withMetrics(finished, config), settings.hold);
	return { outcome: "injected", pod: withStatus(pod, placed, config), warnings };
}

function templatesOf({ metadata }: Pod, config: InjectConfig): readonly string[] {
	const said = metadata?.annotations?.["inject.istio.io/templates"];
	const names = said?.split(",").map((name) => name.trim()) ?? [];
	return names.some((name) => name !== "") ? names.filter((name) => name !== "") : config.defaultTemplates;
}

/** The container `istio-proxy` that the author wrote, taken out: it says what shall be different, and its image `auto` says nothing. */
function takeWish(pod: Pod): { readonly base: Pod; readonly wish?: Container } {
	const { containers, initContainers } = pod.spec;
	const written = [...containers, ...(initContainers ?? [])].find(({ name }) => name === proxyContainerName);
	if (!written) return { base: pod };
	const others = (list: readonly Container[]) => list.filter(({ name }) => name !== proxyContainerName);
	const spec: PodBody = {
		...pod.spec,
		containers: others(containers),
		...(initContainers ? { initContainers: others(initContainers) } : {}),
	};
	const { image, imagePullPolicy, ...rest } = written;
	const isOpen = image === "auto" || image === undefined;
	// `Always` is what API servers make of an image without a tag.
	const policy = imagePullPolicy === undefined || imagePullPolicy === "Always" ? {} : { imagePullPolicy };
	return { base: { ...pod, spec }, wish: isOpen ? { ...rest, ...policy } : written };
}

/** The proxy is where the pod has it, in whichever list a fragment names it. */
function layOver(pod: Pod, fragment: PodFragment): Pod {
	const spec = fragment.spec as Partial<PodBody> | undefined;
	const isProxy = ({ name }: Container): boolean => name === proxyContainerName;
	const isNative = pod.spec.initContainers?.some(isProxy) ?? false;
	const isPlain = pod.spec.containers.some(isProxy);
	const [from, to] = isNative
		? (["containers", "initContainers"] as const)
		: (["initContainers", "containers"] as const);
	const astray = isNative || isPlain ? (spec?.[from] ?? []).filter(isProxy) : [];
	if (astray.length === 0) return mergeStrategically(pod, fragment);
	const moved = {
		...spec,
		[from]: (spec?.[from] ?? []).filter((container) => !isProxy(container)),
		[to]: [...(spec?.[to] ?? []), ...astray],
	};
	return mergeStrategically(pod, { ...fragment, spec: moved });
}

/** Labels and annotations of the pod's own stay, whatever a template says. */
function keepOwn(pod: Pod, merged: Pod): Pod["metadata"] {
	return {
		...merged.metadata,
		labels: { ...merged.metadata?.labels, ...pod.metadata?.labels },
		annotations: { ...merged.metadata?.annotations, ...pod.metadata?.annotations },
	};
}

function withProbes(pod: Pod): Pod {
	const probes = new Map<string, AppProbe>();
	const rewrite = (container: Container): Container => {
		if (container.name === proxyContainerName) return container;
		const rewritten = rewriteProbes(container);
		for (const [path, probe] of rewritten.probes) probes.set(path, probe);
		return rewritten.container;
	};
	const { containers, initContainers } = pod.spec;
	const spec: PodBody = {
		...pod.spec,
		containers: containers.map(rewrite),
		// Of init containers only native sidecars have probes.
		...(initContainers
			? { initContainers: initContainers.map((one) => (one.restartPolicy === "Always" ? rewrite(one) : one)) }
			: {}),
	};
	const hasProxy = [...containers, ...(initContainers ?? [])].some(({ name }) => name === proxyContainerName);
	if (probes.size === 0 || !hasProxy) return pod;
	return withVariable({ ...pod, spec }, { name: appProbesVariable, value: renderAppProbes(probes) });
}

function withMetrics(pod: Pod, config: InjectConfig): Pod {
	const merged = mergeMetrics(pod.metadata?.annotations ?? {}, config.enablePrometheusMerge);
	if (!merged) return pod;
	const changed = { ...pod, metadata: { ...pod.metadata, annotations: merged.annotations } };
	return merged.variable === undefined
		? changed
		: withVariable(changed, { name: appMetricsVariable, value: merged.variable });
}

function withVariable(pod: Pod, variable: EnvVar): Pod {
	const add = (container: Container): Container =>
		container.name === proxyContainerName ? { ...container, env: [...(container.env ?? []), variable] } : container;
	const { containers, initContainers } = pod.spec;
	return {
		...pod,
		spec: {
			...pod.spec,
			containers: containers.map(add),
			...(initContainers ? { initContainers: initContainers.map(add) } : {}),
		},
	};
}

/** A native sidecar is the first to start; a plain one the first when it holds the others back, else the last. */
function inOrder(pod: Pod, isHolding: boolean): Pod {
	const { containers, initContainers } = pod.spec;
	const split = (list: readonly Container[], name: string) => ({
		named: list.filter((container) => container.name === name),
		others: list.filter((container) => container.name !== name),
	});
	const main = split(containers, proxyContainerName);
	const waiting = split(initContainers ?? [], initContainerName);
	const native = split(waiting.others, proxyContainerName);
	const ordered = [...native.named, ...native.others, ...waiting.named];
	return {
		...pod,
		spec: {
			...pod.spec,
			containers: isHolding ? [...main.named, ...main.others] : [...main.others, ...main.named],
			...(ordered.length > 0 || initContainers ? { initContainers: ordered } : {}),
		},
	};
}

/** What was added, by name: Istio's annotation, by which tools see that a pod is injected, and by which revision. */
function withStatus(before: Pod, after: Pod, config: InjectConfig): Pod {
	const names = (list: unknown): readonly string[] =>
		Array.isArray(list) ? list.map((item: { readonly name: string }) => item.name) : [];
	const added = (field: keyof PodBody): readonly string[] | null => {
		const had = new Set(names(before.spec[field]));
		const come = names(after.spec[field]).filter((name) => !had.has(name));
		return come.length > 0 ? come : null;
	};
	const status = {
		initContainers: added("initContainers"),
		containers: added("containers"),
		volumes: added("volumes"),
		imagePullSecrets: added("imagePullSecrets"),
		revision: config.revision,
	};
	const annotations = {
		...after.metadata?.annotations,
		...config.injectedAnnotations,
		[statusAnnotation]: JSON.stringify(status),
	};
	return { ...after, metadata: { ...after.metadata, annotations } };
}
