// virtual_server blocks of a keepalived.conf read for a run: what will be balanced, with which scripts and FIFOs, and every problem.

import { resolve } from "node:path";
import type { BalancingBackend } from "../../l4/virtual-server/balancing-backend.ts";
import { virtualServerProblems } from "../../l4/virtual-server/virtual-server-problems.ts";
import type { Problem } from "../../resources/problem.ts";
import type { VirtualServers } from "../../vip/keepalived-conf/virtual-servers.ts";
import type { VipGlobal } from "../../vip/vip-config.ts";
import { parseConfFile } from "../parse-conf-file.ts";
import { unreadableFile } from "../unreadable-file.ts";

export interface VirtualServersConf {
	readonly servers: VirtualServers;
	/** Users of scripts, and FIFOs that hear of every change. */
	readonly global: VipGlobal;
	/** Real servers that are good at the start run their notify_up (`rs_init_notifies`). */
	readonly notifiesAtStart: boolean;
}

export type LoadedVirtualServers =
	| { readonly ok: true; readonly conf: VirtualServersConf; readonly problems: readonly Problem[] }
	| { readonly ok: false; readonly problems: readonly Problem[] };

export function loadVirtualServers(file: string, backend: BalancingBackend): LoadedVirtualServers {
	const path = resolve(file);
	const parsed = parseConfFile(path);
	if (!parsed) return { ok: false, problems: [unreadableFile(path)] };
	const problems = [
		...parsed.problems.filter(({ resource }) => concernsVirtualServers(resource)),
		...virtualServerProblems(parsed.servers, backend, path),
	];
	const { global } = parsed.config;
	return {
		ok: true,
		conf: { servers: parsed.servers, global, notifiesAtStart: parsed.notifiesServersAtStart },
		problems,
	};
}

/** What is said of instances and their trackers is for `keepmesh vip`. */
function concernsVirtualServers(resource: string): boolean {
	return !/^(?:vrrp_|static_|interface_up_down|garp_group|bfd_instance)/.test(resource);
}
