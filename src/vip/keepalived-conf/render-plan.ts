// What a VipConfig will do, as a text: each instance, who speaks to whom, timers, and what is tracked with which effect.

import type { InstanceConfig, TrackerCheck, TrackerConfig, VipConfig, VirtualAddress } from "../vip-config.ts";
import { weightOf } from "./build-config.ts";
import { detection, failoverTimes, renderSpan, skewMs } from "./failover-times.ts";

/** `others`: the same virtual router on other nodes, for the times of failover. */
export function renderPlan(
	config: VipConfig,
	others: (instance: InstanceConfig) => readonly InstanceConfig[] = () => [],
): string {
	const instances = config.instances.map((instance) => renderInstance(instance, config, others(instance)));
	const groups = config.groups.map(
		({ name, members, usesWeights }) =>
			`group ${name}: ${members.join(", ")} move together${usesWeights ? "" : "; weighted checks of members do not count"}`,
	);
	return `${[...instances, ...groups].join("\n\n")}\n`;
}

function renderInstance(instance: InstanceConfig, config: VipConfig, others: readonly InstanceConfig[]): string {
	const { name, version, virtualRouterId, interface: link, priority, initialState } = instance;
	const lines = [
		`${name}: VRRP version ${version}, VRID ${virtualRouterId} on ${link}`,
		`  addresses  ${instance.addresses.map(renderAddress).join(", ") || "none"}`,
		...(instance.excludedAddresses.length > 0
			? [`  with them  ${instance.excludedAddresses.map(renderAddress).join(", ")}`]
			: []),
		`  speaks     ${renderTransport(instance)}, every ${instance.advertIntervalMs} ms, ${renderAuthentication(instance)}`,
		`  priority   ${priority}, starts as ${initialState}${renderStart(instance)}`,
		`  takes over ${renderPreemption(instance)}`,
		`  a node is gone after ${instance.downAfterAdverts} x ${instance.advertIntervalMs} ms + skew ${renderSpan(span(skewMs(instance)))}`,
		...instance.tracked.map(
			(tracked) =>
				`  tracks     ${renderTracked(tracked.tracker, weightOf(tracked, config.trackers), tracked.reverse, config.trackers, instance)}`,
		),
		...(instance.ignoresOwnInterface ? [] : [`  tracks     ${link}: down is a fault, the addresses go`]),
		...renderTimes(instance, others, config.trackers),
	];
	return lines.join("\n");
}

const span = (ms: number) => ({ minMs: ms, maxMs: ms });

function renderAddress({ address, prefixLength, interface: link, label }: VirtualAddress): string {
	return `${address}/${prefixLength}${link === undefined ? "" : ` on ${link}`}${label === undefined ? "" : ` as ${label}`}`;
}

function renderTransport({ transport }: InstanceConfig): string {
	const from = transport.source === undefined ? "" : ` from ${transport.source}`;
	if (transport.type === "multicast") return `multicast to ${transport.group}${from}`;
	const checked = transport.checkSource ? "" : " (and hears anybody)";
	return `unicast${from} to ${transport.peers.map(({ address }) => address).join(", ") || "nobody"}${checked}`;
}

function renderAuthentication({ authentication }: InstanceConfig): string {
	switch (authentication.type) {
		case "none":
			return "no authentication";
		case "pass":
			return "password in clear text";
		case "ah":
			return "authentication header";
		case "hmac":
			return "HMAC";
		default:
			return authentication satisfies never;
	}
}

function renderStart({ priority, initialState, downAfterAdverts, advertIntervalMs, version }: InstanceConfig): string {
	if (priority === 255 && initialState === "MASTER") return ": owns the addresses, claims at once";
	const ms = downAfterAdverts * advertIntervalMs + skewMs({ priority, version, advertIntervalMs });
	return `: claims ${renderSpan(span(ms))} after the start when nobody else speaks`;
}

function renderPreemption({ preempt, preemptDelayMs }: InstanceConfig): string {
	if (!preempt) return "never from a node that owns the addresses (nopreempt)";
	return preemptDelayMs > 0 ? `from a lower priority, after ${preemptDelayMs} ms` : "from a lower priority, at once";
}

function renderTracked(
	name: string,
	weight: number,
	reverse: boolean | undefined,
	trackers: readonly TrackerConfig[],
	{ priority }: InstanceConfig,
): string {
	const tracker = trackers.find((one) => one.name === name);
	if (!tracker) return name;
	const seen = detection(tracker);
	const when = seen.maxMs === 0 ? "at once" : `after ${renderSpan(seen)}`;
	return `${name} (${renderCheck(tracker.check)}): ${effectOf(weight, reverse ?? tracker.reverse, tracker, priority)}, ${when}`;
}

function effectOf(weight: number, reverse: boolean, { failureClass, check }: TrackerConfig, priority: number): string {
	if (failureClass === "dead" || weight === 0)
		return reverse ? "good is a fault, the addresses go" : "failed is a fault, the addresses go";
	if (check.type === "file") return `its number x ${reverse ? -weight : weight} is added to the priority`;
	if (priority === 255) return "no effect on priority 255";
	const changed = Math.min(254, Math.max(1, priority + (reverse ? -weight : weight)));
	return weight > 0 ? `good makes the priority ${changed}` : `failed makes the priority ${changed}`;
}

function renderCheck(check: TrackerCheck): string {
	switch (check.type) {
		case "script":
			return `script ${check.argv.join(" ")} every ${check.intervalMs} ms`;
		case "file":
			return `file ${check.path}`;
		case "process":
			return `process ${check.name}${check.quorum === 1 ? "" : `, ${check.quorum} of it`}`;
		case "interface":
			return "link";
		case "route":
			return `route to ${check.destination}`;
		case "tcp":
			return `TCP ${check.host}:${check.port} every ${check.intervalMs} ms`;
		case "http":
			return `${check.url} every ${check.intervalMs} ms`;
		case "grpc":
			return `gRPC health ${check.host}:${check.port} every ${check.intervalMs} ms`;
		case "bfd":
			return `BFD with ${check.peer}`;
		default:
			return check satisfies never;
	}
}

function renderTimes(
	instance: InstanceConfig,
	others: readonly InstanceConfig[],
	trackers: readonly TrackerConfig[],
): readonly string[] {
	const all = [instance, ...others].sort((a, b) => b.priority - a.priority);
	const [owner = instance, next] = all;
	// Alone, the other node is taken for one of the default priority.
	const backup = next ?? { ...owner, priority: Math.min(100, owner.priority) };
	if (next !== undefined && owner !== instance) return [];
	const { crash, stop, checks } = failoverTimes(owner, backup, trackers);
	const to =
		next === undefined ? `another node of priority ${backup.priority}` : `the node of priority ${backup.priority}`;
	return [
		`  without an owner, until ${to} takes over: crash ${renderSpan(crash)}, stop ${renderSpan(stop)}${checks.map(({ tracker, span: time }) => `, ${tracker} fails ${renderSpan(time)}`).join("")}`,
	];
}
