// An object of a manifest, as it is applied -> the same with proxies in the pods that it makes. Everything that makes no pods comes
// back as it is. The namespaces' labels are not looked at: whoever injects a file wants it injected.

import type { InjectConfig } from "./inject-config.ts";
import { injectPod } from "./inject-pod.ts";
import { asPod, isObject, type OwnerReference, type Pod } from "./pod-shape.ts";

export interface InjectedManifest {
	readonly object: unknown;
	/** One for each pod or template of a pod in it. */
	readonly pods: readonly ManifestPod[];
}

export type ManifestPod = { readonly resource: string } & (
	| { readonly outcome: "injected"; readonly warnings: readonly string[] }
	| { readonly outcome: "skipped"; readonly because: string }
	| { readonly outcome: "refused"; readonly problems: readonly string[] }
);

/** Kind -> where its template lies. */
const templatePaths: Readonly<Record<string, readonly string[]>> = {
	Pod: [],
	Deployment: ["spec", "template"],
	StatefulSet: ["spec", "template"],
	DaemonSet: ["spec", "template"],
	ReplicaSet: ["spec", "template"],
	ReplicationController: ["spec", "template"],
	Job: ["spec", "template"],
	CronJob: ["spec", "jobTemplate", "spec", "template"],
	DeploymentConfig: ["spec", "template"],
};

/** `namespace`: of objects that name none. */
export function injectManifest(object: unknown, namespace: string, config: InjectConfig): InjectedManifest {
	if (!isObject(object)) return { object, pods: [] };
	if (Array.isArray(object.items) && /List$/.test(String(object.kind))) {
		const items = object.items.map((item: unknown) => injectManifest(item, namespace, config));
		const changed = { ...object, items: items.map((item) => item.object) };
		return { object: changed, pods: items.flatMap(({ pods }) => pods) };
	}
	const path = templatePaths[String(object.kind)];
	const template = path && at(object, path);
	const pod = template === undefined ? undefined : asPod(template);
	if (!path || !pod) return { object, pods: [] };
	const metadata = isObject(object.metadata) ? object.metadata : {};
	const place = typeof metadata.namespace === "string" ? metadata.namespace : namespace;
	const resource = `${String(object.kind)} ${place}/${String(metadata.name ?? metadata.generateName ?? "?")}`;
	const injection = injectPod(path.length === 0 ? pod : withOwner(pod, object, metadata), place, config);
	if (injection.outcome !== "injected") return { object, pods: [{ resource, ...injection }] };
	const { ownerReferences: _, ...rest } = injection.pod.metadata ?? {};
	const injected = path.length === 0 ? injection.pod : { ...injection.pod, metadata: rest };
	const { warnings } = injection;
	return { object: put(object, path, injected), pods: [{ resource, outcome: "injected", warnings }] };
}

/** As the pods of it will have: the workload is named after it. */
function withOwner(
	pod: Pod,
	object: Readonly<Record<string, unknown>>,
	metadata: Readonly<Record<string, unknown>>,
): Pod {
	const owner: OwnerReference = {
		apiVersion: String(object.apiVersion),
		kind: String(object.kind),
		name: String(metadata.name ?? ""),
		controller: true,
	};
	return { ...pod, metadata: { ...pod.metadata, ownerReferences: [owner] } };
}

function at(object: unknown, path: readonly string[]): unknown {
	return path.reduce((value: unknown, field) => (isObject(value) ? value[field] : undefined), object);
}

function put(object: unknown, [field, ...rest]: readonly string[], value: unknown): unknown {
	if (field === undefined || !isObject(object)) return value;
	return { ...object, [field]: put(object[field], rest, value) };
}
