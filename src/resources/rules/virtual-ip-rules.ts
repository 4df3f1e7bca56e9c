// VirtualIP: rules beyond the types. What the words of addresses and routes mean is checked where they are read (src/vip).

import type { ConfigObject } from "../config-object.ts";
import type { Findings, Path } from "../findings.ts";
import type { VirtualIPCheck, VirtualIPSpec } from "../kinds/virtual-ip.ts";
import { parseDurationMs } from "../text/duration.ts";
import { isIpAddress } from "./host-rules.ts";

export function checkVirtualIp(object: ConfigObject<"VirtualIP">, findings: Findings): void {
	const { spec } = object;
	checkAddresses(spec, findings);
	checkInterval(spec, findings);
	checkNodes(spec, findings);
	checkTransport(spec, findings);
	checkAuthentication(spec, findings);
	checkOwner(spec, findings);
	checkLease(spec, findings);
	checkChecks(spec.checks, findings);
}

/** Also of a VirtualIPPool. */
export function checkChecks(checks: readonly VirtualIPCheck[] | undefined, findings: Findings): void {
	const names = new Set<string>();
	for (const [index, check] of (checks ?? []).entries()) {
		const path = ["spec", "checks", index];
		if (names.has(check.name))
			findings.error(
				[...path, "name"],
				`there is a check ${JSON.stringify(check.name)} already`,
				"names of checks are unique",
			);
		names.add(check.name);
		checkOneCheck(check, path, findings);
	}
}

function familyOf(text: string): 4 | 6 | undefined {
	const [address = ""] = text.split(/[/\s]/);
	if (!isIpAddress(address)) return undefined;
	return address.includes(":") ? 6 : 4;
}

function checkAddresses(spec: VirtualIPSpec, findings: Findings): void {
	const first = familyOf(spec.addresses[0] ?? "");
	for (const field of ["addresses", "excludedAddresses"] as const)
		for (const [index, text] of (spec[field] ?? []).entries()) {
			const family = familyOf(text);
			const path = ["spec", field, index];
			if (family === undefined)
				findings.error(path, `${JSON.stringify(text)} is no address`, "write 192.168.1.100/24 or 2001:db8::100/64");
			else if (!/^[^/\s]+\/\d/.test(text))
				findings.warning(
					path,
					`${JSON.stringify(text)} has no prefix length: it is added as a single address`,
					"write the network's, like 192.168.1.100/24",
				);
			if (field === "addresses" && family !== undefined && first !== undefined && family !== first)
				findings.error(
					path,
					"the addresses of one VirtualIP are of one family",
					"put it into excludedAddresses, or into a VirtualIP of its own",
				);
		}
	if (spec.version === 2 && first === 6)
		findings.error(["spec", "version"], "version 2 has no IPv6", "take version out, or write 3");
}

/** Also of a VirtualIPPool. */
export function checkInterval(
	{ advertInterval, version }: Pick<VirtualIPSpec, "advertInterval" | "version">,
	findings: Findings,
): void {
	const ms = parseDurationMs(advertInterval ?? "1s") ?? 1000;
	const path = ["spec", "advertInterval"];
	if (version === 2 && (ms % 1000 !== 0 || ms < 1000 || ms > 255_000))
		findings.error(
			path,
			`version 2 has whole seconds from 1s to 255s, found ${advertInterval}`,
			"write 1s, or version: 3",
		);
	else if (version !== 2 && (ms % 10 !== 0 || ms < 10 || ms > 40_950))
		findings.error(
			path,
			`version 3 has steps of 10ms from 10ms to 40.95s, found ${advertInterval}`,
			"write 100ms, 1s ...",
		);
}

function checkNodes(spec: VirtualIPSpec, findings: Findings): void {
	const names = new Set<string>();
	const priorities = new Map<number, string>();
	for (const [index, { node, priority = spec.priority ?? 100, sourceAddress }] of (spec.nodes ?? []).entries()) {
		const path: Path = ["spec", "nodes", index];
		if (names.has(node))
			findings.error([...path, "node"], `the node ${JSON.stringify(node)} is named twice`, "name each node once");
		names.add(node);
		const other = priorities.get(priority);
		if (other !== undefined)
			findings.warning(
				[...path, "priority"],
				`${node} and ${other} have the same priority ${priority}: the higher address decides`,
				"give each node a priority of its own",
			);
		priorities.set(priority, node);
		if (sourceAddress !== undefined && !isIpAddress(sourceAddress))
			findings.error(
				[...path, "sourceAddress"],
				`${JSON.stringify(sourceAddress)} is no address`,
				"write the node's address",
			);
	}
}

function checkTransport({ transport, nodes, nodeSelector }: VirtualIPSpec, findings: Findings): void {
	const path = ["spec", "transport"];
	const peers = transport?.peers ?? [];
	for (const [index, peer] of peers.entries())
		if (!isIpAddress(peer))
			findings.error([...path, "peers", index], `${JSON.stringify(peer)} is no address`, "write a peer's address");
	if (transport?.type !== "unicast") {
		if (peers.length > 0) findings.error([...path, "peers"], "peers belong to unicast", "write type: unicast");
		return;
	}
	// Nodes of a cluster are known by their addresses there.
	if (nodeSelector !== undefined) return;
	const without = (nodes ?? []).find(({ sourceAddress }) => sourceAddress === undefined);
	if (peers.length === 0 && (nodes ?? []).length < 2)
		findings.error(
			path,
			"unicast needs peers, or two nodes with a sourceAddress",
			"add peers: [ADDRESS], or nodes with sourceAddress",
		);
	else if (peers.length === 0 && without)
		findings.error(
			["spec", "nodes"],
			`${without.node} has no sourceAddress: the others cannot reach it by unicast`,
			"add sourceAddress",
		);
}

