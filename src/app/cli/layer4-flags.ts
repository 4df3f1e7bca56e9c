// What `keepmesh node` and `keepmesh l4 run` are told of layer 4: flags in, settings out; problems of the configuration file go to
// stderr.

import { resolve } from "node:path";
import { type Command, Option } from "commander";
import { canonicalRange } from "../../l4/services/canonical-address.ts";
import type { KubeProxySettings } from "../../l4/services/kube-proxy-settings.ts";
import type { NodeLayer4Options } from "../l4/node-layer4.ts";
import { CliError, exitCodes } from "./cli-error.ts";
import { readKubeProxyFile } from "./kube-proxy-file.ts";
import { sayProblems } from "./terminal.ts";

export interface Layer4Flags {
	readonly layer4?: "auto" | "nftables" | "ipvs" | "off";
	readonly kubeProxyConfig?: string;
	readonly zone?: string;
	readonly podRanges?: readonly string[];
}

export function withLayer4Flags(command: Command): Command {
	return command
		.addOption(
			new Option(
				"--layer4 <backend>",
				"Services in the kernel: auto is nftables unless another service proxy runs here or, with --insecure-control or keepmesh node --kubernetes, off",
			)
				.choices(["auto", "nftables", "ipvs", "off"])
				.default("auto"),
		)
		.option(
			"--kube-proxy-config <file>",
			"KubeProxyConfiguration with the settings of layer 4; its ports are served too",
		)
		.option("--zone <name>", "zone of this node (topology.kubernetes.io/zone), for endpoints with hints")
		.option(
			"--pod-ranges <ranges>",
			"addresses of the cluster's pods; whoever else asks a cluster address is masqueraded",
			addressRanges,
		);
}

/** Undefined: off. `auto` means off where `isAutoOff`. */
export function layer4Of(
	flags: Layer4Flags & { readonly node: string; readonly state: string },
	isAutoOff: boolean,
): Omit<NodeLayer4Options, "otherProblems"> | undefined {
	const { layer4: wanted = "auto", kubeProxyConfig: file, zone } = flags;
	if (wanted === "off" || (wanted === "auto" && isAutoOff && file === undefined)) return undefined;
	const { settings: read, problems } = readKubeProxyFile(file);
	sayProblems(problems);
	const podRanges = flags.podRanges ?? [];
	const isPodsKnown = read.pods.type !== "none" || podRanges.length === 0;
	const settings: KubeProxySettings = {
		...read,
		...(wanted === "auto" ? {} : { backend: wanted }),
		...(isPodsKnown ? {} : { pods: { type: "traffic", traffic: { type: "ranges", ranges: podRanges } } }),
	};
	return {
		machine: { name: flags.node, podRanges, ...(zone === undefined ? {} : { zone }) },
		settings,
		state: resolve(flags.state),
		answersForItself: file !== undefined,
		yieldsToOthers: wanted === "auto" && file === undefined,
	};
}

/**
 * Where Services come from an API server, as kube-proxy does: its ports are answered, and whoever is no pod of this node is
 * masqueraded, where the Node knows its pods.
 */
export function onKubernetes<T extends Pick<NodeLayer4Options, "settings">>(options: T): T {
	const { settings } = options;
	const pods = settings.pods.type === "none" ? ({ type: "nodeRanges" } as const) : settings.pods;
	return { ...options, answersForItself: true, settings: { ...settings, pods } };
}

/** For commander: `10.244.0.0/16,fd00:244::/56`. */
export function addressRanges(text: string): readonly string[] {
	return text.split(",").map((one) => {
		const range = canonicalRange(one.trim());
		if (range === undefined)
			throw new CliError(exitCodes.usage, `"${one}" is no range of addresses`, "--pod-ranges 10.244.0.0/16");
		return range;
	});
}
