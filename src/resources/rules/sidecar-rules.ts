// Sidecar: what a workload's proxy listens on (ingress) and which services it knows (egress).

import type { ConfigObject } from "../config-object.ts";
import type { Findings, Path } from "../findings.ts";
import type { SidecarSpec } from "../kinds/networking.ts";
import { checkHostname } from "./check-host.ts";
import { checkDestination } from "./destination-rules.ts";
import { isDnsLabel, isIpAddress, scopedHostError, unixSocketError } from "./host-rules.ts";
import { checkSelector } from "./label-rules.ts";
import { isHttp, isProtocol, protocolsHint } from "./protocol-rules.ts";
import { checkServerTls } from "./server-tls-rules.ts";
import { checkConnectionPool } from "./traffic-policy-rules.ts";

type Ingress = NonNullable<SidecarSpec["ingress"]>[number];
type Egress = NonNullable<SidecarSpec["egress"]>[number];

export function checkSidecar(object: ConfigObject<"Sidecar">, findings: Findings): void {
	const { spec } = object;
	const { ingress = [], egress = [] } = spec;
	if (spec.workloadSelector) checkSelector(spec.workloadSelector.labels, ["spec", "workloadSelector"], findings);
	if (ingress.length + egress.length === 0 && !spec.outboundTrafficPolicy && !spec.inboundConnectionPool)
		findings.error(["spec"], "is empty", "add egress, ingress, outboundTrafficPolicy or inboundConnectionPool");
	checkConnectionPool(spec.inboundConnectionPool, ["spec", "inboundConnectionPool"], findings);
	const ports = new Set<number>();
	for (const [index, listener] of ingress.entries()) {
		const path = ["spec", "ingress", index];
		checkIngress(listener, path, findings);
		if (ports.has(listener.port.number))
			findings.error([...path, "port", "number"], `port ${listener.port.number} is there twice`, "remove one");
		ports.add(listener.port.number);
	}
	checkEgress(egress, object.metadata.namespace, findings);
	checkOutbound(spec.outboundTrafficPolicy, ["spec", "outboundTrafficPolicy"], findings);
}

function checkIngress(listener: Ingress, path: Path, findings: Findings): void {
	const { port, bind, defaultEndpoint, tls, connectionPool } = listener;
	checkPort(port, path, findings);
	if (port.number === 0)
		findings.error([...path, "port", "number"], "must be a port number from 1 to 65535, found 0", "");
	checkBind(bind, path, findings);
	if (defaultEndpoint) checkDefaultEndpoint(defaultEndpoint, [...path, "defaultEndpoint"], findings);
	const tlsPath = [...path, "tls"];
	if (tls) {
		for (const field of ["subjectAltNames", "httpsRedirect", "credentialName"] as const)
			if (tls[field])
				findings.error([...tlsPath, field], `${field} is not supported in a Sidecar's ingress`, "remove it");
		if (tls.mode === "ISTIO_MUTUAL" || tls.mode === "AUTO_PASSTHROUGH")
			findings.error(
				[...tlsPath, "mode"],
				`mode ${tls.mode} is not supported in a Sidecar's ingress`,
				"use SIMPLE or MUTUAL",
			);
		checkServerTls(tls, tlsPath, findings);
	}
	checkConnectionPool(connectionPool, [...path, "connectionPool"], findings);
	if (connectionPool?.http && port.protocol && !isHttp(port.protocol))
		findings.warning(
			[...path, "connectionPool", "http"],
			`has no effect: port ${port.number} speaks ${port.protocol}`,
			"use connectionPool.tcp",
		);
}

function checkPort(
	port: { readonly name?: string; readonly protocol?: string; readonly targetPort?: number },
	path: Path,
	findings: Findings,
): void {
	if (port.name && !isDnsLabel(port.name))
		findings.error(
			[...path, "port", "name"],
			`${JSON.stringify(port.name)} is not a name of a port`,
			"use letters, digits and -",
		);
	if (port.protocol && !isProtocol(port.protocol))
		findings.error([...path, "port", "protocol"], `${JSON.stringify(port.protocol)} is not a protocol`, protocolsHint);
	if (port.targetPort)
		findings.error([...path, "port", "targetPort"], "targetPort has no meaning in a Sidecar", "use defaultEndpoint");
}

