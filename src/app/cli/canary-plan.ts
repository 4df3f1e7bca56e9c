// Service, weights and the resources there are -> the VirtualService and DestinationRule that split its traffic. Pure.

import type { Manifest } from "../api/api-types.ts";

export interface VersionWeight {
	readonly version: string;
	readonly weight: number;
}

export interface CanaryTarget {
	readonly service: string;
	readonly namespace: string;
	/** `cluster.local` */
	readonly domain: string;
}

export type ParsedWeights =
	| { readonly ok: true; readonly weights: readonly VersionWeight[] }
	| { readonly ok: false; readonly because: string };

/** `["v1=90", "v2=10"]` */
export function parseWeights(texts: readonly string[]): ParsedWeights {
	const weights: VersionWeight[] = [];
	for (const text of texts) {
		const match = /^([A-Za-z0-9][\w.-]*)=(\d+)%?$/.exec(text);
		if (!match?.[1]) return { ok: false, because: `"${text}" is not VERSION=WEIGHT` };
		if (weights.some((weight) => weight.version === match[1])) {
			return { ok: false, because: `${match[1]} is given twice` };
		}
		weights.push({ version: match[1], weight: Number(match[2]) });
	}
	const sum = weights.reduce((total, { weight }) => total + weight, 0);
	if (sum !== 100) return { ok: false, because: `the weights add up to ${sum}, not to 100` };
	return { ok: true, weights };
}

/**
 * Versions that are to get traffic and that no workload of the service has: their share would be lost. Nothing when the
 * service has no workloads at all, as before its first start.
 */
export function versionsNobodyHas(
	service: Manifest,
	weights: readonly VersionWeight[],
	added: readonly string[],
	workloads: readonly Manifest[],
): readonly string[] {
	const selector = Object.entries((specOf(service).selector ?? {}) as Readonly<Record<string, string>>);
	if (selector.length === 0) return [];
	const labels = workloads.map((one) => one.metadata.labels ?? {});
	const own = labels.filter((one) => selector.every(([key, value]) => one[key] === value));
	if (own.length === 0) return [];
	return weights
		.filter(
			({ version, weight }) => weight > 0 && added.includes(version) && !own.some((one) => one.version === version),
		)
		.map(({ version }) => version);
}

export interface CanaryPlan {
	readonly virtualService: Manifest;
	readonly destinationRule: Manifest;
	readonly destinationRuleChanged: boolean;
	/** Subsets that there were not, by the label `version`. */
	readonly addedVersions: readonly string[];
}

interface Route {
	readonly match?: unknown;
	readonly [field: string]: unknown;
}

/** Only the route without a match changes: what headers or paths decide stays as it is. */
export function planCanary(
	target: CanaryTarget,
	weights: readonly VersionWeight[],
	virtualServices: readonly Manifest[],
	destinationRules: readonly Manifest[],
): CanaryPlan {
	const existing = virtualServices.find((candidate) => isMeshRuleFor(candidate, target));
	const rule = destinationRules.find((candidate) => isHost(specOf(candidate).host, candidate, target));
	const host = hostText(existing, rule, target);
	const route = weights.map(({ version, weight }) => ({ destination: { host, subset: version }, weight }));
	const subsets = (specOf(rule).subsets ?? []) as readonly { readonly name?: string }[];
	const missing = weights.filter(({ version }) => !subsets.some((subset) => subset.name === version));
	const added = missing.map(({ version }) => ({ name: version, labels: { version } }));
	return {
		virtualService: existing
			? withSpec(existing, { ...specOf(existing), http: withRoute(specOf(existing).http, route) })
			: newManifest("VirtualService", target, { hosts: [host], http: [{ route }] }),
		destinationRule: rule
			? withSpec(rule, { ...specOf(rule), subsets: [...subsets, ...added] })
			: newManifest("DestinationRule", target, { host, subsets: added }),
		destinationRuleChanged: added.length > 0 || !rule,
		addedVersions: added.map(({ name }) => name),
	};
}

function withRoute(http: unknown, route: readonly unknown[]): readonly Route[] {
	const routes = (Array.isArray(http) ? http : []) as readonly Route[];
	const index = routes.findIndex((one) => one.match === undefined);
	const changed: Route = { ...routes[index], route };
	return index < 0 ? [...routes, changed] : routes.map((one, at) => (at === index ? changed : one));
}

function isMeshRuleFor(manifest: Manifest, target: CanaryTarget): boolean {
	const { hosts, gateways } = specOf(manifest);
	const inMesh = !Array.isArray(gateways) || gateways.length === 0 || gateways.includes("mesh");
	return inMesh && Array.isArray(hosts) && hosts.some((host) => isHost(host, manifest, target));
}

function isHost(host: unknown, manifest: Manifest, target: CanaryTarget): boolean {
	if (typeof host !== "string") return false;
	const { service, namespace, domain } = target;
	const isShort = host === service && (manifest.metadata.namespace ?? "default") === namespace;
	return isShort || host === `${service}.${namespace}` || host === `${service}.${namespace}.svc.${domain}`;
}

/** The way in which the resources already write the host, so that a diff shows only the weights. */
function hostText(existing: Manifest | undefined, rule: Manifest | undefined, target: CanaryTarget): string {
	const hosts = specOf(existing).hosts;
	const found = Array.isArray(hosts) && existing ? hosts.find((host) => isHost(host, existing, target)) : undefined;
	return (found ?? (specOf(rule).host as string | undefined) ?? target.service) as string;
}

function specOf(manifest: Manifest | undefined): Readonly<Record<string, unknown>> {
	return (manifest?.spec ?? {}) as Readonly<Record<string, unknown>>;
}

function withSpec(manifest: Manifest, spec: Readonly<Record<string, unknown>>): Manifest {
	return { ...manifest, spec };
}

function newManifest(kind: string, target: CanaryTarget, spec: Readonly<Record<string, unknown>>): Manifest {
	const metadata = { name: target.service, namespace: target.namespace };
	return { apiVersion: "networking.istio.io/v1", kind, metadata, spec };
}
