// Istio's names for Envoy resources, so that tools that read Envoys keep working.

export const passthroughCluster = "PassthroughCluster";
export const blackHoleCluster = "BlackHoleCluster";
export const inboundPassthroughCluster = "InboundPassthroughCluster";
export const virtualOutboundListener = "virtualOutbound";
export const virtualInboundListener = "virtualInbound";

/** `outbound|9080|v1|reviews.default.svc.cluster.local`; the subset is empty for the service as a whole. */
export function outboundClusterName(port: number, subset: string, hostname: string): string {
	return `outbound|${port}|${subset}|${hostname}`;
}

/** `inbound|9080||` */
export function inboundClusterName(port: number): string {
	return `inbound|${port}||`;
}

/** SNI of mesh traffic: `outbound_.9080_.v1_.reviews.default.svc.cluster.local`. */
export function meshSni(port: number, subset: string, hostname: string): string {
	return `outbound_.${port}_.${subset}_.${hostname}`;
}

/** `0.0.0.0_9080`, or `240.240.1.2_3306` for a listener of one address. */
export function outboundListenerName(address: string, port: number): string {
	return `${address}_${port}`;
}

/** Route table of a port that all declared HTTP services share: `9080`. */
export function outboundRouteName(port: number): string {
	return String(port);
}

/** Route table of a sniffed port, whose listener belongs to one service: `reviews.default.svc.cluster.local:9080`. */
export function sniffedRouteName(hostname: string, port: number): string {
	return `${hostname}:${port}`;
}
