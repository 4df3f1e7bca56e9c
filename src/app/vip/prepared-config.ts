// The file in which the process that follows a Kubernetes cluster leaves what this node is to hold. It outlives both processes: a node
// that starts while no API server answers begins with what it held last.

import { readFileSync } from "node:fs";
import type { Problem } from "../../resources/problem.ts";
import type { VipConfig } from "../../vip/vip-config.ts";

export interface PreparedConfig {
	readonly config: VipConfig;
	readonly problems: readonly Problem[];
	/** Blocks of the cluster's keepalived.conf that are for layer 4. */
	readonly virtualServers: number;
	/** Nobody has prepared anything yet. */
	readonly isMissing?: boolean;
	/** The API server cannot be asked: what is held is what it said last. */
	readonly stale?: { readonly since: string; readonly because: string };
}

/** Under the state directory. */
export const preparedFileName = "prepared.json";
/** The cluster's keepalived.conf, for those that read its virtual servers. */
export const clusterConfName = "keepalived.conf";

export const emptyPreparedConfig: PreparedConfig = {
	config: {
		global: {
			routerName: "",
			startupDelayMs: 0,
			multicastGroup4: "224.0.0.18",
			multicastGroup6: "ff02::12",
			notifyFifos: [],
			scripts: { user: "root", security: true },
		},
		instances: [],
		groups: [],
		trackers: [],
	},
	problems: [],
	virtualServers: 0,
	isMissing: true,
};

/** Nothing to hold while there is no file yet; a text says why the one that there is cannot be read. */
export function readPreparedConfig(file: string): PreparedConfig | string {
	try {
		return JSON.parse(readFileSync(file, "utf8")) as PreparedConfig;
	} catch (error) {
		if (error instanceof Error && "code" in error && error.code === "ENOENT") return emptyPreparedConfig;
		return error instanceof Error ? error.message : String(error);
	}
}