/** Also of a VirtualIPPool, whose version is 3. */
export function checkAuthentication(
	{ authentication, version }: Pick<VirtualIPSpec, "authentication" | "version">,
	findings: Findings,
): void {
	if (!authentication) return;
	const path = ["spec", "authentication"];
	const { type, secretName, keyFile } = authentication;
	if ((secretName === undefined) === (keyFile === undefined))
		findings.error(path, "one of secretName and keyFile says where the key is", "write keyFile: /etc/keepmesh/vip.key");
	if (type !== "hmac" && version !== 2)
		findings.error(
			[...path, "type"],
			`authentication ${type} exists in version 2 only`,
			"write version: 2, or type: hmac",
		);
	if (type === "pass")
		findings.warning(
			[...path, "type"],
			"the password travels in clear text, and only 8 bytes of it count",
			"it keeps mistakes out, not attackers; hmac does",
		);
}

/** Also of a VirtualIPPool. */
export function checkLease({ lease }: Pick<VirtualIPSpec, "lease">, findings: Findings): void {
	if (!lease) return;
	const path = ["spec", "lease"];
	if (lease.directory !== undefined && !lease.directory.startsWith("/"))
		findings.error(
			[...path, "directory"],
			`${JSON.stringify(lease.directory)} is not absolute`,
			"give the directory that the nodes share, like /srv/keepmesh/leases",
		);
	const durationMs = parseDurationMs(lease.duration ?? "15s") ?? 0;
	if (durationMs % 1000 !== 0 || durationMs < 3000)
		findings.error(
			[...path, "duration"],
			`must be whole seconds, 3s at least, found ${lease.duration}`,
			"leave it out: 15s, renewed at a third of that",
		);
	if (lease.role !== "decides" && lease.whenUnreachable !== undefined)
		findings.error(
			[...path, "whenUnreachable"],
			"a lease that advises never takes addresses away, whatever becomes of it",
			"take it out, or write role: decides",
		);
	if (lease.role === "decides" && lease.maxDelay !== undefined)
		findings.error([...path, "maxDelay"], "who does not hold a lease that decides waits until it does", "take it out");
	if ((parseDurationMs(lease.maxDelay ?? "1s") ?? 0) > 60_000)
		findings.error([...path, "maxDelay"], `must be 1m at most, found ${lease.maxDelay}`, "leave it out: 1s");
}

function checkOwner({ priority, checks, nodes }: VirtualIPSpec, findings: Findings): void {
	const owners = (nodes ?? []).filter((node) => (node.priority ?? priority) === 255);
	if (owners.length > 1)
		findings.error(
			["spec", "nodes"],
			"two nodes have priority 255, which owns the addresses",
			"give it to one node, or to none",
		);
	const weighted = (checks ?? []).some((check) => (check.weight ?? 0) !== 0 || check.class === "degraded");
	if (weighted && (owners.length > 0 || priority === 255))
		findings.warning(
			["spec", "checks"],
			"a weight cannot lower priority 255",
			"give the node 254 or less, or class: dead",
		);
}

const sorts = [
	"script",
	"file",
	"process",
	"interface",
	"route",
	"tcp",
	"http",
	"grpc",
	"envoyReady",
	"controlReady",
	"apiServer",
] as const;

function checkOneCheck(check: VirtualIPCheck, path: Path, findings: Findings): void {
	const set = sorts.filter((sort) => check[sort] !== undefined);
	if (set.length !== 1)
		findings.error(
			path,
			set.length === 0 ? "the check says nothing to check" : `the check says ${set.join(" and ")}`,
			`set one of ${sorts.join(", ")}`,
		);
	if (check.http && !/^https?:\/\/[^/]+/.test(check.http.url))
		findings.error(
			[...path, "http", "url"],
			`${JSON.stringify(check.http.url)} is no URL of http or https`,
			"write http://127.0.0.1:8080/healthz",
		);
	if (check.file && !check.file.path.startsWith("/"))
		findings.error([...path, "file", "path"], `${JSON.stringify(check.file.path)} is not absolute`, "begin it with /");
	if (check.class === "dead" && (check.weight ?? 0) !== 0)
		findings.error([...path, "weight"], "class dead releases at once, whatever the weight", "take one of the two out");
	if (check.class === "degraded" && check.weight === 0)
		findings.error(
			[...path, "weight"],
			"weight 0 lowers nothing",
			"take it out: the default crosses the gap between the nodes",
		);
	if (check.weight !== undefined && Math.abs(check.weight) > 253 && !check.file && !check.process)
		findings.error([...path, "weight"], `must be from -253 to 253, found ${check.weight}`, "");
	const intervalMs = parseDurationMs(check.interval ?? "0s") ?? 0;
	if (check.interval !== undefined && intervalMs < 10)
		findings.error([...path, "interval"], `must be 10ms at least, found ${check.interval}`, "write 50ms");
}