function checkBind(bind: string | undefined, path: Path, findings: Findings): void {
	if (bind && !isIpAddress(bind))
		findings.error([...path, "bind"], `${JSON.stringify(bind)} is not an address`, "for example 0.0.0.0");
}

function checkDefaultEndpoint(endpoint: string, path: Path, findings: Findings): void {
	const hint = "write 127.0.0.1:PORT, 0.0.0.0:PORT, [::1]:PORT, [::]:PORT or unix:///PATH";
	if (endpoint.startsWith("unix://")) {
		const wrong = unixSocketError(endpoint.slice("unix://".length));
		if (wrong) findings.error(path, wrong, hint);
		return;
	}
	const parts = /^(?:127\.0\.0\.1|0\.0\.0\.0|\[::1\]|\[::\])?:(\d{1,5})$/.exec(endpoint);
	const number = Number(parts?.[1] ?? 0);
	if (number < 1 || number > 65535)
		findings.error(path, `${JSON.stringify(endpoint)} is not an endpoint of the workload`, hint);
}

function checkEgress(egress: readonly Egress[], namespace: string, findings: Findings): void {
	const listeners = new Set<string>();
	for (const [index, listener] of egress.entries()) {
		const path = ["spec", "egress", index];
		checkHosts(listener.hosts, namespace, [...path, "hosts"], findings);
		if (!listener.port) {
			if (index < egress.length - 1)
				findings.error(
					path,
					"has no port: it takes what no other takes, and must be the last",
					"move it to the end; there can be only one",
				);
			continue;
		}
		checkPort(listener.port, path, findings);
		const number = listener.port.number ?? 0;
		const key = number === 0 ? `socket ${listener.bind}` : `port ${number}`;
		if (listeners.has(key)) findings.error([...path, "port"], `${key} is there twice`, "remove one");
		listeners.add(key);
		if (number > 0) checkBind(listener.bind, path, findings);
		else checkSocket(listener, path, findings);
	}
}

function checkSocket(listener: Egress, path: Path, findings: Findings): void {
	const { bind = "", captureMode } = listener;
	const wrong = bind.startsWith("unix://")
		? unixSocketError(bind.slice("unix://".length))
		: "port 0 needs a Unix socket";
	if (wrong) findings.error([...path, "bind"], wrong, "for example unix:///run/egress.sock");
	if (captureMode === "IPTABLES")
		findings.error([...path, "captureMode"], "traffic to a Unix socket cannot be captured", "use DEFAULT or NONE");
}

function checkHosts(hosts: readonly string[], ownNamespace: string, path: Path, findings: Findings): void {
	if (hosts.length === 0) findings.error(path, "is empty", 'name hosts, for example "./*" or "istio-system/*"');
	const seen = new Set<string>();
	for (const [index, host] of hosts.entries()) {
		const wrong = scopedHostError(host, "Sidecar");
		if (wrong) findings.error([...path, index], wrong, "write NAMESPACE/host.example.com, NAMESPACE/*, ./* or */*");
		const key = host.startsWith("./") ? `${ownNamespace}${host.slice(1)}` : host;
		const namespaceWide = `${key.slice(0, key.indexOf("/"))}/*`;
		if (seen.has(key) || seen.has(namespaceWide))
			findings.warning([...path, index], `${JSON.stringify(host)} is covered already`, "remove it");
		seen.add(key);
	}
	if (seen.has("*/*") && [...seen].some((host) => !host.startsWith("*/") && !host.startsWith("~")))
		findings.warning(path, '"*/*" covers all others', 'keep "*/*" alone');
}

function checkOutbound(policy: SidecarSpec["outboundTrafficPolicy"], path: Path, findings: Findings): void {
	const proxy = policy?.egressProxy;
	if (!proxy) return;
	const at = [...path, "egressProxy"];
	if (policy.mode !== "ALLOW_ANY") findings.error(at, "goes with mode ALLOW_ANY only", "set mode: ALLOW_ANY");
	if (!proxy.port) findings.error([...at, "port"], "the port is missing", "add port: { number: ... }");
	if (checkHostname(proxy.host, [...at, "host"], findings)) checkDestination(proxy, at, findings);
}
