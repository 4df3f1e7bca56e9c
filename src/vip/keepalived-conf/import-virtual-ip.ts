// keepalived.conf of one node or several in, VirtualIP resources out, with what was not carried over as comments in the YAML.

import type { VirtualIPCheck, VirtualIPNode, VirtualIPSpec } from "../../resources/kinds/virtual-ip.ts";
import type { InstanceConfig, TrackedBy, TrackerConfig, VipConfig } from "../vip-config.ts";
import { addressText, routeText, ruleText } from "./address-texts.ts";
import { weightOf } from "./build-config.ts";
import { withoutUndefined } from "./conf-addresses.ts";

export interface ImportSource {
	/** Name of the node, as resources will call it. */
	readonly node: string;
	readonly config: VipConfig;
}

export interface ImportedVirtualIp {
	readonly name: string;
	readonly spec: VirtualIPSpec;
	/** What the resource cannot say, one sentence each. */
	readonly notCarried: readonly string[];
	/** Where each key belongs. The keys themselves are not written anywhere. */
	readonly keyFile?: string;
}

interface Part {
	readonly source: ImportSource;
	readonly instance: InstanceConfig;
}

/** Instances of the same name on several nodes become one resource; one without addresses (version 2) becomes none. */
export function importVirtualIps(sources: readonly ImportSource[]): readonly ImportedVirtualIp[] {
	const byName = new Map<string, Part[]>();
	for (const source of sources)
		for (const instance of source.config.instances.filter(({ addresses }) => addresses.length > 0))
			byName.set(instance.name, [...(byName.get(instance.name) ?? []), { source, instance }]);
	const taken = new Set<string>();
	return [...byName.values()].flatMap((parts) => {
		const [first] = parts;
		return first ? [importOne(first, parts, sources.length, uniqueName(first.instance.name, taken))] : [];
	});
}

/** A name that Kubernetes takes. */
function uniqueName(name: string, taken: Set<string>): string {
	const base =
		name
			.toLowerCase()
			.replace(/[^a-z0-9]+/g, "-")
			.replace(/^-+|-+$/g, "")
			.slice(0, 50) || "virtual-ip";
	let unique = base;
	for (let count = 2; taken.has(unique); count++) unique = `${base}-${count}`;
	taken.add(unique);
	return unique;
}

function importOne(first: Part, parts: readonly Part[], nodes: number, name: string): ImportedVirtualIp {
	const { instance } = first;
	const { config } = first.source;
	const group = config.groups.find(({ members }) => members.includes(instance.name));
	const { authentication, virtualMac, transport, announce, health, routes, rules = [] } = instance;
	const keyFile = authentication.type === "none" ? undefined : `/etc/keepmesh/vip-${name}.key`;
	const spec: VirtualIPSpec = {
		addresses: instance.addresses.map(addressText),
		...(instance.excludedAddresses.length > 0
			? { excludedAddresses: instance.excludedAddresses.map(addressText) }
			: {}),
		interface: instance.interface,
		virtualRouterId: instance.virtualRouterId,
		version: instance.version,
		advertInterval: durationText(instance.advertIntervalMs),
		// A source address belongs to a node.
		...(nodes > 1 || transport.source !== undefined ? { nodes: parts.map(nodeOf(instance)) } : ownPart(instance)),
		transport: transportOf(parts),
		...(keyFile === undefined || authentication.type === "none"
			? {}
			: { authentication: { type: authentication.type, keyFile } }),
		...unless(instance.preempt, true, "preempt"),
		...(instance.preemptDelayMs > 0 ? { preemptDelay: durationText(instance.preemptDelayMs) } : {}),
		...(instance.tracked.length > 0 ? { checks: instance.tracked.flatMap((tracked) => checkOf(tracked, config)) } : {}),
		// keepalived releases what has failed, and does not hold moves back.
		whenAllFail: health.whenAllFail,
		holdDown: durationText(health.holdDownMs),
		maxHoldDown: durationText(health.maxHoldDownMs),
		fastHeartbeat: "off",
		...(virtualMac ? { virtualMac } : {}),
		garp: garpOf(announce),
		...(group ? { syncGroup: group.name } : {}),
		...(routes.length > 0 ? { routes: routes.map(routeText) } : {}),
		...(rules.length > 0 ? { rules: rules.map(ruleText) } : {}),
		...notifyOf(instance),
		...unless(instance.downAfterAdverts, 3, "downAfterAdverts"),
		...unless(instance.accept, true, "accept"),
		...unless(instance.strict, false, "strict"),
		...unless(instance.checkAddresses, true, "checkAddresses"),
		...(instance.ignoresOwnInterface ? { trackInterface: false } : {}),
		...unless(instance.trackSourceAddress, false, "trackSourceAddress"),
		...unless(instance.advertOnLowerPriority, true, "advertOnLowerPriority"),
		...unless(instance.advertOnHigherPriority, false, "advertOnHigherPriority"),
		...(instance.name === name ? {} : { instanceName: instance.name }),
	};
	return { name, spec, notCarried: notCarried(first, parts), ...(keyFile === undefined ? {} : { keyFile }) };
}

