// What checks across resources look things up in: built once, in time linear in the number of resources.

import type { AnyObject, ConfigObject, Kind } from "../config-object.ts";
import { byAge } from "../config-object.ts";
import type { PodTemplateSpec } from "../kinds/core.ts";

/** A host that something can be routed to. */
export interface KnownHost {
	readonly namespace: string;
	/** Port numbers; empty when it has none. */
	readonly ports: readonly number[];
	readonly object: ConfigObject<"Service"> | ConfigObject<"ServiceEntry">;
	/** Namespaces that see it; `*` among them: all. */
	readonly exportTo: readonly string[];
}

/** Something that runs: a Pod, the pods of a Deployment, a WorkloadEntry. */
export interface KnownWorkload {
	readonly namespace: string;
	readonly labels: Readonly<Record<string, string>>;
	readonly name: string;
	/** Of its containers, or of a WorkloadEntry: name -> number. */
	readonly namedPorts: ReadonlyMap<string, number>;
}

export interface MeshIndex {
	/** Oldest first. */
	readonly of: <K extends Kind>(kind: K) => readonly ConfigObject<K>[];
	readonly find: <K extends Kind>(kind: K, namespace: string, name: string) => ConfigObject<K> | undefined;
	/** By full name; wildcard hosts under their own text. */
	readonly hosts: ReadonlyMap<string, readonly KnownHost[]>;
	readonly workloads: ReadonlyMap<string, readonly KnownWorkload[]>;
	/** Those that a client in `namespace` may route to under this name, wildcard ServiceEntries included. */
	readonly lookUp: (host: string, namespace: string) => readonly KnownHost[];
}

const domain = "svc.cluster.local";

/** Short names mean a service of the own namespace. */
export function fullHost(host: string, namespace: string): string {
	return host.includes(".") || host === "*" ? host.toLowerCase() : `${host}.${namespace}.${domain}`.toLowerCase();
}

export function newMeshIndex(objects: readonly AnyObject[]): MeshIndex {
	const byKind = new Map<Kind, AnyObject[]>();
	const byKey = new Map<string, AnyObject>();
	const hosts = new Map<string, KnownHost[]>();
	const workloads = new Map<string, KnownWorkload[]>();
	for (const object of [...objects].sort(byAge)) {
		append(byKind, object.kind, object);
		byKey.set(`${object.kind}/${object.metadata.namespace}/${object.metadata.name}`, object);
		for (const [host, known] of hostsOf(object)) append(hosts, host, known);
		const workload = workloadOf(object);
		if (workload) append(workloads, workload.namespace, workload);
	}
	const sees = (known: KnownHost, namespace: string): boolean => isVisible(known.exportTo, known.namespace, namespace);
	return {
		of: <K extends Kind>(kind: K) => (byKind.get(kind) ?? []) as unknown as readonly ConfigObject<K>[],
		find: <K extends Kind>(kind: K, namespace: string, name: string) =>
			byKey.get(`${kind}/${namespace}/${name}`) as ConfigObject<K> | undefined,
		hosts,
		workloads,
		lookUp: (host, namespace) => {
			for (const name of [host, ...wildcardsOver(host)]) {
				const found = (hosts.get(name) ?? []).filter((known) => sees(known, namespace));
				if (found.length > 0) return found;
			}
			return [];
		},
	};
}

/** `a.b.com` -> `*.b.com`, `*.com`, `*` */
export function* wildcardsOver(host: string): Generator<string> {
	for (let dot = host.indexOf("."); dot >= 0; dot = host.indexOf(".", dot + 1)) {
		const wildcard = `*${host.slice(dot)}`;
		if (wildcard !== host) yield wildcard;
	}
	if (host !== "*") yield "*";
}

/** exportTo as it stands in a resource of `own`: does `namespace` see it? */
export function isVisible(exportTo: readonly string[], own: string, namespace: string): boolean {
	return exportTo.some((entry) => entry === "*" || (entry === "." ? own : entry) === namespace);
}

function append<Key, Value>(map: Map<Key, Value[]>, key: Key, value: Value): void {
	const list = map.get(key);
	if (list) list.push(value);
	else map.set(key, [value]);
}

function hostsOf(object: AnyObject): readonly (readonly [string, KnownHost])[] {
	const { namespace, name, annotations } = object.metadata;
	if (object.kind === "Service") {
		const exportTo = (annotations["networking.istio.io/exportTo"] ?? "*").split(",").map((entry) => entry.trim());
		const ports = (object.spec.ports ?? []).map((port) => port.port);
		return [[fullHost(name, namespace), { namespace, ports, object, exportTo }]];
	}
	if (object.kind !== "ServiceEntry") return [];
	const exportTo = object.spec.exportTo?.length ? object.spec.exportTo : ["*"];
	const ports = (object.spec.ports ?? []).map((port) => port.number);
	return (object.spec.hosts ?? []).map((host) => [host.toLowerCase(), { namespace, ports, object, exportTo }] as const);
}

function workloadOf(object: AnyObject): KnownWorkload | undefined {
	const { namespace, name } = object.metadata;
	switch (object.kind) {
		case "Pod":
			return { namespace, name, labels: object.metadata.labels, namedPorts: containerPorts(object.spec) };
		case "Deployment":
			return {
				namespace,
				name,
				labels: object.spec.template.metadata?.labels ?? {},
				namedPorts: containerPorts(object.spec.template.spec),
			};
		case "WorkloadEntry":
			return {
				namespace,
				name,
				labels: { ...object.metadata.labels, ...object.spec.labels },
				namedPorts: new Map(Object.entries(object.spec.ports ?? {})),
			};
		default:
			return undefined;
	}
}

function containerPorts(pod: PodTemplateSpec): ReadonlyMap<string, number> {
	const named = (pod.containers ?? []).flatMap((container) =>
		(container.ports ?? []).flatMap((port) =>
			port.name === undefined ? [] : [[port.name, port.containerPort] as const],
		),
	);
	return named.length === 0 ? noPorts : new Map(named);
}

const noPorts: ReadonlyMap<string, number> = new Map();

/** Every label of the selector is there with the same value; an empty selector matches everything. */
export function selects(selector: Readonly<Record<string, string>>, labels: Readonly<Record<string, string>>): boolean {
	for (const key in selector) if (labels[key] !== selector[key]) return false;
	return true;
}
