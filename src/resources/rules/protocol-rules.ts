// Protocol names of ports, which decide how a proxy treats them.

const http = new Set(["HTTP", "HTTP2", "GRPC", "GRPC-WEB", "HTTP_PROXY"]);
const tls = new Set(["HTTPS", "TLS"]);
const others = new Set(["TCP", "UDP", "MONGO", "REDIS", "MYSQL", "HBONE", "DOUBLEHBONE"]);

/** What a user may write; the rest are Istio's own. */
export const protocolsHint = "use HTTP, HTTP2, GRPC, GRPC-WEB, HTTPS, TLS, TCP, MONGO, MYSQL, REDIS or UDP";

export function isProtocol(name: string): boolean {
	const upper = name.toUpperCase();
	return http.has(upper) || tls.has(upper) || others.has(upper);
}

export function isHttp(name: string | undefined): boolean {
	return http.has((name ?? "").toUpperCase());
}

export function isTls(name: string | undefined): boolean {
	return tls.has((name ?? "").toUpperCase());
}

export function isTcp(name: string | undefined): boolean {
	return ["TCP", "HTTPS", "TLS", "MONGO", "REDIS", "MYSQL"].includes((name ?? "").toUpperCase());
}