function ownPart(instance: InstanceConfig): Pick<VirtualIPSpec, "priority" | "initialState"> {
	return { priority: instance.priority, initialState: instance.initialState };
}

const nodeOf =
	(shared: InstanceConfig) =>
	({ source, instance }: Part): VirtualIPNode => ({
		node: source.node,
		priority: instance.priority,
		initialState: instance.initialState,
		...withoutUndefined({ sourceAddress: instance.transport.source }),
		...(instance.interface === shared.interface ? {} : { interface: instance.interface }),
	});

/** Peers are those of the nodes' source addresses, where they all name each other. */
function transportOf(parts: readonly Part[]): VirtualIPSpec["transport"] {
	const [first] = parts;
	const transport = first?.instance.transport;
	if (transport?.type !== "unicast") return { type: "multicast", group: transport?.group ?? "224.0.0.18" };
	const sources = parts.flatMap(({ instance }) => instance.transport.source ?? []);
	const everybody = [
		...new Set([
			...parts.flatMap(({ instance }) =>
				instance.transport.type === "unicast" ? instance.transport.peers.map(({ address }) => address) : [],
			),
			...sources,
		]),
	];
	const agree = parts.length > 1 && everybody.every((address) => sources.includes(address));
	const peers = parts.length > 1 ? everybody : transport.peers.map(({ address }) => address);
	return { type: "unicast", ...(agree ? {} : { peers }), ttl: transport.ttl, checkSource: transport.checkSource };
}

function garpOf({
	repeat,
	delayMs,
	refreshMs,
	refreshRepeat,
	spacingMs,
	lowerPriorityRepeat,
	lowerPriorityDelayMs,
}: InstanceConfig["announce"]): VirtualIPSpec["garp"] {
	return {
		repeat,
		delay: durationText(delayMs),
		...(refreshMs > 0 ? { refresh: durationText(refreshMs) } : {}),
		...(refreshRepeat === 1 ? {} : { refreshRepeat }),
		...(spacingMs > 0 ? { spacing: durationText(spacingMs) } : {}),
		lowerPriorityRepeat,
		lowerPriorityDelay: durationText(lowerPriorityDelayMs),
	};
}

function notifyOf({ notify }: InstanceConfig): Pick<VirtualIPSpec, "notify"> {
	const { users: _users, sendsDeleted: _sendsDeleted, priorityChanges: _priorityChanges, ...commands } = notify;
	return Object.keys(commands).length > 0 ? { notify: commands } : {};
}

function checkOf(tracked: TrackedBy, { trackers, global }: VipConfig): readonly VirtualIPCheck[] {
	const tracker = trackers.find(({ name }) => name === tracked.tracker);
	const what = tracker && whatOf(tracker, global.scripts);
	if (!tracker || !what) return [];
	const { check, rise, fall, startsFailed, firstResultDecides } = tracker;
	return [
		{
			name: tracker.name,
			...what,
			...("intervalMs" in check
				? { interval: durationText(check.intervalMs), timeout: durationText(check.timeoutMs) }
				: {}),
			rise,
			fall,
			weight: weightOf(tracked, trackers),
			...((tracked.reverse ?? tracker.reverse) ? { reverse: true } : {}),
			...(startsFailed ? { startsFailed } : {}),
			...(firstResultDecides ? { firstResultDecides } : {}),
		},
	];
}

/** undefined for what a VirtualIP cannot track. */
function whatOf({ check }: TrackerConfig, shared: VipConfig["global"]["scripts"]): Partial<VirtualIPCheck> | undefined {
	switch (check.type) {
		case "script":
			return { script: { command: check.argv, ...ownerOf(check.user, check.group, shared) } };
		case "file":
			return {
				file: { path: check.path, ...withoutUndefined({ initial: check.initial, overwrites: check.overwrites }) },
			};
		case "process": {
			const { type: _type, delayMs, terminateDelayMs, ...rest } = check;
			return {
				process: {
					...rest,
					...(delayMs > 0 ? { delay: durationText(delayMs) } : {}),
					...(terminateDelayMs ? { terminateDelay: durationText(terminateDelayMs) } : {}),
				},
			};
		}
		case "interface":
			return { interface: check.interface };
		case "route":
			return { route: check.destination };
		case "tcp":
			return { tcp: { host: check.host, port: check.port } };
		case "http":
			return { http: { url: check.url, ...(check.insecure ? { insecure: true } : {}) } };
		case "grpc":
			return { grpc: { host: check.host, port: check.port, service: check.service } };
		case "bfd":
			return undefined;
		default:
			return check satisfies never;
	}
}

