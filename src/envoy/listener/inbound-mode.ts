// What a port of the workload takes: the mode of its PeerAuthentications, and whether the proxy has the certificate that
// mutual TLS needs.

import { type InboundMtls, mtlsOnPort, permissiveMtls } from "../../model/security.ts";
import type { InboundView } from "../../model/view.ts";

/** `CLOSED`: mutual TLS is demanded, but the proxy has no certificate to offer it with, so nothing is let in. */
export type InboundMode = InboundMtls | "CLOSED";

export interface InboundModes {
	readonly onPort: (targetPort: number) => InboundMode;
	/** Of ports that have no mode of their own. */
	readonly onOthers: InboundMode;
	/** Ports with a mode of their own. */
	readonly ports: readonly number[];
}

/** A proxy without a certificate takes plaintext where it may, and nothing where it must not: never plaintext under STRICT. */
export function inboundModes({ security }: InboundView, workloadCertificate: boolean): InboundModes {
	const mtls = security?.mtls ?? permissiveMtls;
	const possible = (mode: InboundMtls): InboundMode => {
		if (workloadCertificate) return mode;
		return mode === "STRICT" ? "CLOSED" : "DISABLE";
	};
	return {
		onPort: (targetPort) => possible(mtlsOnPort(mtls, targetPort)),
		onOthers: possible(mtls.mode),
		ports: [...mtls.byPort.keys()],
	};
}

/** What a proxy without a certificate keeps shut, as a sentence; undefined when that is nothing. */
export function closedInbound(view: InboundView, workloadCertificate: boolean): string | undefined {
	if (view.interceptionMode === "NONE") return undefined;
	const modes = inboundModes(view, workloadCertificate);
	const own = [...new Set([...view.ports.map((port) => port.targetPort), ...modes.ports])].sort((a, b) => a - b);
	const open = own.filter((port) => modes.onPort(port) !== "CLOSED");
	const closed = own.filter((port) => modes.onPort(port) === "CLOSED");
	if (closed.length === 0 && modes.onOthers !== "CLOSED") return undefined;
	const exceptions = open.length > 0 ? ` but ${portsText(open)}` : "";
	const what = modes.onOthers === "CLOSED" ? `every port${exceptions}` : portsText(closed);
	const because = (view.security?.mtls?.sources ?? []).map((key) =>
		key
			.split("/")
			.join(" ")
			.replace(/ (\S+)$/, "/$1"),
	);
	return `lets nothing in on ${what}: mutual TLS is STRICT (${because.join(", ")}), and it has no certificate`;
}

function portsText(ports: readonly number[]): string {
	return `${ports.length === 1 ? "port" : "ports"} ${ports.join(", ")}`;
}
