// The commands of the node's own processes that outlive the agent: DNS, and the machine's virtual IPs.

import { join } from "node:path";
import type { KeptProcessOptions } from "../../node/kept-process.ts";
import { type IpPort, renderIpPort } from "../../node/plan/host-port.ts";
import { nodePaths } from "../../node/plan/pod-paths.ts";
import type { VipFiles } from "../vip/load-vip-config.ts";
import type { NodeOptions } from "./node-options.ts";

/** DNS has its own process, so that names are answered while the agent restarts. */
export function dnsProcess(options: NodeOptions, listen: IpPort): KeptProcessOptions {
	const paths = nodePaths(options.state);
	const upstream = (options.upstreamDns ?? []).map(renderIpPort).join(",");
	return {
		name: "dns",
		file: process.execPath,
		args: [
			"--no-warnings",
			join(import.meta.dirname, "../../../bin/keepmesh.ts"),
			"node-dns",
			"--listen",
			renderIpPort(listen),
			"--table",
			paths.nameTable,
			"--domain",
			options.domainSuffix ?? "cluster.local",
			...(upstream === "" ? [] : ["--upstream", upstream]),
		],
		logFile: paths.dnsLog,
		record: paths.dnsRecord,
	};
}

/** Virtual IPs have their own process, so that nothing else delays an advert; it goes on when the agent ends. */
export function vipProcess(options: NodeOptions, source: VipFiles): KeptProcessOptions {
	const paths = nodePaths(options.state);
	return {
		name: "vip",
		file: process.execPath,
		args: [
			"--no-warnings",
			join(import.meta.dirname, "../../../bin/keepmesh.ts"),
			"vip",
			"run",
			...(source.type === "keepalivedConf" ? ["--keepalived-conf", source.file] : ["--resources", source.directory]),
			"--node",
			options.name,
			"--state",
			paths.vip,
		],
		logFile: paths.vipLog,
		record: paths.vipRecord,
	};
}
