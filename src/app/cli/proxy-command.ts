// keepmesh proxy: only its help. bin/keepmesh.ts runs it without the command line's libraries (src/app/proxy-main.ts).

import { Command } from "commander";

export function proxyCommand(): Command {
	return new Command("proxy")
		.description("What runs in the proxy's container of a pod on Kubernetes: started by the kubelet, not by people.")
		.argument(
			"<what>",
			"sidecar, router: asks the pod's node for its start configuration and becomes Envoy; " +
				"wait-redirect: until the pod's redirect is in force; wait: until Envoy is ready; " +
				"drain: Envoy takes leave of its callers, before the container ends",
		)
		.action(async (what: string) => {
			const { runProxy } = await import("../proxy-main.ts");
			process.exitCode = await runProxy([what]);
		});
}
