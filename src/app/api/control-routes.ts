// What the control plane's API answers: health, metrics, Istio's debug pages, and /api/v1.

import type { JsonValue } from "@bufbuild/protobuf";
import type { Proxy as MeshProxy } from "../../model/proxy.ts";
import { type AnyObject, compareText, type Kind, keyOf, type ObjectKey } from "../../resources/config-object.ts";
import type { Origin, Problem } from "../../resources/problem.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { MetricsRegistry } from "../../runtime/metrics.ts";
import type { SourceStatus } from "../../sources/kubernetes/source-status.ts";
import type { ControlMetrics } from "../../telemetry/control-metrics.ts";
import type { SessionStatus } from "../../xds/wire/config-source.ts";
import { AnyRegistry } from "../control/any-registry.ts";
import { type ConfigSection, configSections, configToJson } from "../control/config-json.ts";
import type { ControlPlane } from "../control/control-plane.ts";
import { allObjects } from "../control/mesh-problems.ts";
import type { ProxyEntry } from "../control/proxy-entry.ts";
import { proxyItems } from "../control/proxy-items.ts";
import { leftOut } from "../control/quarantine-problems.ts";
import type { EditFailure, ResourceEditor } from "../control/resource-editor.ts";
import { ResourceStatuses } from "../control/resource-status.ts";
import { accessItems } from "./access-route.ts";
import { type ApiAnswer, ApiError, type ApiRequest, type ApiRoute } from "./api-server.ts";
import type { MeshStatus, ProxyItem, ResourceItem, WorkloadItem } from "./api-types.ts";
import { manifestOf } from "./manifest.ts";
import { workloadItems } from "./workload-items.ts";

export interface ControlRoutesParts {
	readonly identity: { readonly id: string; readonly version: string; readonly startedMs: number };
	readonly clock: Clock;
	readonly control: ControlPlane;
	readonly metrics: MetricsRegistry;
	readonly counted: ControlMetrics;
	/** Why it is not ready; undefined when it is. */
	readonly readiness: () => string | undefined;
	readonly problems: () => readonly Problem[];
	readonly fileProblems: () => readonly Problem[];
	/** Where the resource stands now. */
	readonly origin: (key: ObjectKey) => Origin | undefined;
	readonly sessions: () => readonly SessionStatus[];
	readonly editor: Pick<ResourceEditor, "apply" | "remove">;
	/** How the source of resources is, where that is an API server. */
	readonly source?: () => SourceStatus;
}

