// ServiceEntry and WorkloadEntry: how hosts, addresses, resolution and endpoints go together.

import type { ConfigObject } from "../config-object.ts";
import type { Findings, Path } from "../findings.ts";
import type { ServiceEntrySpec, WorkloadEntrySpec } from "../kinds/networking.ts";
import { checkHostname, checkWildcardHost } from "./check-host.ts";
import { checkExportTo } from "./export-to-rules.ts";
import { hostnameError, isDnsLabel, isIpAddress, isPartialWildcard, unixSocketError } from "./host-rules.ts";
import { checkLabels, checkSelector } from "./label-rules.ts";
import { checkSubnet } from "./layer4-route-rules.ts";
import { isHttp, isProtocol, isTcp, isTls, protocolsHint } from "./protocol-rules.ts";

export function checkWorkloadEntry(object: ConfigObject<"WorkloadEntry">, findings: Findings): void {
	checkEndpoint(object.spec, ["spec"], { addresses: "any" }, findings);
}

export function checkServiceEntry(object: ConfigObject<"ServiceEntry">, findings: Findings): void {
	const { spec } = object;
	if (spec.workloadSelector) checkSelector(spec.workloadSelector.labels, ["spec", "workloadSelector"], findings);
	if (spec.workloadSelector && spec.endpoints)
		findings.error(["spec", "endpoints"], "endpoints and workloadSelector exclude each other", "keep one of them");
	checkHosts(spec, findings);
	checkAddresses(spec, findings);
	checkPorts(spec, findings);
	checkResolution(spec, findings);
	checkSeveralHosts(spec, findings);
	checkExportTo(object, spec.exportTo, findings);
}

function checkHosts(spec: ServiceEntrySpec, findings: Findings): void {
	const hosts = spec.hosts ?? [];
	for (const [index, host] of hosts.entries()) {
		const path = ["spec", "hosts", index];
		if (host === "*") findings.error(path, '"*" is not allowed', "name a domain, such as *.example.com");
		else if (checkWildcardHost(host, path, findings) && isPartialWildcard(host))
			findings.warning(
				path,
				`${JSON.stringify(host)} has a wildcard inside a part: it matches nothing`,
				"write *.example.com",
			);
	}
}

function checkAddresses(spec: ServiceEntrySpec, findings: Findings): void {
	const resolution = spec.resolution ?? "NONE";
	for (const [index, address] of (spec.addresses ?? []).entries()) {
		const path = ["spec", "addresses", index];
		checkSubnet(address, path, findings);
		if (address.includes("/") && resolution !== "NONE" && resolution !== "STATIC")
			findings.error(
				path,
				`${address} is a block of addresses, which resolution ${resolution} cannot have`,
				"use resolution NONE or STATIC, or one address",
			);
	}
}

function checkPorts(spec: ServiceEntrySpec, findings: Findings): void {
	const names = new Set<string>();
	const numbers = new Set<number>();
	for (const [index, port] of (spec.ports ?? []).entries()) {
		const path = ["spec", "ports", index];
		const name = port.name ?? "";
		if (names.has(name)) findings.error([...path, "name"], `two ports are named ${JSON.stringify(name)}`, "rename one");
		if (numbers.has(port.number))
			findings.error([...path, "number"], `port ${port.number} is there twice`, "remove one");
		names.add(name);
		numbers.add(port.number);
		if (!isDnsLabel(name))
			findings.error([...path, "name"], `${JSON.stringify(name)} is not a name of a port`, "use letters, digits and -");
		if (port.protocol && !isProtocol(port.protocol))
			findings.error([...path, "protocol"], `${JSON.stringify(port.protocol)} is not a protocol`, protocolsHint);
	}
}

function checkResolution(spec: ServiceEntrySpec, findings: Findings): void {
	const { resolution = "NONE", endpoints = [], hosts = [] } = spec;
	const ports = new Set((spec.ports ?? []).map((port) => port.name ?? ""));
	const endpointsPath = ["spec", "endpoints"];
	if (resolution === "NONE" && endpoints.length > 0)
		findings.error(
			endpointsPath,
			"resolution NONE goes where the client meant to go: endpoints have no use",
			"use resolution STATIC or DNS",
		);
	if (resolution !== "STATIC" && spec.workloadSelector)
		findings.warning(
			["spec", "workloadSelector"],
			`has no effect with resolution ${resolution}`,
			"use resolution STATIC",
		);
	if (resolution === "DNS_ROUND_ROBIN" && endpoints.length > 1)
		findings.error(
			endpointsPath,
			`resolution DNS_ROUND_ROBIN has one endpoint at the most, found ${endpoints.length}`,
			"use resolution DNS",
		);
	if (resolution === "DYNAMIC_DNS") checkDynamicDns(spec, findings);
	if ((resolution === "DNS" || resolution === "DNS_ROUND_ROBIN") && endpoints.length === 0)
		for (const [index, host] of hosts.entries())
			if (host !== "*" && hostnameError(host))
				findings.error(
					["spec", "hosts", index],
					`${JSON.stringify(host)} cannot be looked up in DNS`,
					"name one host, add endpoints, or use resolution DYNAMIC_DNS",
				);
	const addresses = resolution === "STATIC" ? "ip" : "name";
	for (const [index, endpoint] of endpoints.entries())
		checkEndpoint(endpoint, [...endpointsPath, index], { addresses, ports }, findings);
}

