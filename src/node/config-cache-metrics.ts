// What became of kept configuration, as metrics in Prometheus' text format.

import type { ConfigCacheStatus } from "./config-cache.ts";

export function configCacheMetrics({ setAside, failedWrites, tooLarge }: ConfigCacheStatus): string {
	const lines: string[] = [];
	const family = (name: string, type: string, help: string, value: number): void => {
		lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, `${name} ${value}`);
	};
	family(
		"keepmesh_node_config_files_set_aside_total",
		"counter",
		"Files of kept configuration that were damaged or of another format.",
		setAside,
	);
	family(
		"keepmesh_node_config_write_failures_total",
		"counter",
		"Times that accepted configuration could not be kept.",
		failedWrites,
	);
	family(
		"keepmesh_node_config_too_large",
		"gauge",
		"Proxies whose configuration is too large to be kept.",
		tooLarge.length,
	);
	return `${lines.join("\n")}\n`;
}
