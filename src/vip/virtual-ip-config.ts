// VirtualIP resources and the name of a node in, what that node runs out: the same VipConfig that keepalived.conf gives.

import type { ConfigObject } from "../resources/config-object.ts";
import type { VirtualIPNode, VirtualIPSpec } from "../resources/kinds/virtual-ip.ts";
import type { Problem } from "../resources/problem.ts";
import { familyOf } from "./keepalived-conf/conf-values.ts";
import { addressLine, type LineProblem, routeLine, ruleLine } from "./keepalived-conf/parse-words.ts";
import type {
	FastHeartbeatConfig,
	InstanceConfig,
	SyncGroupConfig,
	VipConfig,
	VrrpAuthentication,
	VrrpTransport,
} from "./vip-config.ts";
import { msOf, TrackerSet } from "./virtual-ip-checks.ts";

export type VirtualIp = ConfigObject<"VirtualIP">;

/** What only the node itself knows. */
export interface NodeFacts {
	readonly nodeName: string;
	/** The interface whose network holds an address; undefined when there is none. */
	interfaceFor(address: string): string | undefined;
	/** First line of a key's file, or the Secret's `key`; undefined when it cannot be had. */
	key(place: {
		readonly keyFile?: string;
		readonly secretName?: string;
		readonly namespace: string;
	}): string | undefined;
}

export interface VirtualIpConfig {
	/** Without those that this node has no part in, or that an error stands against. */
	readonly config: VipConfig;
	readonly problems: readonly Problem[];
}

/** A dead owner is found after `intervalMs` times `missed`. */
export const fastHeartbeats: Readonly<Record<"default" | "fast", FastHeartbeatConfig>> = {
	default: { intervalMs: 25, missed: 4, port: 15112 },
	fast: { intervalMs: 15, missed: 3, port: 15112 },
};

/** Of a lease that decides: so long after the death of its holder the addresses are elsewhere, and a little more. */
const decidingLeaseMs = 5000;
/** Where a lease decides nobody listens to adverts: the interval is how long a claim takes, by three. */
const decidedIntervalMs = 100;

export function virtualIpConfig(resources: readonly VirtualIp[], facts: NodeFacts): VirtualIpConfig {
	const problems: Problem[] = [];
	const trackers = new TrackerSet();
	const instances: InstanceConfig[] = [];
	const groups = new Map<string, string[]>();
	for (const resource of resources) {
		const node = nodeOf(resource.spec, facts.nodeName);
		if (!node) continue;
		const instance = instanceOf(resource, node, facts, trackers, problems);
		if (!instance) continue;
		instances.push(instance);
		const { syncGroup } = resource.spec;
		if (syncGroup !== undefined) groups.set(syncGroup, [...(groups.get(syncGroup) ?? []), instance.name]);
	}
	const global: VipConfig["global"] = {
		routerName: facts.nodeName,
		startupDelayMs: 0,
		multicastGroup4: "224.0.0.18",
		multicastGroup6: "ff02::12",
		notifyFifos: [],
		scripts: { user: "root", security: true },
	};
	const syncGroups: readonly SyncGroupConfig[] = [...groups].map(([name, members]) => ({
		name,
		members,
		tracked: [],
		// All members of a group have the same checks: weights move the group as one.
		usesWeights: true,
		notify: {},
	}));
	return { config: { global, instances, groups: syncGroups, trackers: trackers.trackers }, problems };
}

/** The node's part; undefined when it has none. */
function nodeOf(spec: VirtualIPSpec, nodeName: string): VirtualIPNode | undefined {
	if ((spec.nodes ?? []).length === 0) return { node: nodeName };
	return spec.nodes?.find(({ node }) => node === nodeName);
}

