// Which route table answers for a port of a service: listeners name it, route generation fills it, so both ask here.

import type { MeshService, ServicePort } from "../model/service.ts";
import { outboundRouteName, sniffedRouteName } from "./names.ts";

/**
 * `9080` for declared HTTP, which all services of a port share; `host:9080` for a sniffed port of a service that has
 * addresses of its own, and so a listener of its own; undefined where no HTTP is expected.
 */
export function routeTableName(service: MeshService, port: ServicePort): string | undefined {
	switch (port.protocol) {
		case "HTTP":
		case "HTTP2":
		case "GRPC":
		case "GRPC-WEB":
			return outboundRouteName(port.number);
		case "AUTO":
			return singleAddresses(service).length > 0
				? sniffedRouteName(service.hostname, port.number)
				: outboundRouteName(port.number);
		case "HTTPS":
		case "TLS":
		case "TCP":
		case "MONGO":
		case "MYSQL":
		case "REDIS":
		case "UDP":
			return undefined;
		default:
			return port.protocol satisfies never;
	}
}

/** Addresses that one listener can bind: no ranges, no wildcard. `10.1.2.3/32` counts as an address. */
export function singleAddresses(service: MeshService): readonly string[] {
	if (service.headless) return [];
	return service.addresses.flatMap((address) => {
		const [ip = "", length] = address.split("/");
		const whole = length === undefined || length === (ip.includes(":") ? "128" : "32");
		return whole && ip !== "" && ip !== "0.0.0.0" && ip !== "::" ? [ip] : [];
	});
}

/** Address ranges, `10.1.0.0/16`. */
export function addressRanges(service: MeshService): readonly string[] {
	if (service.headless) return [];
	return service.addresses.filter((address) => {
		const [ip = "", length] = address.split("/");
		return length !== undefined && length !== (ip.includes(":") ? "128" : "32");
	});
}
