// `keepmesh vip run` and `vip clean-up` as the help knows them. Without --help they never come here: the program starts them
// without the libraries of the command line.

import { Command } from "commander";
import { defaultVipState } from "../vip/default-state.ts";

export function vipRunCommand(): Command {
	return new Command("run")
		.description(
			"Runs virtual IPs on this machine, until SIGTERM, which hands them over. SIGHUP reads the files again.",
		)
		.option("--keepalived-conf <file>", "run this keepalived.conf")
		.option("--resources <dir>", "run the VirtualIP resources of a directory, and follow its changes")
		.option(
			"--node <name>",
			"this machine's name in VirtualIP resources and for `vip move --to` (default: its host name)",
		)
		.option("--state <dir>", "directory of the local API's socket", defaultVipState)
		.option("--metrics-listen <address:port>", "serve metrics over TCP as well; they are always on the socket")
		.option(
			"--l4-backend <name>",
			"what balances virtual_server blocks, in a second process: auto, nftables, ipvs, or none",
			"auto",
		)
		.option("--kubernetes", "hold what a cluster says: VirtualIPs, and addresses of Services of type LoadBalancer")
		.option("--kubeconfig <file>", "how to reach the API server (default: the Pod's service account, else $KUBECONFIG)")
		.option("--kube-context <name>", "of that file (default: its current one)")
		.option(
			"--namespace <name>",
			"Keepmesh's own: Secrets and Leases, scripts in VirtualIPs (default: the Pod's, else keepmesh-system)",
		)
		.option(
			"--config-map <namespace/name>",
			"run the keepalived.conf of this ConfigMap as well, and follow its changes",
		)
		.option("--only-own-class", "leave Services without a loadBalancerClass to others")
		.option("--no-real-time", "stay an ordinary process: adverts may be late on a busy machine")
		.option("--no-watchdog", "start no second process that removes addresses should this one be killed")
		.action(async () => {
			const { runVip } = await import("../vip-main.ts");
			process.exitCode = await runVip(process.argv.slice(4));
		});
}

export function vipCleanUpCommand(): Command {
	return new Command("clean-up")
		.description("Removes the addresses, routes and interfaces that a killed run left, unless another one runs.")
		.option("--state <dir>", "as given to vip run", defaultVipState)
		.action(async () => {
			const { cleanUpVip } = await import("../vip-main.ts");
			process.exitCode = await cleanUpVip(process.argv.slice(4));
		});
}
