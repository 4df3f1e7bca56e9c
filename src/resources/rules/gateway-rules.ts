// Gateway: its servers, their ports, hosts and TLS.

import type { ConfigObject } from "../config-object.ts";
import type { Findings, Path } from "../findings.ts";
import type { GatewayServer } from "../kinds/networking.ts";
import { isIpAddress, scopedHostError, unixSocketError } from "./host-rules.ts";
import { checkLabels } from "./label-rules.ts";
import { isHttp, isProtocol, isTls, protocolsHint } from "./protocol-rules.ts";
import { checkServerTls } from "./server-tls-rules.ts";

export function checkGateway(object: ConfigObject<"Gateway">, findings: Findings): void {
	const { servers = [], selector } = object.spec;
	checkLabels(selector, ["spec", "selector"], findings);
	if (servers.length === 0) findings.error(["spec", "servers"], "has no servers", "add one with port and hosts");
	const names = new Set<string>();
	for (const [index, server] of servers.entries()) {
		const path = ["spec", "servers", index];
		checkServer(server, path, findings);
		const name = server.port.name ?? "";
		if (name !== "" && names.has(name))
			findings.error([...path, "port", "name"], `two servers have a port named ${JSON.stringify(name)}`, "rename one");
		names.add(name);
	}
}

function checkServer(server: GatewayServer, path: Path, findings: Findings): void {
	const { port, tls } = server;
	if (server.hosts.length === 0) findings.error([...path, "hosts"], "is empty", 'name hosts, or "*" for all');
	for (const [index, host] of server.hosts.entries()) {
		const wrong = scopedHostError(host, "Gateway");
		if (wrong)
			findings.error(
				[...path, "hosts", index],
				wrong,
				"write NAMESPACE/host.example.com, ./host.example.com or host.example.com",
			);
	}
	checkPort(server, path, findings);
	checkServerTls(tls, [...path, "tls"], findings);
	if (isTls(port.protocol) && !tls)
		findings.error(
			[...path, "tls"],
			`protocol ${port.protocol} needs tls`,
			"add tls: { mode: SIMPLE, credentialName: ... }",
		);
	if (isTls(port.protocol) || !tls) {
		if (tls?.httpsRedirect)
			findings.warning(
				[...path, "tls", "httpsRedirect"],
				"redirects nothing: the port takes TLS already",
				"put it on the HTTP server",
			);
		return;
	}
	if (!isHttp(port.protocol))
		findings.error(
			[...path, "tls"],
			`protocol ${port.protocol} has no TLS`,
			"use protocol TLS or HTTPS, or remove tls",
		);
	else if (
		tls.serverCertificate ||
		tls.privateKey ||
		tls.caCertificates ||
		tls.credentialName ||
		(tls.mode !== undefined && tls.mode !== "PASSTHROUGH")
	)
		findings.error(
			[...path, "tls"],
			`protocol ${port.protocol} is plain text: only tls.httpsRedirect may stand here`,
			"use protocol HTTPS",
		);
}

function checkPort(server: GatewayServer, path: Path, findings: Findings): void {
	const { port, bind } = server;
	if (!isProtocol(port.protocol))
		findings.error([...path, "port", "protocol"], `${JSON.stringify(port.protocol)} is not a protocol`, protocolsHint);
	if (!port.name) findings.error([...path, "port", "name"], "the port has no name", "add name: http, https, ...");
	if (port.targetPort)
		findings.error([...path, "port", "targetPort"], "targetPort has no meaning in a Gateway", "remove it");
	if (bind?.startsWith("unix://")) {
		const wrong = unixSocketError(bind.slice("unix://".length));
		if (wrong) findings.error([...path, "bind"], wrong, "for example unix:///run/gateway.sock");
		if (port.number !== 0) findings.error([...path, "port", "number"], "a Unix socket has no port", "write number: 0");
		return;
	}
	if (port.number === 0)
		findings.error([...path, "port", "number"], "must be a port number from 1 to 65535, found 0", "");
	if (bind && !isIpAddress(bind))
		findings.error([...path, "bind"], `${JSON.stringify(bind)} is not an address`, "for example 0.0.0.0");
}
