import { describeRules, type RuleCase } from "./rules.testing.ts";

const server = (fields: string): string =>
	`selector: {istio: ingressgateway}\nservers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["*"], ${fields}}]`;
const hosts = (host: string): string =>
	`servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["${host}"]}]`;
const port = (fields: string): string => `servers: [{port: {${fields}}, hosts: [a.com]}]`;
const tls = (fields: string, protocol = "HTTPS"): string =>
	`servers: [{port: {number: 443, name: https, protocol: ${protocol}}, hosts: [a.com], tls: {${fields}}}]`;
const at = "spec.servers[0]";

const cases: readonly RuleCase[] = [
	["an HTTP server", server("name: x")],
	["no servers", "selector: {a: b}", "error spec.servers: has no servers"],
	["a host of one namespace", hosts("ns/a.com")],
	["a host of the own namespace", hosts("./*.a.com")],
	["a host of every namespace", hosts("*/a.com")],
	["an address as host", hosts("10.1.2.3")],
	["a short host", hosts("reviews"), `error ${at}.hosts[0]: "reviews" is a short name`],
	["a wildcard inside a part", hosts("*a.com"), `error ${at}.hosts[0]: `],
	["an excluded host", hosts("~/a.com"), `error ${at}.hosts[0]: "~" is not a namespace`],
	["an empty namespace", hosts("/a.com"), `error ${at}.hosts[0]: `],
	["no hosts", "servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: []}]", `error ${at}.hosts: is empty`],
	["an unknown protocol", port("number: 80, name: http, protocol: HTTP3"), `error ${at}.port.protocol: `],
	["a port without name", port("number: 80, protocol: HTTP"), `error ${at}.port.name: `],
	["port 0", port("number: 0, name: http, protocol: HTTP"), `error ${at}.port.number: `],
	["port 70000", port("number: 70000, name: http, protocol: HTTP"), `error ${at}.port.number: `],
	["a targetPort", port("number: 80, name: http, protocol: HTTP, targetPort: 8080"), `error ${at}.port.targetPort: `],
	[
		"two ports of one name",
		"servers: [{port: {number: 80, name: a, protocol: HTTP}, hosts: [a.com]}, {port: {number: 81, name: a, protocol: HTTP}, hosts: [a.com]}]",
		"error spec.servers[1].port.name: ",
	],
	["an address to listen on", server("bind: 10.0.0.1")],
	["a name to listen on", server("bind: localhost"), `error ${at}.bind: `],
	["a Unix socket with a port", server("bind: unix:///a"), `error ${at}.port.number: `],
	["a redirect to HTTPS", server("tls: {httpsRedirect: true}")],
	[
		"a redirect to HTTPS from HTTPS",
		tls("mode: SIMPLE, credentialName: a, httpsRedirect: true"),
		`warning ${at}.tls.httpsRedirect: `,
	],
	["TLS on a plain port", server("tls: {mode: SIMPLE, credentialName: a}"), `error ${at}.tls: `],
	["TLS on a TCP port", tls("mode: SIMPLE, credentialName: a", "TCP"), `error ${at}.tls: `],
	["HTTPS without TLS", port("number: 443, name: https, protocol: HTTPS"), `error ${at}.tls: protocol HTTPS needs tls`],
	["a certificate in a secret", tls("mode: SIMPLE, credentialName: a")],
	["certificates in files", tls("mode: SIMPLE, serverCertificate: /a, privateKey: /b")],
	["no certificate", tls("mode: SIMPLE"), `error ${at}.tls.serverCertificate: `, `error ${at}.tls.privateKey: `],
	[
		"mutual TLS without authority",
		tls("mode: MUTUAL, serverCertificate: /a, privateKey: /b"),
		`error ${at}.tls.caCertificates: `,
	],
	["two secrets", tls("mode: SIMPLE, credentialNames: [a, b]")],
	["three secrets", tls("mode: SIMPLE, credentialNames: [a, b, c]"), `error ${at}.tls.credentialNames: `],
	["one secret and several", tls("mode: SIMPLE, credentialName: a, credentialNames: [b]"), `error ${at}.tls: `],
	["pass-through", tls("mode: PASSTHROUGH", "TLS")],
	[
		"pass-through with a certificate",
		tls("mode: PASSTHROUGH, credentialName: a", "TLS"),
		`warning ${at}.tls.credentialName: `,
	],
	[
		"the mesh's TLS with a certificate",
		tls("mode: ISTIO_MUTUAL, credentialName: a"),
		`error ${at}.tls.credentialName: `,
	],
	[
		"an unknown cipher",
		tls("mode: SIMPLE, credentialName: a, cipherSuites: [ROT13]"),
		`warning ${at}.tls.cipherSuites[0]: `,
	],
	[
		"an old TLS without ciphers",
		tls("mode: SIMPLE, credentialName: a, minProtocolVersion: TLSV1_0"),
		`warning ${at}.tls.minProtocolVersion: `,
	],
	[
		"versions the wrong way round",
		tls("mode: SIMPLE, credentialName: a, minProtocolVersion: TLSV1_3, maxProtocolVersion: TLSV1_2"),
		`error ${at}.tls.maxProtocolVersion: `,
	],
	["defaultEndpoint", server("defaultEndpoint: 127.0.0.1:80"), `warning ${at}.defaultEndpoint: `],
	[
		"pinned certificates",
		tls("mode: SIMPLE, credentialName: a, verifyCertificateHash: [x]"),
		`warning ${at}.tls.verifyCertificateHash: `,
	],
];

describeRules("Gateway", cases);