function checkDynamicDns(spec: ServiceEntrySpec, findings: Findings): void {
	for (const [index, host] of (spec.hosts ?? []).entries())
		if (!host.startsWith("*."))
			findings.error(
				["spec", "hosts", index],
				`resolution DYNAMIC_DNS is for wildcard hosts, found ${JSON.stringify(host)}`,
				"write *.example.com, or use resolution DNS",
			);
	if (spec.endpoints?.length)
		findings.error(
			["spec", "endpoints"],
			"resolution DYNAMIC_DNS looks up each host: endpoints have no use",
			"remove them",
		);
}

/** Plain TCP cannot tell hosts apart, except by where the client meant to go. */
function checkSeveralHosts(spec: ServiceEntrySpec, findings: Findings): void {
	const { resolution = "NONE", hosts = [], ports = [] } = spec;
	if (hosts.length < 2 || resolution === "NONE") return;
	const plain = ports.findIndex((port) => !isHttp(port.protocol) && !isTls(port.protocol));
	if (plain >= 0)
		findings.error(
			["spec", "ports", plain, "protocol"],
			"several hosts cannot share a port that is neither HTTP nor TLS",
			"use one ServiceEntry for each host",
		);
	else if ((spec.addresses?.length ?? 0) > 0 && ports.some((port) => isTcp(port.protocol)))
		findings.warning(
			["spec", "hosts"],
			"several hosts share addresses and a TCP port",
			"use one ServiceEntry for each host",
		);
}

/** `addresses`: what an address may be; IPs and Unix sockets, IPs and names to look up, or (not known yet) all three. */
function checkEndpoint(
	endpoint: WorkloadEntrySpec,
	path: Path,
	context: { readonly addresses: "ip" | "name" | "any"; readonly ports?: ReadonlySet<string> },
	findings: Findings,
): void {
	const { address = "", network } = endpoint;
	const at = [...path, "address"];
	if (address.startsWith("unix://") && context.addresses !== "name")
		checkUnixEndpoint(endpoint, path, context.ports, findings);
	else if (address === "" && network)
		findings.warning(
			at,
			`is not set: traffic goes to the gateway of network ${JSON.stringify(network)}`,
			"add address if it can be reached directly",
		);
	else if (address === "") findings.error(at, "address is missing", "add an address");
	else if (context.addresses === "ip" && !isIpAddress(address))
		findings.error(at, `must be an address, found ${JSON.stringify(address)}`, "use resolution DNS for host names");
	else if (!isIpAddress(address)) checkHostname(address, at, findings);
	for (const name of Object.keys(endpoint.ports ?? {})) {
		if (!isDnsLabel(name))
			findings.error(
				[...path, "ports", name],
				`${JSON.stringify(name)} is not a name of a port`,
				"use letters, digits and -",
			);
		else if (context.ports && !context.ports.has(name))
			findings.error(
				[...path, "ports", name],
				`the ServiceEntry has no port named ${JSON.stringify(name)}`,
				`its ports are ${[...context.ports].join(", ")}`,
			);
	}
	checkLabels(endpoint.labels, [...path, "labels"], findings);
}

function checkUnixEndpoint(
	endpoint: WorkloadEntrySpec,
	path: Path,
	ports: ReadonlySet<string> | undefined,
	findings: Findings,
): void {
	const wrong = unixSocketError((endpoint.address ?? "").slice("unix://".length));
	if (wrong) findings.error([...path, "address"], wrong, "for example unix:///run/app.sock");
	if (Object.keys(endpoint.ports ?? {}).length > 0)
		findings.error([...path, "ports"], "a Unix socket has no ports", "remove them");
	if (ports && ports.size !== 1)
		findings.error(path, "a Unix socket serves exactly one port", "use one ServiceEntry for each port");
}