export function controlRoutes(parts: ControlRoutesParts): readonly ApiRoute[] {
	const { clock, control, identity, metrics } = parts;
	const registry = new AnyRegistry();
	const get = (path: string, answer: ApiRoute["answer"]): ApiRoute => ({ method: "GET", path, answer });
	const wallMs = (monotonicMs: number): number => Math.round(clock.wallMs() - (clock.monotonicMs() - monotonicMs));
	const proxies = (): readonly ProxyItem[] =>
		proxyItems(control.proxies.values(), parts.sessions(), identity.id, wallMs);
	const statuses = (): ResourceStatuses => new ResourceStatuses(control, parts.sessions(), parts.problems(), wallMs);

	const proxyNamed = (request: ApiRequest): ProxyEntry => {
		const wanted = request.query.get("proxyID") ?? request.query.get("proxy") ?? "";
		const entry =
			control.proxies.get(wanted) ??
			[...control.proxies.values()].find(({ proxy }) =>
				[`${proxy.name}.${proxy.namespace}`, proxy.name].includes(wanted),
			);
		if (entry) return entry;
		const message = wanted === "" ? "say which proxy: ?proxyID=NAME.NAMESPACE" : `no proxy "${wanted}" is connected`;
		throw new ApiError(wanted === "" ? 400 : 404, message, "keepmesh proxy-status");
	};
	const configOf = async (request: ApiRequest, sections: readonly ConfigSection[]): Promise<ApiAnswer> => {
		const entry = proxyNamed(request);
		const json = entry.published ? await configToJson(entry.published, registry, sections) : {};
		return { json: { proxy: entry.proxy.id, withheld: entry.withheld, ...json } };
	};

	return [
		get("/healthz", () => ({ text: "ok\n" })),
		get("/readyz", () => readinessAnswer(parts.readiness())),
		get("/ready", () => readinessAnswer(parts.readiness())),
		get("/version", () => ({ json: { id: identity.id, version: identity.version } })),
		get("/metrics", async () => {
			countResources(parts);
			return { text: await metrics.render(), contentType: metrics.contentType };
		}),
		get("/debug/syncz", () => ({ json: proxies().map(syncOf) })),
		get("/debug/config_dump", (request) => configOf(request, configSections)),
		get("/debug/endpointz", () => ({ json: endpointsOf(control) })),
		get("/debug/configz", () => ({ json: sortedObjects(control).map(manifestOf) })),
		get("/debug/registryz", () => ({
			json: [...control.snapshot.routing.registry.byKey.values()].map((one) => one.service),
		})),
		get("/api/v1", () => ({ json: { paths: apiPaths } })),
		get("/api/v1/status", () => ({ json: statusOf(parts, proxies()) })),
		get("/api/v1/proxies", () => ({ json: { items: proxies() } })),
		get("/api/v1/problems", () => ({ json: { items: parts.problems() } })),
		get("/api/v1/access", ({ query }) => ({
			json: { items: accessItems(control.snapshot, connectedProxies(control), query) },
		})),
		get("/api/v1/config", (request) => {
			const wanted = request.query.get("type");
			const sections = configSections.filter((section) => wanted === null || section === wanted);
			return configOf(request, sections);
		}),
		get("/api/v1/resources", (request) => ({ json: { items: resourceItems(parts, statuses(), request.query) } })),
		get("/api/v1/workloads", ({ query }) => ({ json: { items: workloadsOf(control, query) } })),
		{
			method: "PUT",
			path: "/api/v1/resources",
			answer: async ({ query, body }) => {
				const namespace = query.get("namespace") ?? "default";
				const answer = await parts.editor.apply(await body(), namespace, query.get("dryRun") === "true");
				if ("message" in answer) throw failureOf(answer);
				return { status: answer.ok ? 200 : 422, json: answer };
			},
		},
		{
			method: "DELETE",
			path: "/api/v1/resources/{kind}/{namespace}/{name}",
			answer: async ({ path, query }) => {
				const namespace = path.namespace === "-" ? "" : path.namespace;
				const key = `${path.kind}/${namespace}/${path.name}`;
				const item = await parts.editor.remove(key, query.get("dryRun") === "true");
				if (!item) throw new ApiError(404, `there is no ${key}`, `keepmesh get ${path.kind} -A`);
				if ("message" in item) throw failureOf(item);
				return { json: { item } };
			},
		},
		{
			method: "POST",
			path: "/api/v1/held/confirm",
			answer: (request) => {
				const one = request.query.has("proxy") ? proxyNamed(request).proxy.id : undefined;
				const resource = request.query.get("resource");
				const confirmed = resource === null ? control.confirmHeld(one) : control.safety.release([resource]);
				return { json: { confirmed } };
			},
		},
	];
}

const apiPaths = [
	"status",
	"proxies",
	"problems",
	"resources",
	"workloads?name=NAME&namespace=NAMESPACE",
	"serving?namespace=NAMESPACE&pod=NAME",
	"events?namespace=NAMESPACE&pod=NAME",
	"access?from=WORKLOAD&to=WORKLOAD&method=GET&path=/",
	"config?proxy=NAME.NAMESPACE",
	"held/confirm",
].map((path) => `/api/v1/${path}`);

const maxServices = 50;

/** `name` or `service`, in `namespace`; `to` for one target, `maxServices` for more of them. */
function workloadsOf(control: ControlPlane, query: URLSearchParams): readonly WorkloadItem[] {
	const [name, service, to] = ["name", "service", "to"].map((field) => query.get(field) || undefined);
	if (name === undefined && service === undefined)
		throw new ApiError(400, "say which workload: ?name=NAME or ?service=NAME", "keepmesh proxy-status");
	return workloadItems(control.snapshot, connectedProxies(control), {
		namespace: query.get("namespace") ?? "default",
		...(name === undefined ? {} : { name }),
		...(service === undefined ? {} : { service }),
		...(to === undefined ? {} : { to }),
		maxServices: Number(query.get("maxServices") ?? maxServices),
	});
}

function connectedProxies(control: ControlPlane): readonly MeshProxy[] {
	return [...control.proxies.values()].map(({ proxy }) => proxy);
}

function failureOf(failure: EditFailure): ApiError {
	return new ApiError(409, failure.message, failure.next);
}

function readinessAnswer(because: string | undefined): ApiAnswer {
	return because === undefined ? { text: "ok\n" } : { status: 503, text: `${because}\n` };
}

function sortedObjects(control: ControlPlane): readonly AnyObject[] {
	return [...allObjects(control.snapshot), ...leftOut(control.safety.held)].sort((a, b) =>
		compareText(keyOf(a), keyOf(b)),
	);
}

