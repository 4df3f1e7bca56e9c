// virtual_server blocks of a keepalived.conf read for a run: what will be balanced, with which scripts and FIFOs, and every problem.

import { globSync, readFileSync } from "node:fs";
import { hostname } from "node:os";
import { resolve } from "node:path";
import type { BalancingBackend } from "../../l4/virtual-server/balancing-backend.ts";
import { virtualServerProblems } from "../../l4/virtual-server/virtual-server-problems.ts";
import type { Problem } from "../../resources/problem.ts";
import { parseKeepalivedConf } from "../../vip/keepalived-conf/parse-keepalived-conf.ts";
import type { VirtualServers } from "../../vip/keepalived-conf/virtual-servers.ts";
import type { VipGlobal } from "../../vip/vip-config.ts";

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
	const text = readText(path);
	if (text === undefined) return { ok: false, problems: [unreadable(path)] };
	const parsed = parseKeepalivedConf(path, text, {
		files: { read: readText, glob: (pattern, directory) => globSync(resolve(directory, pattern)).sort() },
		configId: hostname().split(".")[0] ?? "",
		scriptUser: readText("/etc/passwd")?.match(/^keepalived_script:/m) ? "keepalived_script" : "root",
	});
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

function readText(path: string): string | undefined {
	try {
		return readFileSync(path, "utf8");
	} catch {
		return undefined;
	}
}

function unreadable(path: string): Problem {
	return {
		severity: "error",
		origin: { file: path, line: 1, column: 1 },
		resource: "",
		path: "",
		message: `${path} cannot be read`,
		hint: "give the path of a file that this user may read",
	};
}
