// What the mesh needs of an object of an API server: of Pods and EndpointSlices, of which a cluster has most, only some fields; of
// everything the metadata without what others keep in it. In: an object as it came; out: a smaller one, to be read and kept.

import { proxyContainerName, servedBySidecar, servingCondition } from "../../inject/pod-shape.ts";
import type { RawMeta, RawObject } from "../../kubernetes/client/api-object.ts";
import { servedWithoutProxy } from "../../snapshot/workload-facts.ts";

type Mapping = Readonly<Record<string, unknown>>;

/** Pods that have run to their end serve nobody. */
export function isFinished(raw: RawObject): boolean {
	const phase = raw.kind === "Pod" ? mapping(raw.status).phase : undefined;
	return phase === "Succeeded" || phase === "Failed";
}

export function slimObject(raw: RawObject): RawObject {
	return given(slimFields(raw)) as RawObject;
}

function slimFields(raw: RawObject): RawObject {
	switch (raw.kind) {
		case "Pod":
			return { ...head(raw), spec: slimPod(mapping(raw.spec)), status: slimPodStatus(raw) };
		case "EndpointSlice":
			return {
				...head(raw, () => false),
				addressType: raw.addressType,
				endpoints: slimEndpoints(raw),
				ports: raw.ports,
			};
		case "Namespace":
		case "ServiceAccount":
			return { ...head(raw), spec: {} };
		case "Secret":
			return { ...head(raw, () => false), type: raw.type, data: raw.data };
		case "Service":
			return { ...head(raw), spec: raw.spec, status: raw.status };
		default:
			return { ...head(raw), spec: raw.spec };
	}
}

/** Annotations of others are dropped where they are long: kubectl's copy of the whole object above all. */
const longest = 1024;
const isKept = (name: string, value: string): boolean =>
	value.length <= longest || /(?:^|\.)(?:istio|keepmesh)\.io\//.test(name);

function head(raw: RawObject, keeps: (name: string, value: string) => boolean = isKept): RawObject {
	const { apiVersion, kind, metadata } = raw;
	const { creationTimestamp, deletionTimestamp, generation, labels, name, namespace, resourceVersion, uid } = metadata;
	const annotations = Object.entries(metadata.annotations ?? {}).filter(
		([key, value]) => keeps(key, value) && key !== "kubectl.kubernetes.io/last-applied-configuration",
	);
	const slim: RawMeta = {
		name,
		uid,
		resourceVersion,
		...given({ namespace, creationTimestamp, deletionTimestamp, generation, labels }),
		...(annotations.length === 0 ? {} : { annotations: Object.fromEntries(annotations) }),
	};
	return { apiVersion, kind, metadata: slim };
}

function slimPod(spec: Mapping): Mapping {
	const { hostNetwork, hostname, nodeName, serviceAccountName, subdomain, terminationGracePeriodSeconds } = spec;
	return {
		...given({ hostNetwork, hostname, nodeName, serviceAccountName, subdomain, terminationGracePeriodSeconds }),
		...slimContainers("containers", spec.containers),
		...slimContainers("initContainers", spec.initContainers),
	};
}

/** Only those that name ports: a Service may ask for one by name. */
function slimContainers(field: string, containers: unknown): Mapping {
	const withPorts = list(containers).flatMap((one) => {
		const { name, ports } = mapping(one);
		const kept = list(ports).map((port) => {
			const { containerPort, name: portName, protocol } = mapping(port);
			return given({ containerPort, name: portName, protocol: protocol === "TCP" ? undefined : protocol });
		});
		return kept.length === 0 ? [] : [{ name, ports: kept }];
	});
	return withPorts.length === 0 ? {} : { [field]: withPorts };
}

function slimPodStatus(raw: RawObject): Mapping {
	const status = mapping(raw.status);
	const { phase, podIP, podIPs } = status;
	const ready = list(status.conditions)
		.map(mapping)
		.filter(({ type }) => type === "Ready")
		.map(({ status: is, type }) => ({ type, status: is }));
	// `podIPs` of one address says nothing that `podIP` does not.
	const more = list(podIPs).length > 1 ? podIPs : undefined;
	const without = isServedPastItsProxy(raw) ? [{ type: servedWithoutProxy, status: "True" }] : [];
	return { ...given({ phase, podIP, podIPs: more }), conditions: [...ready, ...without] };
}

/**
 * A proxy that restarts makes its Pod unready, though the node goes on serving it, as the condition that the node writes says. What
 * the application says of itself counts: all other containers and all readiness gates. It stays so until the proxy has proved itself: the Pod is
 * ready before that, and its EndpointSlice says so still later.
 */
function isServedPastItsProxy(raw: RawObject): boolean {
	const status = mapping(raw.status);
	const conditions = list(status.conditions).map(mapping);
	const truths = new Map(conditions.map(({ status: is, type }) => [type, is === "True"]));
	if (!truths.get(servingCondition) || status.phase !== "Running") return false;
	const isElsewhere = conditions.some(({ reason, type }) => type === servingCondition && reason !== servedBySidecar);
	if (!isElsewhere && truths.get("Ready") !== false) return false;
	const gates = list(mapping(raw.spec).readinessGates).map((gate) => mapping(gate).conditionType);
	const containers = [...list(status.containerStatuses), ...list(status.initContainerStatuses)].map(mapping);
	const isProxy = ({ name }: Mapping): boolean => name === proxyContainerName;
	return (
		gates.every((gate) => truths.get(gate)) &&
		(isElsewhere || containers.some((one) => isProxy(one) && one.ready !== true)) &&
		containers.every((one) => isProxy(one) || one.ready === true)
	);
}

function slimEndpoints(raw: RawObject): readonly Mapping[] {
	return list(raw.endpoints).map((one) => {
		const { addresses, conditions, hints, hostname, nodeName, targetRef, zone } = mapping(one);
		const { kind, name, namespace } = mapping(targetRef);
		const target = targetRef === undefined ? undefined : given({ kind, name, namespace });
		return given({ addresses, conditions, hints, hostname, nodeName, zone, targetRef: target });
	});
}

function given(fields: Mapping): Mapping {
	const known: Record<string, unknown> = {};
	for (const [name, value] of Object.entries(fields)) if (value !== undefined && value !== null) known[name] = value;
	return known;
}

const nothing: Mapping = {};

function mapping(value: unknown): Mapping {
	return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Mapping) : nothing;
}

function list(value: unknown): readonly unknown[] {
	return Array.isArray(value) ? value : [];
}
