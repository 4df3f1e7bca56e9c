// Where the configuration of a vip process comes from: a keepalived.conf, or a directory of VirtualIP resources. Readers are
// loaded when needed, so that a process that reads the one does not carry the other.

import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import type { Problem } from "../../resources/problem.ts";
import type { VipConfig } from "../../vip/vip-config.ts";
import { unreadableFile } from "../unreadable-file.ts";

/** Files of this machine. */
export type VipFiles =
	| { readonly type: "keepalivedConf"; readonly file: string }
	| { readonly type: "resources"; readonly directory: string };

export type VipSource =
	| VipFiles
	/** Left by the process that follows a cluster. `conf`: the cluster's keepalived.conf, for its virtual servers. */
	| { readonly type: "prepared"; readonly file: string; readonly conf: string };

export type LoadedConfig =
	| {
			readonly ok: true;
			readonly config: VipConfig;
			readonly problems: readonly Problem[];
			/** Blocks of a keepalived.conf that are for layer 4. */
			readonly virtualServers?: number;
			/** Nobody has prepared anything yet. */
			readonly isMissing?: boolean;
			/** The cluster that it is from cannot be asked. */
			readonly stale?: { readonly since: string; readonly because: string };
	  }
	| { readonly ok: false; readonly problems: readonly Problem[] };

export async function loadVipConfig(source: VipSource, node: string): Promise<LoadedConfig> {
	if (source.type === "keepalivedConf") return loadKeepalivedConf(source.file, node);
	if (source.type === "prepared") return loadPrepared(source.file);
	return loadResources(source.directory, node);
}

async function loadPrepared(file: string): Promise<LoadedConfig> {
	const { readPreparedConfig } = await import("./prepared-config.ts");
	const prepared = readPreparedConfig(resolve(file));
	if (typeof prepared !== "string") return { ok: true, ...prepared };
	const problem: Problem = {
		severity: "error",
		origin: { file, line: 1, column: 1 },
		resource: "",
		path: "",
		message: prepared,
		hint: "remove it: it is written again when the API server answers",
	};
	return { ok: false, problems: [problem] };
}

/** Objects with errors are left out, and so are those that this node has no part in. */
async function loadResources(directory: string, node: string): Promise<LoadedConfig> {
	const [{ loadFiles }, { virtualIpConfig }, { interfaceFor }] = await Promise.all([
		import("../../sources/files/load-files.ts"),
		import("../../vip/virtual-ip-config.ts"),
		import("./interface-for.ts"),
	]);
	const loaded = await loadFiles([directory]);
	if (loaded.missing.length > 0) return { ok: false, problems: [unreadableFile(resolve(directory))] };
	const resources = loaded.objects.filter((object) => object.kind === "VirtualIP");
	const made = virtualIpConfig(resources, {
		nodeName: node,
		interfaceFor,
		key: ({ keyFile, secretName, namespace }) => {
			if (keyFile !== undefined) return readText(keyFile)?.split("\n", 1)[0];
			for (const object of loaded.objects)
				if (object.kind === "Secret" && object.metadata.name === secretName && object.metadata.namespace === namespace)
					return object.spec.data.key;
			return undefined;
		},
	});
	return { ok: true, config: made.config, problems: [...loaded.problems, ...made.problems] };
}

async function loadKeepalivedConf(file: string, node: string): Promise<LoadedConfig> {
	const path = resolve(file);
	const { parseConfFile } = await import("../parse-conf-file.ts");
	const parsed = parseConfFile(path, { hostName: node });
	if (!parsed) return { ok: false, problems: [unreadableFile(path)] };
	const { config, problems, servers } = parsed;
	const virtualServers = servers.servers.length;
	if (config.instances.length + virtualServers === 0 && problems.some(({ severity }) => severity === "error"))
		return { ok: false, problems };
	return { ok: true, config, problems, virtualServers };
}

function readText(path: string): string | undefined {
	try {
		return readFileSync(path, "utf8");
	} catch {
		return undefined;
	}
}
