// Where the configuration of a vip process comes from: a keepalived.conf, or a directory of VirtualIP resources. Readers are
// loaded when needed, so that a process that reads the one does not carry the other.

import { globSync, readFileSync } from "node:fs";
import { hostname } from "node:os";
import { resolve } from "node:path";
import type { Problem } from "../../resources/problem.ts";
import type { VipConfig } from "../../vip/vip-config.ts";

export type VipSource =
	| { readonly type: "keepalivedConf"; readonly file: string }
	| { readonly type: "resources"; readonly directory: string };

export type LoadedConfig =
	| {
			readonly ok: true;
			readonly config: VipConfig;
			readonly problems: readonly Problem[];
			/** Blocks of a keepalived.conf that are for layer 4. */
			readonly virtualServers?: number;
	  }
	| { readonly ok: false; readonly problems: readonly Problem[] };

export async function loadVipConfig(source: VipSource, node: string): Promise<LoadedConfig> {
	if (source.type === "keepalivedConf") return loadKeepalivedConf(source.file, node);
	return loadResources(source.directory, node);
}

/** Objects with errors are left out, and so are those that this node has no part in. */
async function loadResources(directory: string, node: string): Promise<LoadedConfig> {
	const [{ loadFiles }, { virtualIpConfig }, { interfaceFor }] = await Promise.all([
		import("../../sources/files/load-files.ts"),
		import("../../vip/virtual-ip-config.ts"),
		import("./interface-for.ts"),
	]);
	const loaded = await loadFiles([directory]);
	if (loaded.missing.length > 0) return { ok: false, problems: [unreadable(resolve(directory))] };
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
	const text = readText(path);
	if (text === undefined) return { ok: false, problems: [unreadable(path)] };
	const { parseKeepalivedConf } = await import("../../vip/keepalived-conf/parse-keepalived-conf.ts");
	const scriptUser = readText("/etc/passwd")?.match(/^keepalived_script:/m) ? "keepalived_script" : "root";
	const { config, problems, servers } = parseKeepalivedConf(path, text, {
		files: {
			read: readText,
			glob: (pattern, directory) => globSync(resolve(directory, pattern)).sort(),
		},
		configId: hostname().split(".")[0] ?? "",
		hostName: node,
		scriptUser,
	});
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
