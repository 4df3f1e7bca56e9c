// The KubeProxyConfiguration that a command line names; without one, kube-proxy's own defaults in its nftables mode.

import { readFileSync } from "node:fs";
import type { KubeProxySettings } from "../../l4/services/kube-proxy-settings.ts";
import { readKubeProxyConfiguration } from "../../l4/services/read-kube-proxy-configuration.ts";
import type { Problem } from "../../resources/problem.ts";
import { CliError, exitCodes } from "./cli-error.ts";
import { sayProblems } from "./terminal.ts";

const noConfiguration = "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\nmode: nftables\n";

/** Of a file with errors nothing is used: they go to stderr, and a CliError is thrown. */
export function readKubeProxyFile(path: string | undefined): {
	readonly settings: KubeProxySettings;
	/** Warnings. What our own text leaves out is nobody's mistake. */
	readonly problems: readonly Problem[];
} {
	const { settings, problems } = readKubeProxyConfiguration(
		path ?? "",
		path === undefined ? noConfiguration : textOf(path),
	);
	if (settings) return { settings, problems: path === undefined ? [] : problems };
	sayProblems(problems);
	throw new CliError(exitCodes.data, "the kube-proxy configuration cannot be used", `mend ${path}`);
}

function textOf(path: string): string {
	try {
		return readFileSync(path, "utf8");
	} catch (error) {
		throw new CliError(exitCodes.noInput, `${path} cannot be read: ${(error as Error).message}`, `ls -l ${path}`);
	}
}
