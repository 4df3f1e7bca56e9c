// The text of a KubeProxyConfiguration, as kube-proxy's --config takes it -> settings, and everything that is wrong with it or
// has no effect here. Defaults are kube-proxy 1.36's (pkg/proxy/apis/config/v1alpha1/defaults.go).

import { newFindings, type Path, renderPath } from "../../resources/findings.ts";
import type { Problem } from "../../resources/problem.ts";
import { checkShape, isMapping, withoutNulls } from "../../resources/shapes/check-shape.ts";
import { parseDurationMs } from "../../resources/text/duration.ts";
import { readDocuments, type SourceDocument } from "../../resources/text/read-documents.ts";
import type { SchedulerName } from "../scheduler.ts";
import { canonicalAddress, canonicalRange, familyOf } from "./canonical-address.ts";
import { checkKubeProxy, type KubeProxyFields } from "./kube-proxy-rules.ts";
import type { KubeProxySettings, ListenAddress, NodePortAddresses, PodDetection } from "./kube-proxy-settings.ts";
import { kubeProxyShape } from "./kube-proxy-shape.ts";
import { parseListenAddress } from "./listen-address.ts";

export interface ReadKubeProxyConfiguration {
	/** Absent when there is an error. */
	readonly settings?: KubeProxySettings;
	readonly problems: readonly Problem[];
}

/** `file` is named in problems. */
export function readKubeProxyConfiguration(file: string, text: string): ReadKubeProxyConfiguration {
	const documents = readDocuments(file, text).filter(({ result }) => !result.ok || isGiven(result.value));
	const [document] = documents;
	if (document === undefined)
		return {
			problems: [problem(file, { line: 1, column: 1 }, "holds nothing", "begin with kind: KubeProxyConfiguration")],
		};
	// A file of kubeadm's holds several configurations; kube-proxy's is one of them.
	const own =
		documents.find(({ result }) => result.ok && isMapping(result.value) && result.value.kind === kind) ?? document;
	if (!own.result.ok) return { problems: [problem(file, own.result.place, own.result.message, own.result.hint)] };
	return readFields(file, own, own.result.value);
}

const kind = "KubeProxyConfiguration";

const isGiven = (value: unknown): boolean => value !== null && value !== undefined;

function readFields(file: string, document: SourceDocument, value: unknown): ReadKubeProxyConfiguration {
	const findings = newFindings();
	checkShape(kubeProxyShape, value, [], findings);
	const isSound = findings.all.length === 0;
	// Of the right shape by now.
	const fields = withoutNulls(value) as KubeProxyFields;
	if (isSound) checkKubeProxy(fields, findings);
	const problems = findings.all.map(({ severity, path, message, hint }) => ({
		severity,
		origin: { file, ...locate(document, path) },
		resource: kind,
		path: renderPath(path),
		message,
		hint,
	}));
	if (problems.some(({ severity }) => severity === "error")) return { problems };
	return { settings: settingsOf(fields), problems };
}

function locate(document: SourceDocument, path: Path): { readonly line: number; readonly column: number } {
	return path.length === 0 ? document.start : document.locate(path);
}

function problem(file: string, place: { line: number; column: number }, message: string, hint: string): Problem {
	return { severity: "error", origin: { file, ...place }, resource: kind, path: "", message, hint };
}

function settingsOf(fields: KubeProxyFields): KubeProxySettings {
	const { ipvs = {}, bindAddress = "" } = fields;
	const isV6 = familyOf(bindAddress) === "ipv6";
	const own = canonicalAddress(bindAddress)?.text ?? "";
	const backend = fields.mode === "ipvs" ? "ipvs" : "nftables";
	const masquerade = (fields.mode === "nftables" ? fields.nftables : fields.iptables) ?? {};
	const syncPeriod = fields[fields.mode || "iptables"]?.syncPeriod ?? "0";
	return {
		backend,
		...(fields.hostnameOverride ? { nodeName: fields.hostnameOverride.trim().toLowerCase() } : {}),
		...(own === "" || own === "0.0.0.0" || own === "::" ? {} : { nodeAddress: own }),
		nodePorts: nodePortsOf(fields),
		pods: podsOf(fields),
		masqueradeBit: masquerade.masqueradeBit ?? 14,
		masqueradeAll: masquerade.masqueradeAll ?? false,
		...(backend === "ipvs" && ipvs.scheduler ? { scheduler: ipvs.scheduler as SchedulerName } : {}),
		syncPeriodMs: parseDurationMs(syncPeriod) || 30_000,
		ipvs: {
			strictArp: ipvs.strictARP ?? false,
			excludeRanges: (ipvs.excludeCIDRs ?? []).flatMap((range) => canonicalRange(range) ?? []),
			...seconds("tcpTimeoutSec", ipvs.tcpTimeout),
			...seconds("tcpFinTimeoutSec", ipvs.tcpFinTimeout),
			...seconds("udpTimeoutSec", ipvs.udpTimeout),
		},
		health: listenAddress(fields.healthzBindAddress, { address: isV6 ? "::" : "0.0.0.0", port: 10_256 }),
		metrics: listenAddress(fields.metricsBindAddress, { address: isV6 ? "::1" : "127.0.0.1", port: 10_249 }),
	};
}

function seconds<K extends string>(name: K, duration: string | undefined): Partial<Record<K, number>> {
	const ms = parseDurationMs(duration ?? "0") ?? 0;
	return ms > 0 ? ({ [name]: Math.round(ms / 1000) } as Partial<Record<K, number>>) : {};
}

function nodePortsOf({ mode, nodePortAddresses = [] }: KubeProxyFields): NodePortAddresses {
	if (nodePortAddresses.length === 0) return { type: mode === "nftables" ? "primary" : "all" };
	if (nodePortAddresses[0] === "primary") return { type: "primary" };
	return { type: "ranges", ranges: nodePortAddresses.flatMap((range) => canonicalRange(range) ?? []) };
}

function podsOf({ detectLocalMode, detectLocal = {}, clusterCIDR = "" }: KubeProxyFields): PodDetection {
	switch (detectLocalMode) {
		case "NodeCIDR":
			return { type: "nodeRanges" };
		case "BridgeInterface":
			return byInterface(detectLocal.bridgeInterface ?? "", false);
		case "InterfaceNamePrefix":
			return byInterface(detectLocal.interfaceNamePrefix ?? "", true);
		case "":
		case "ClusterCIDR":
		case undefined: {
			const ranges = clusterCIDR.split(",").flatMap((range) => canonicalRange(range) ?? []);
			return ranges.length > 0 ? { type: "traffic", traffic: { type: "ranges", ranges } } : { type: "none" };
		}
		default:
			return detectLocalMode satisfies never;
	}
}

function byInterface(name: string, isPrefix: boolean): PodDetection {
	return { type: "traffic", traffic: { type: "interface", name, isPrefix } };
}

function listenAddress(text: string | undefined, otherwise: ListenAddress): ListenAddress {
	return parseListenAddress(text ?? "", otherwise.port) ?? otherwise;
}