function resourceItems(
	parts: ControlRoutesParts,
	statuses: ResourceStatuses,
	query: URLSearchParams,
): readonly ResourceItem[] {
	const kinds = query.get("kind")?.split(",") as Kind[] | undefined;
	const labels = (query.get("labels") ?? "").split(",").filter((text) => text !== "");
	const isWanted = (object: AnyObject): boolean =>
		(!kinds || kinds.includes(object.kind)) &&
		isOrAny(query.get("namespace"), object.metadata.namespace) &&
		isOrAny(query.get("name"), object.metadata.name) &&
		labels.every((text) => hasLabel(object, text));
	return sortedObjects(parts.control)
		.filter(isWanted)
		.map((object) => {
			const { file, line } = parts.origin(keyOf(object)) ?? object.origin;
			return { manifest: manifestOf(object), origin: { file, line }, status: statuses.statusOf(object) };
		});
}

/** Things without a namespace are in all of them. */
function isOrAny(wanted: string | null, value: string): boolean {
	return wanted === null || value === "" || wanted === value;
}

/** `a=b`, `a!=b`, `a` or `!a`. */
function hasLabel(object: AnyObject, text: string): boolean {
	const { labels } = object.metadata;
	const match = /^(!?)([^=!]+)(?:(!?)=?=(.*))?$/.exec(text);
	if (!match) return false;
	const [, negated, name = "", notEqual, value] = match;
	if (value === undefined) return Object.hasOwn(labels, name) !== (negated === "!");
	return (labels[name] === value) !== (notEqual === "!");
}

function statusOf(parts: ControlRoutesParts, proxies: readonly ProxyItem[]): MeshStatus {
	const { clock, control, identity, problems, readiness } = parts;
	const all = problems();
	const types = (proxy: ProxyItem) => Object.values(proxy.types);
	const resources = Object.entries(control.snapshot.objects).map(([kind, objects]) => [kind, objects.size] as const);
	return {
		...identity,
		ready: readiness() === undefined,
		nowMs: clock.wallMs(),
		generation: control.generation,
		resources: Object.fromEntries(resources.filter(([, size]) => size > 0).sort((a, b) => compareText(a[0], b[0]))),
		errors: all.filter((problem) => problem.severity === "error").length,
		warnings: all.filter((problem) => problem.severity === "warning").length,
		proxies: {
			connected: proxies.length,
			synced: proxies.filter((proxy) => types(proxy).every((type) => type.sync === "SYNCED")).length,
			stale: proxies.filter((proxy) => types(proxy).some((type) => type.sync === "STALE")).length,
			rejecting: proxies.filter((proxy) => types(proxy).some((type) => type.rejection)).length,
			withheld: proxies.filter((proxy) => proxy.withheld).length,
			...(control.safety.waiting > 0 ? { waiting: control.safety.waiting } : {}),
		},
		quarantined: control.safety.held.size,
		heldRemovals: control.heldRemovals,
		...(parts.source ? { source: parts.source() } : {}),
	};
}

/** In the field names of Istio's debug page. */
function syncOf(proxy: ProxyItem): JsonValue {
	const status = (type: string): string => proxy.types[type]?.sync ?? "IGNORED";
	return {
		cluster_id: proxy.cluster,
		proxy: proxy.name,
		proxy_type: proxy.type,
		proxy_version: proxy.version,
		cluster_status: status("CDS"),
		listener_status: status("LDS"),
		route_status: status("RDS"),
		endpoint_status: status("EDS"),
		secret_status: status("SDS"),
	};
}

function endpointsOf(control: ControlPlane): JsonValue {
	return [...control.snapshot.endpoints.byService].map(([service, { byPort }]) => ({
		service,
		ports: [...byPort].map(([port, endpoints]) => ({
			port,
			endpoints: endpoints.map(({ address, port: endpointPort, health, servingStep, workload, weight }) => ({
				address: `${address}:${endpointPort}`,
				health,
				...(servingStep && { servingStep }),
				workload,
				weight,
			})),
		})),
	}));
}

/** Gauges that are worth their cost only when somebody asks. */
function countResources({ control, counted, problems }: ControlRoutesParts): void {
	for (const [kind, objects] of Object.entries(control.snapshot.objects)) counted.resources.set(objects.size, { kind });
	const conflicts = problems().filter(({ code }) => code === "IST0109" || code === "IST0145");
	counted.conflictingHosts.set(conflicts.length);
}
