// Which workloads a policy is for, and what is known of them: the ports that Services have on them, whether a Gateway runs
// on them, and what PeerAuthentication demands of their connections.

import type { AnyObject, ConfigObject } from "../config-object.ts";
import type { MtlsMode } from "../kinds/security.ts";
import { type KnownWorkload, type MeshIndex, selects } from "./mesh-index.ts";

type Mode = Exclude<MtlsMode, "UNSET">;
type PeerAuthentication = ConfigObject<"PeerAuthentication">;
type ServicePort = NonNullable<ConfigObject<"Service">["spec"]["ports"]>[number];

export interface GuardedPort {
	readonly service: ConfigObject<"Service">;
	readonly port: ServicePort;
	/** Of the workload; undefined when its name is not known there. */
	readonly targetPort: number | undefined;
}

export interface WorkloadMode {
	readonly mode: Mode;
	/** What decided; undefined when nobody did. */
	readonly source: PeerAuthentication | undefined;
}

export interface Guarded {
	readonly rootNamespace: string;
	/** Those in reach of a policy: of its namespace, or of the whole mesh. */
	readonly inReach: (policy: AnyObject) => readonly KnownWorkload[];
	/** Those in reach with the labels. */
	readonly selected: (policy: AnyObject, labels: Readonly<Record<string, string>>) => readonly KnownWorkload[];
	readonly portsOf: (workload: KnownWorkload) => readonly GuardedPort[];
	/** A Gateway of Istio runs on it. */
	readonly isGateway: (workload: KnownWorkload) => boolean;
	/** Is there a RequestAuthentication for it? One with targets may be for any workload of its namespace. */
	readonly verifiesTokens: (workload: KnownWorkload) => boolean;
	/** For a port of the workload; without one, for all that have no mode of their own. */
	readonly mtlsOf: (workload: KnownWorkload, targetPort?: number) => WorkloadMode;
	/** What turns mutual TLS off on all ports of the workload that Services have; undefined when it is not off. */
	readonly offBy: (workload: KnownWorkload) => PeerAuthentication | undefined;
}

/** Answers are worked out when first asked for, and kept. */
export function guardedWorkloads(index: MeshIndex): Guarded {
	const rootNamespace = rootNamespaceOf(index);
	const everywhere = lazily(() => [...index.workloads.values()].flat());
	const services = lazily(() => Map.groupBy(index.of("Service"), ({ metadata }) => metadata.namespace));
	const gateways = lazily(() =>
		index
			.of("Gateway")
			.flatMap(({ spec }) => (Object.keys(spec.selector ?? {}).length > 0 ? [spec.selector ?? {}] : [])),
	);
	const peers = lazily(() => Map.groupBy(index.of("PeerAuthentication"), ({ metadata }) => metadata.namespace));
	const verifiers = lazily(() => index.of("RequestAuthentication").filter(({ spec }) => spec.jwtRules?.length));
	const inReach = ({ metadata }: AnyObject): readonly KnownWorkload[] =>
		metadata.namespace === rootNamespace ? everywhere() : (index.workloads.get(metadata.namespace) ?? []);
	const portsOf = perWorkload((workload) =>
		(services().get(workload.namespace) ?? []).flatMap((service) => portsOn(service, workload)),
	);
	const levelsOf = perWorkload((workload) => levelsFor(workload, peers(), rootNamespace));
	const mtlsOf = (workload: KnownWorkload, targetPort?: number): WorkloadMode => {
		const levels = levelsOf(workload);
		// Ports count only in a policy that selects the workload by labels.
		const own = levels.find(hasLabels);
		const ofPort = targetPort === undefined ? undefined : own?.spec.portLevelMtls?.[targetPort]?.mode;
		if (ofPort !== undefined && ofPort !== "UNSET") return { mode: ofPort, source: own };
		for (const source of levels) {
			const { mode } = source.spec.mtls ?? {};
			if (mode !== undefined && mode !== "UNSET") return { mode, source };
		}
		return { mode: "PERMISSIVE", source: undefined };
	};
	return {
		rootNamespace,
		inReach,
		selected: (policy, labels) => inReach(policy).filter((workload) => selects(labels, workload.labels)),
		portsOf,
		isGateway: perWorkload((workload) => gateways().some((selector) => selects(selector, workload.labels))),
		verifiesTokens: perWorkload((workload) => {
			const near = [workload.namespace, rootNamespace];
			return verifiers().some(
				({ metadata, spec }) =>
					near.includes(metadata.namespace) &&
					(spec.targetRef !== undefined ||
						(spec.targetRefs?.length ?? 0) > 0 ||
						selects(spec.selector?.matchLabels ?? {}, workload.labels)),
			);
		}),
		mtlsOf,
		offBy: perWorkload((workload) => {
			const modes = portsOf(workload).map(({ targetPort }) => mtlsOf(workload, targetPort));
			const all = modes.length > 0 ? modes : [mtlsOf(workload)];
			return all.every(({ mode }) => mode === "DISABLE") ? all[0]?.source : undefined;
		}),
	};
}

/** Of the MeshConfig in force: the oldest that lies in the root namespace it names, else the oldest. */
function rootNamespaceOf(index: MeshIndex): string {
	const configs = index.of("MeshConfig").map(({ metadata, spec }) => ({
		own: metadata.namespace,
		root: spec.rootNamespace ?? "istio-system",
	}));
	return (configs.find(({ own, root }) => own === root) ?? configs[0])?.root ?? "istio-system";
}

/** Without labels it is for all of its namespace. */
export function hasLabels({ spec }: Pick<PeerAuthentication | ConfigObject<"HotSwitch">, "spec">): boolean {
	return Object.keys(spec.selector?.matchLabels ?? {}).length > 0;
}

function portsOn(service: ConfigObject<"Service">, workload: KnownWorkload): readonly GuardedPort[] {
	const { selector = {}, ports = [] } = service.spec;
	if (Object.keys(selector).length === 0 || !selects(selector, workload.labels)) return [];
	return ports.map((port) => {
		const target = port.targetPort ?? port.port;
		const targetPort = typeof target === "number" ? target : workload.namedPorts.get(target);
		return { service, port, targetPort };
	});
}

/** The most specific first; in the root namespace selectors select nothing. */
function levelsFor(
	workload: KnownWorkload,
	peers: ReadonlyMap<string, readonly PeerAuthentication[]>,
	rootNamespace: string,
): readonly PeerAuthentication[] {
	const own = workload.namespace === rootNamespace ? [] : (peers.get(workload.namespace) ?? []);
	const selecting = own.find(
		(peer) => hasLabels(peer) && selects(peer.spec.selector?.matchLabels ?? {}, workload.labels),
	);
	const ofNamespace = own.find((peer) => !hasLabels(peer));
	const ofMesh = peers.get(rootNamespace)?.find((peer) => !hasLabels(peer));
	return [selecting, ofNamespace, ofMesh].filter((peer) => peer !== undefined);
}

function lazily<T>(make: () => T): () => T {
	let made: { readonly value: T } | undefined;
	return () => {
		made ??= { value: make() };
		return made.value;
	};
}

function perWorkload<T>(make: (workload: KnownWorkload) => T): (workload: KnownWorkload) => T {
	const known = new Map<KnownWorkload, { readonly value: T }>();
	return (workload) => {
		const found = known.get(workload) ?? { value: make(workload) };
		known.set(workload, found);
		return found.value;
	};
}
