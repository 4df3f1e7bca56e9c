// Which of a pod's connections go through its Envoy. In: the pod's addresses, mode and Istio's traffic.sidecar.istio.io/*
// annotations. Out: a RedirectPlan, which renderRedirect prints as an nftables table, or what is wrong with an annotation.

import { cidrFamilyOf, type IpFamily, ipFamilyOf } from "./ip-text.ts";
import type { Lease } from "./render-lease.ts";

/**
 * `TPROXY`: when no Envoy listens, inbound falls through to the application on ports that take plaintext. `NONE`: nothing is
 * redirected.
 */
export type InterceptionMode = "REDIRECT" | "TPROXY" | "NONE";

/** `all`, or only these. */
export type Selection<T> = "all" | readonly T[];

export interface PortRange {
	readonly first: number;
	readonly last: number;
}

/** Ports on which the application may be reached without its proxy: `others` is every port that is no exception. */
export interface PlaintextPorts {
	readonly others: boolean;
	/** Ports of which the opposite holds; sorted. */
	readonly except: readonly number[];
}

/** Until it is known what the workload takes, nothing passes its proxy by. */
export const noPlaintext: PlaintextPorts = { others: false, except: [] };

export interface RedirectPlan {
	/** Printed in the table's comment, `default/reviews-v1-abc`. */
	readonly owner: string;
	readonly inbound: InterceptionMode;
	/** Families of the pod's own addresses; connections of others are left alone. */
	readonly families: readonly IpFamily[];
	readonly inboundPorts: Selection<PortRange>;
	readonly inboundExcludedPorts: readonly PortRange[];
	/** Where connections may go past an Envoy that is gone; elsewhere they are refused. */
	readonly plaintext: PlaintextPorts;
	readonly outboundPorts: readonly PortRange[];
	readonly outboundExcludedPorts: readonly PortRange[];
	readonly outboundRanges: Selection<string>;
	readonly outboundExcludedRanges: readonly string[];
	readonly excludedInterfaces: readonly string[];
	/** Where DNS queries of the pod go instead of its own resolvers. */
	readonly dns?: { readonly address: string; readonly port: number };
	/** The sidecar gets new connections only while it shows signs of life and is admitted. Absent: always. */
	readonly lease?: Lease;
}

/** One annotation that cannot be meant as it is written. */
export interface AnnotationProblem {
	readonly annotation: string;
	readonly message: string;
	readonly hint: string;
}

export interface RedirectInput {
	readonly owner: string;
	readonly mode: InterceptionMode;
	readonly ips: readonly string[];
	readonly annotations: Readonly<Record<string, string>>;
	/** Default: none. */
	readonly plaintext?: PlaintextPorts;
	readonly dns?: { readonly address: string; readonly port: number };
	readonly lease?: Lease;
}

const prefix = "traffic.sidecar.istio.io/";

/** An annotation with a problem counts as absent, so the plan is usable anyway; the caller decides. */
export function planRedirect(input: RedirectInput): {
	readonly plan: RedirectPlan;
	readonly problems: readonly AnnotationProblem[];
} {
	const problems: AnnotationProblem[] = [];
	const list = (name: string): readonly string[] | undefined =>
		input.annotations[prefix + name]
			?.split(",")
			.map((item) => item.trim())
			.filter((item) => item !== "");
	const portsOf = (name: string): readonly PortRange[] =>
		(list(name) ?? []).flatMap((item) => {
			const range = parsePortRange(item);
			if (range) return [range];
			problems.push({
				annotation: prefix + name,
				message: `"${item}" is not a port`,
				hint: "a list such as 8080,9000-9010 with ports from 1 to 65535",
			});
			return [];
		});
	const rangesOf = (name: string): readonly string[] =>
		(list(name) ?? []).flatMap((item) => {
			if (cidrFamilyOf(item)) return [item];
			problems.push({
				annotation: prefix + name,
				message: `"${item}" is not an address range`,
				hint: "a list such as 10.0.0.0/8,192.168.1.1/32",
			});
			return [];
		});
	const interfaces = (list("excludeInterfaces") ?? []).filter((name) => {
		if (/^[A-Za-z0-9_.@-]{1,15}$/.test(name)) return true;
		problems.push({
			annotation: `${prefix}excludeInterfaces`,
			message: `"${name}" is not the name of a network interface`,
			hint: "names such as eth1, at most 15 characters",
		});
		return false;
	});
	const isAll = (name: string): boolean => {
		const value = list(name);
		return value === undefined || value.includes("*");
	};
	const families = ([4, 6] as const).filter((family) => input.ips.some((ip) => ipFamilyOf(ip) === family));
	const plan: RedirectPlan = {
		owner: input.owner,
		inbound: input.mode,
		families,
		inboundPorts: isAll("includeInboundPorts") ? "all" : portsOf("includeInboundPorts"),
		inboundExcludedPorts: portsOf("excludeInboundPorts"),
		plaintext: input.plaintext ?? noPlaintext,
		outboundPorts: portsOf("includeOutboundPorts"),
		outboundExcludedPorts: portsOf("excludeOutboundPorts"),
		outboundRanges: isAll("includeOutboundIPRanges") ? "all" : rangesOf("includeOutboundIPRanges"),
		outboundExcludedRanges: rangesOf("excludeOutboundIPRanges"),
		excludedInterfaces: interfaces,
		...(input.dns ? { dns: input.dns } : {}),
		...(input.lease ? { lease: input.lease } : {}),
	};
	return { plan, problems };
}

function parsePortRange(text: string): PortRange | undefined {
	const match = text.match(/^(\d{1,5})(?:-(\d{1,5}))?$/);
	if (!match) return undefined;
	const first = Number(match[1]);
	const last = Number(match[2] ?? match[1]);
	return first >= 1 && last <= 65_535 && first <= last ? { first, last } : undefined;
}