function instanceOf(
	resource: VirtualIp,
	node: VirtualIPNode,
	facts: NodeFacts,
	trackers: TrackerSet,
	problems: Problem[],
): InstanceConfig | undefined {
	const { spec, metadata } = resource;
	const problem = (severity: Problem["severity"], path: string, message: string, hint: string): void => {
		problems.push({
			severity,
			origin: resource.origin,
			resource: `VirtualIP ${metadata.namespace}/${metadata.name}`,
			path,
			message,
			hint,
		});
	};
	const before = problems.length;
	/** Lines in the words of `ip`. */
	const read = <T>(
		field: "addresses" | "excludedAddresses" | "routes" | "rules",
		parse: (text: string, report: LineProblem) => T | undefined,
	): readonly T[] =>
		(spec[field] ?? []).flatMap((text, index) => {
			const value = parse(text, (severity, message, hint) =>
				problem(severity, `spec.${field}[${index}]`, message, hint),
			);
			return value === undefined ? [] : [value];
		});
	const addresses = read("addresses", addressLine);
	const first = addresses[0]?.address ?? "";
	const family = familyOf(first) ?? "ipv4";
	const link = node.interface ?? spec.interface ?? facts.interfaceFor(first);
	if (link === undefined)
		problem(
			"error",
			"spec.interface",
			`no interface of ${node.node} has a network that holds ${first}`,
			"say which: interface: eth0",
		);
	const authentication = authenticationOf(spec, metadata.namespace, facts);
	if (authentication === undefined)
		problem(
			"error",
			"spec.authentication",
			`the key cannot be read: ${spec.authentication?.keyFile ?? `Secret ${spec.authentication?.secretName}`}`,
			"put it there, on every node; the virtual IP does not run without it",
		);
	const excludedAddresses = read("excludedAddresses", addressLine);
	const routes = read("routes", routeLine);
	const rules = read("rules", ruleLine);
	if (
		link === undefined ||
		authentication === undefined ||
		problems.slice(before).some(({ severity }) => severity === "error")
	)
		return undefined;
	const name = spec.instanceName ?? metadata.name;
	const priority = node.priority ?? spec.priority ?? 100;
	const decided = spec.lease?.role === "decides";
	const heartbeat = decided ? "off" : (spec.fastHeartbeat ?? "default");
	const { virtualMac } = spec;
	return {
		name,
		interface: link,
		family,
		version: spec.version ?? 3,
		virtualRouterId: spec.virtualRouterId,
		priority,
		initialState: node.initialState ?? spec.initialState ?? (priority === 255 ? "MASTER" : "BACKUP"),
		advertIntervalMs: msOf(spec.advertInterval, decided ? decidedIntervalMs : 1000),
		addresses,
		excludedAddresses,
		routes,
		...(rules.length > 0 ? { rules } : {}),
		transport: decided ? silence(node) : transportOf(spec, node, family),
		authentication,
		checksum3: "pseudoHeader",
		preempt: spec.preempt ?? true,
		preemptDelayMs: msOf(spec.preemptDelay, 0),
		...(spec.openConnections === "follow" ? { followsOpenConnections: true } : {}),
		downAfterAdverts: spec.downAfterAdverts ?? 3,
		announce: announceOf(spec),
		advertOnLowerPriority: spec.advertOnLowerPriority ?? true,
		advertOnHigherPriority: spec.advertOnHigherPriority ?? false,
		checkAddresses: spec.checkAddresses ?? true,
		strict: spec.strict ?? false,
		accept: spec.accept ?? true,
		...(virtualMac
			? {
					virtualMac: {
						interface: virtualMac.interface ?? `vrrp.${spec.virtualRouterId}`,
						...(virtualMac.mac === undefined ? {} : { mac: virtualMac.mac }),
						sendFromBase: virtualMac.sendFromBase ?? spec.transport?.type === "unicast",
					},
				}
			: {}),
		tracked: (spec.checks ?? []).map((check) => trackers.add(check, spec, name)),
		ignoresOwnInterface: spec.trackInterface === false,
		trackSourceAddress: spec.trackSourceAddress ?? false,
		health: {
			whenAllFail: spec.whenAllFail ?? "hold",
			holdDownMs: msOf(spec.holdDown, 10_000),
			maxHoldDownMs: msOf(spec.maxHoldDown, 300_000),
		},
		...(heartbeat === "off" ? {} : { fastHeartbeat: fastHeartbeats[heartbeat] }),
		...leaseOf(spec, metadata.namespace),
		notify: spec.notify ?? {},
	};
}

function leaseOf({ lease }: VirtualIPSpec, ownNamespace: string): Pick<InstanceConfig, "lease"> {
	if (!lease) return {};
	const { name, namespace = ownNamespace, directory, duration, maxDelay, role, whenUnreachable } = lease;
	const decides = role === "decides";
	const durationMs = duration === undefined ? undefined : msOf(duration, 0);
	return {
		lease: {
			name,
			namespace,
			...(directory === undefined ? {} : { directory }),
			...(durationMs === undefined && !decides ? {} : { durationMs: durationMs ?? decidingLeaseMs }),
			...(maxDelay === undefined ? {} : { maxDelayMs: msOf(maxDelay, 0) }),
			...(decides ? { decides } : {}),
			...(decides && whenUnreachable === "release" ? { releasesWhenUnreachable: true } : {}),
		},
	};
}

function authenticationOf(
	{ authentication }: VirtualIPSpec,
	namespace: string,
	facts: NodeFacts,
): VrrpAuthentication | undefined {
	if (!authentication) return { type: "none" };
	const { type, keyFile, secretName } = authentication;
	const place = {
		...(keyFile === undefined ? {} : { keyFile }),
		...(secretName === undefined ? {} : { secretName }),
		namespace,
	};
	const key = facts.key(place);
	return key === undefined || key === "" ? undefined : { type, key };
}

function transportOf(
	{ transport, nodes = [] }: VirtualIPSpec,
	own: VirtualIPNode,
	family: "ipv4" | "ipv6",
): VrrpTransport {
	const source = own.sourceAddress === undefined ? {} : { source: own.sourceAddress };
	if (transport?.type !== "unicast")
		return { type: "multicast", group: transport?.group ?? (family === "ipv4" ? "224.0.0.18" : "ff02::12"), ...source };
	const others = nodes.flatMap(({ node, sourceAddress }) =>
		node === own.node || sourceAddress === undefined ? [] : [sourceAddress],
	);
	const peers = (transport.peers ?? others).filter((address) => address !== own.sourceAddress);
	return {
		type: "unicast",
		...source,
		peers: peers.map((address) => ({ address })),
		ttl: transport.ttl ?? 255,
		checkSource: transport.checkSource ?? true,
	};
}

/** Nobody is spoken to, and nobody is heard. */
function silence({ sourceAddress }: VirtualIPNode): VrrpTransport {
	return {
		type: "unicast",
		...(sourceAddress === undefined ? {} : { source: sourceAddress }),
		peers: [],
		ttl: 255,
		checkSource: true,
	};
}

function announceOf({ garp = {} }: VirtualIPSpec): InstanceConfig["announce"] {
	const repeat = garp.repeat ?? 5;
	const delayMs = msOf(garp.delay, 5000);
	return {
		repeat,
		delayMs,
		refreshMs: msOf(garp.refresh, 0),
		refreshRepeat: garp.refreshRepeat ?? 1,
		spacingMs: msOf(garp.spacing, 0),
		lowerPriorityRepeat: garp.lowerPriorityRepeat ?? repeat,
		lowerPriorityDelayMs: msOf(garp.lowerPriorityDelay, delayMs),
	};
}
