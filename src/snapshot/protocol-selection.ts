// What a port speaks, by Istio's rules: appProtocol first, then the port name up to its first dash, then a few well-known
// numbers whose server speaks first; else the proxy sniffs.

import type { Protocol } from "../model/service.ts";

const byName: Readonly<Record<string, Protocol>> = {
	http: "HTTP",
	http2: "HTTP2",
	grpc: "GRPC",
	"grpc-web": "GRPC-WEB",
	https: "HTTPS",
	tls: "TLS",
	tcp: "TCP",
	mongo: "MONGO",
	mysql: "MYSQL",
	redis: "REDIS",
	udp: "UDP",
	"kubernetes.io/h2c": "HTTP2",
	"kubernetes.io/ws": "HTTP",
	"kubernetes.io/wss": "HTTPS",
};

/** SMTP, DNS, MySQL, MongoDB: sniffing would wait for bytes that never come. */
const serverFirstPorts: ReadonlySet<number> = new Set([25, 53, 3306, 27017]);

export function protocolOfServicePort(port: {
	readonly port: number;
	readonly name?: string;
	readonly protocol?: string;
	readonly appProtocol?: string;
}): Protocol {
	if (port.protocol !== undefined && port.protocol !== "TCP") return "UDP";
	const declared = port.appProtocol ? protocolNamed(port.appProtocol) : protocolOfName(port.name ?? "");
	return declared ?? (serverFirstPorts.has(port.port) ? "TCP" : "AUTO");
}

/** `HTTP`, `grpc-web`...: the protocol field of ServiceEntry, Gateway and Sidecar ports, in any case. */
export function protocolNamed(text: string): Protocol | undefined {
	const name = text.toLowerCase();
	return Object.hasOwn(byName, name) ? byName[name] : undefined;
}

export function isHttp(protocol: Protocol): boolean {
	return protocol === "HTTP" || protocol === "HTTP2" || protocol === "GRPC" || protocol === "GRPC-WEB";
}

function protocolOfName(name: string): Protocol | undefined {
	const lower = name.toLowerCase();
	if (lower === "grpc-web" || lower.startsWith("grpc-web-")) return "GRPC-WEB";
	return protocolNamed(lower.split("-")[0] ?? "");
}
