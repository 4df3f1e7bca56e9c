// The command line that starts a pod's Envoy: into the pod's network namespace, down to Envoy's own user, then Envoy. Every
// program replaces itself with the next, so the process id of the first is Envoy's.

import { proxyUid } from "../../hotswitch/render-redirect.ts";

/** The program that is open as descriptor 3: for a binary below a directory that Envoy's user cannot enter. */
export const programInDescriptor3 = "/proc/self/fd/3";

export interface EnvoyCommandInput {
	/** Path of the binary, or programInDescriptor3. */
	readonly envoy: string;
	readonly netns: string;
	readonly bootstrap: string;
	readonly concurrency: number;
	/** TPROXY needs CAP_NET_ADMIN for its transparent listener. */
	readonly transparent: boolean;
	/** The spare makes its sockets in the pods' namespaces, which needs CAP_SYS_ADMIN. Nothing else is given to Envoy. */
	readonly entersNamespaces?: boolean;
	/** Default `warning`. */
	readonly logLevel?: string;
	/** Default 45: how long a drained listener goes on. */
	readonly drainSeconds?: number;
}

export interface EnvoyCommand {
	readonly file: string;
	readonly args: readonly string[];
}

export function envoyCommand(input: EnvoyCommandInput): EnvoyCommand {
	const given = [...(input.transparent ? ["+net_admin"] : []), ...(input.entersNamespaces ? ["+sys_admin"] : [])];
	const set = ["-all", ...given].join(",");
	const ambient = given.length > 0 ? ["--ambient-caps", set] : [];
	const capabilities = ["--inh-caps", set, ...ambient, "--bounding-set", set];
	return {
		file: "nsenter",
		args: [
			`--net=${input.netns}`,
			"--",
			"setpriv",
			"--reuid",
			String(proxyUid),
			"--regid",
			String(proxyUid),
			"--clear-groups",
			"--no-new-privs",
			...capabilities,
			"--",
			input.envoy,
			"--config-path",
			input.bootstrap,
			"--disable-hot-restart",
			"--concurrency",
			String(input.concurrency),
			"--drain-time-s",
			String(input.drainSeconds ?? 45),
			"--drain-strategy",
			"immediate",
			"--log-level",
			input.logLevel ?? "warning",
		],
	};
}