/** script_user of the file, where the script names nobody; root is the default of VirtualIPs. */
function ownerOf(
	user: string | undefined,
	group: string | undefined,
	shared: VipConfig["global"]["scripts"],
): { user?: string; group?: string } {
	if (user !== undefined) return withoutUndefined({ user, group });
	return shared.user === "root" && shared.group === undefined
		? {}
		: withoutUndefined({ user: shared.user, group: shared.group });
}

function unless<K extends keyof VirtualIPSpec>(
	value: VirtualIPSpec[K],
	usual: VirtualIPSpec[K],
	field: K,
): Partial<VirtualIPSpec> {
	return value === usual ? {} : { [field]: value };
}

/** `1s`, `400ms`, `1.5ms` */
export function durationText(ms: number): string {
	return ms % 1000 === 0 ? `${ms / 1000}s` : `${ms}ms`;
}

function notCarried({ source, instance }: Part, parts: readonly Part[]): readonly string[] {
	const { config } = source;
	const { notify, transport } = instance;
	const group = config.groups.find(({ members }) => members.includes(instance.name));
	const bfd = instance.tracked.flatMap(({ tracker }) =>
		config.trackers.filter(({ name, check }) => name === tracker && check.type === "bfd"),
	);
	const said: string[] = [];
	for (const { name } of bfd)
		said.push(`track_bfd ${name}: VirtualIPs have no BFD; the fast heartbeat between Keepmesh nodes does its work`);
	if (instance.authentication.type === "hmac") {
		const { keyId = 1, mode, otherKeys, windowSeconds } = instance.authentication;
		if (otherKeys || keyId !== 1)
			said.push("numbers of keys of auth_hmac, and keys that only verify: the key that signs has number 1");
		if (mode === "permissive")
			said.push(
				"mode permissive of auth_hmac: a VirtualIP drops adverts that are not signed; give every router the key first",
			);
		if (windowSeconds === 0)
			said.push("anti_replay monotonic of auth_hmac: clocks may differ by 3 intervals, at least 5 s");
		else if (windowSeconds !== undefined)
			said.push(`time_window ${windowSeconds} of auth_hmac: clocks may differ by 3 intervals, at least 5 s`);
	}
	if (instance.checksum3 === "messageOnly")
		said.push("v3_checksum_as_v2: adverts carry the checksum with the pseudo-header, and both are taken");
	if (notify.users) said.push("users of notify scripts: scripts run as the user of keepmesh vip");
	if (notify.sendsDeleted) said.push("notify_deleted without a command");
	if (notify.priorityChanges) said.push("notify_priority_changes");
	if (instance.promoteSecondaries) said.push("promote_secondaries: set net.ipv4.conf.IF.promote_secondaries");
	if (instance.faultWithoutPeers) said.push("unicast_fault_no_peer: a VirtualIP without peers is refused");
	if (instance.announce.neighbourSpacingMs !== undefined) said.push("vrrp_gna_interval: garp.spacing counts for both");
	if (
		transport.type === "unicast" &&
		transport.peers.some(({ minTtl, maxTtl }) => minTtl !== undefined || maxTtl !== undefined)
	)
		said.push("min_ttl and max_ttl of unicast peers");
	if (group && group.tracked.length > 0)
		said.push(`what vrrp_sync_group ${group.name} tracks: add it to the checks of each member`);
	if (group && Object.keys(group.notify).length > 0)
		said.push(`notify scripts of vrrp_sync_group ${group.name}: add them to the members`);
	if (group && !group.usesWeights && instance.tracked.some((tracked) => weightOf(tracked, config.trackers) !== 0))
		said.push(`keepalived passes over weighted checks of members of vrrp_sync_group ${group.name}; here they count`);
	if (config.global.notifyFifos.length > 0) said.push("notify_fifo: it belongs to the machine, not to a VirtualIP");
	if (config.global.startupDelayMs > 0) said.push("vrrp_startup_delay");
	if (config.global.interfaceDelays) said.push("interface_up_down_delays");
	for (const part of parts.slice(1)) {
		const other = { ...part.instance, priority: 0, initialState: "", transport: "", tracked: "", interface: "" };
		const own = { ...instance, priority: 0, initialState: "", transport: "", tracked: "", interface: "" };
		const differing = Object.keys(own).filter(
			(field) => JSON.stringify(own[field as "name"]) !== JSON.stringify(other[field as "name"]),
		);
		if (differing.length > 0)
			said.push(`${part.source.node} differs in ${differing.join(", ")}: what ${source.node} says is written here`);
		if (JSON.stringify(part.instance.tracked) !== JSON.stringify(instance.tracked))
			said.push(`${part.source.node} tracks something else: what ${source.node} tracks is written here`);
	}
	return said;
}
