// The sysctls that IPVS needs, and strict ARP. In: what is wanted. Out: what was changed and how it was before, to be put back at the end.

import { readFileSync, writeFileSync } from "node:fs";
import { insideNamespace } from "../network-namespace.ts";

export interface HostSetting {
	/** `net/ipv4/vs/conntrack`. */
	readonly name: string;
	readonly value: string;
}

export interface SettingsChange {
	/** How those were that were changed. */
	readonly before: readonly HostSetting[];
	readonly problems: readonly string[];
}

/**
 * conntrack: so that nftables can masquerade what IPVS sends on. conn_reuse_mode 0 would send a client that reuses a port to a backend
 * that left; expire_*: a connection whose backend is gone starts anew, and persistence does not lead to one that takes nothing new.
 */
const always: readonly HostSetting[] = [
	{ name: "net/ipv4/ip_forward", value: "1" },
	{ name: "net/ipv4/vs/conntrack", value: "1" },
	{ name: "net/ipv4/vs/conn_reuse_mode", value: "1" },
	{ name: "net/ipv4/vs/expire_nodest_conn", value: "1" },
	{ name: "net/ipv4/vs/expire_quiescent_template", value: "1" },
];

/** Kubernetes' `ipvs.strictARP`: only the interface that has an address answers for it. */
const strictArpSettings: readonly HostSetting[] = [
	{ name: "net/ipv4/conf/all/arp_ignore", value: "1" },
	{ name: "net/ipv4/conf/all/arp_announce", value: "2" },
];

export function ipvsHostSettings(options: { readonly strictArp: boolean }): readonly HostSetting[] {
	return options.strictArp ? [...always, ...strictArpSettings] : always;
}

export function applyHostSettings(
	settings: readonly HostSetting[],
	options: { readonly netns?: string } = {},
): SettingsChange {
	const before: HostSetting[] = [];
	const problems: string[] = [];
	const namespace = insideNamespace(options.netns);
	namespace.run(() => {
		for (const { name, value } of settings) {
			const path = `/proc/sys/${name}`;
			try {
				const was = readFileSync(path, "utf8").trim();
				if (was === value) continue;
				writeFileSync(path, value);
				before.unshift({ name, value: was });
			} catch (error) {
				problems.push(
					`${name.replaceAll("/", ".")} cannot be set to ${value}: ${error instanceof Error ? error.message : error}`,
				);
			}
		}
	});
	namespace.close();
	return { before, problems };
}
