// What must be put right on this machine before a node can run on it. In: the node's options. Out: a line for each, for operators.

import { accessSync, constants, existsSync, readFileSync, realpathSync } from "node:fs";
import { join } from "node:path";
import { proxyUid } from "../../hotswitch/render-redirect.ts";
import { blockedDirectories } from "../../node/blocked-directories.ts";
import { nodePaths } from "../../node/plan/pod-paths.ts";
import type { NodeOptions } from "./node-options.ts";

/** What would make every Envoy fail, said once at the start. */
export function whyUnfit(options: NodeOptions): readonly string[] {
	const problems: string[] = [];
	if (process.getuid?.() !== 0)
		problems.push("keepmesh node needs root: it enters network namespaces; run it with sudo");
	if (!idIsMapped(readFileSync("/proc/self/uid_map", "latin1"), proxyUid))
		problems.push(
			`user id ${proxyUid}, Envoy's own, does not exist in this user namespace, so Envoy's connections could not be told from the application's; map it (newuidmap) or run outside of the namespace`,
		);
	try {
		accessSync(options.envoy, constants.X_OK);
	} catch {
		problems.push(`${options.envoy} is not an executable Envoy; run sh scripts/setup.sh, or set KEEPMESH_ENVOY`);
	}
	const { security, name } = options;
	const { identity } = nodePaths(options.state);
	const needsToken = security.mode === "mutualTls" && !security.account && security.readToken() === undefined;
	if (needsToken && !existsSync(join(identity, "node.pem")))
		problems.push(
			`this machine has not joined the mesh, and there is no join token in ${security.mode === "mutualTls" ? security.tokenPlace : ""}; run keepmesh token create --node ${name} where the control plane's CA directory is, and give its output with --join-token-file`,
		);
	for (const directory of blockedDirectories(realpathSync(options.state)))
		problems.push(
			`Envoy's user ${proxyUid} cannot pass through ${directory}; chmod o+x ${directory}, or use another --state`,
		);
	return problems;
}

function idIsMapped(map: string, id: number): boolean {
	return map
		.trim()
		.split("\n")
		.some((line) => {
			const [inside, , length] = line.trim().split(/\s+/).map(Number);
			return inside !== undefined && length !== undefined && id >= inside && id < inside + length;
		});
}
