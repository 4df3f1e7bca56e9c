// What the fields of a KubeProxyConfiguration must say beyond their types: kube-proxy's own rules
// (pkg/proxy/apis/config/validation), and a word on each field that does nothing here.

import type { Findings, Path } from "../../resources/findings.ts";
import { parseDurationMs } from "../../resources/text/duration.ts";
import { canonicalAddress, canonicalRange, familyOf } from "./canonical-address.ts";
import { fieldsWithoutEffect } from "./kube-proxy-shape.ts";
import { parseListenAddress } from "./listen-address.ts";

interface Periods {
	readonly syncPeriod?: string;
	readonly minSyncPeriod?: string;
}

interface Masquerade extends Periods {
	readonly masqueradeAll?: boolean;
	readonly masqueradeBit?: number;
}

/** Those that settings are made from, after the shape was checked. */
export interface KubeProxyFields {
	readonly mode?: "" | "iptables" | "ipvs" | "nftables";
	readonly ipvs?: Periods & {
		readonly scheduler?: string;
		readonly excludeCIDRs?: readonly string[];
		readonly strictARP?: boolean;
		readonly tcpTimeout?: string;
		readonly tcpFinTimeout?: string;
		readonly udpTimeout?: string;
	};
	readonly nftables?: Masquerade;
	readonly iptables?: Masquerade;
	readonly nodePortAddresses?: readonly string[];
	readonly clusterCIDR?: string;
	readonly detectLocalMode?: "" | "ClusterCIDR" | "NodeCIDR" | "BridgeInterface" | "InterfaceNamePrefix";
	readonly detectLocal?: { readonly bridgeInterface?: string; readonly interfaceNamePrefix?: string };
	readonly healthzBindAddress?: string;
	readonly metricsBindAddress?: string;
	readonly hostnameOverride?: string;
	readonly bindAddress?: string;
}

export function checkKubeProxy(fields: KubeProxyFields, findings: Findings): void {
	checkAddresses(fields, findings);
	checkDetection(fields, findings);
	checkPeriods(fields, findings);
	if (fields.mode === "iptables")
		findings.warning(["mode"], "there is no iptables mode: nftables does its work", "write mode: nftables");
	warnOfOtherModes(fields, findings);
	for (const [path, why] of Object.entries(fieldsWithoutEffect)) {
		const keys = path.split(".");
		if (isSet(valueAt(fields, keys))) findings.warning(keys, "is accepted but has no effect", why);
	}
}

function checkAddresses(fields: KubeProxyFields, findings: Findings): void {
	const { bindAddress, nodePortAddresses = [], ipvs } = fields;
	if (bindAddress && !canonicalAddress(bindAddress)) wrong(["bindAddress"], bindAddress, "an address", findings);
	for (const field of ["healthzBindAddress", "metricsBindAddress"] as const) {
		const text = fields[field];
		if (text && !parseListenAddress(text, 1)) wrong([field], text, "ADDRESS:PORT", findings);
	}
	for (const [index, range] of nodePortAddresses.entries()) {
		const path = ["nodePortAddresses", index];
		if (range !== "primary") checkRange(path, range, findings);
		else if (nodePortAddresses.length > 1)
			findings.error(path, "primary stands beside ranges", "write one or the other");
	}
	for (const [index, range] of (ipvs?.excludeCIDRs ?? []).entries())
		checkRange(["ipvs", "excludeCIDRs", index], range, findings);
}

function checkDetection(fields: KubeProxyFields, findings: Findings): void {
	const { detectLocalMode: mode = "", detectLocal = {}, clusterCIDR = "" } = fields;
	const byCluster = mode === "" || mode === "ClusterCIDR";
	if (mode === "BridgeInterface" && !detectLocal.bridgeInterface)
		findings.error(["detectLocal", "bridgeInterface"], "is missing", "name the bridge of the pods");
	if (mode === "InterfaceNamePrefix" && !detectLocal.interfaceNamePrefix)
		findings.error(["detectLocal", "interfaceNamePrefix"], "is missing", "write how the pods' interfaces begin");
	if (clusterCIDR === "") {
		if (byCluster)
			findings.warning(
				["clusterCIDR"],
				"is not set: pods cannot be told from others, so nothing is masqueraded for its source",
				"write the range of the pods, or choose another detectLocalMode",
			);
		return;
	}
	if (!byCluster) findings.warning(["clusterCIDR"], `has no effect with detectLocalMode ${mode}`, "remove it");
	const ranges = clusterCIDR.split(",");
	for (const range of ranges) checkRange(["clusterCIDR"], range, findings);
	const families = new Set(ranges.map(familyOf));
	if (families.size < ranges.length)
		findings.error(["clusterCIDR"], "has two ranges of one family", "write one of each family at the most");
}

/** Only the periods of the chosen mode count. */
function checkPeriods(fields: KubeProxyFields, findings: Findings): void {
	const section = fields.mode || "iptables";
	const { syncPeriod = "0", minSyncPeriod = "0" } = fields[section] ?? {};
	const longest = parseDurationMs(syncPeriod) || 30_000;
	if ((parseDurationMs(minSyncPeriod) ?? 0) > longest)
		findings.error([section, "minSyncPeriod"], "is longer than syncPeriod", "make it shorter");
}

/** kube-proxy reads the masquerade bit of iptables in IPVS mode too. */
function warnOfOtherModes(fields: KubeProxyFields, findings: Findings): void {
	const chosen = fields.mode || "iptables";
	const inForce = chosen === "ipvs" ? ["ipvs", "iptables"] : [chosen];
	for (const section of ["ipvs", "nftables", "iptables"] as const)
		for (const [field, value] of Object.entries(fields[section] ?? {})) {
			if (`${section}.${field}` in fieldsWithoutEffect || !isSet(value)) continue;
			const isForeign = !inForce.includes(section);
			if (isForeign && !(section === "iptables" && isDefault(field, value)))
				findings.warning([section, field], `has no effect in mode ${chosen}`, `set it under ${chosen}, or remove it`);
		}
}

/** What kubeadm writes into every file. */
function isDefault(field: string, value: unknown): boolean {
	return field === "masqueradeBit" && value === 14;
}

function checkRange(path: Path, range: string, findings: Findings): void {
	if (!canonicalRange(range)) wrong(path, range, "a range such as 10.244.0.0/16", findings);
}

function wrong(path: Path, value: string, what: string, findings: Findings): void {
	findings.error(path, `${JSON.stringify(value)} is not ${what}`, "");
}

function valueAt(value: unknown, keys: readonly string[]): unknown {
	let found = value;
	for (const key of keys) found = (found as Readonly<Record<string, unknown>> | undefined)?.[key];
	return found;
}

/** Files that tools write name every field: nothing, zero and false are as good as not being there. */
function isSet(value: unknown): boolean {
	if (value === undefined || value === null || value === "" || value === 0 || value === false) return false;
	if (typeof value === "object") return Object.values(value).some(isSet);
	return typeof value !== "string" || parseDurationMs(value) !== 0;
}
