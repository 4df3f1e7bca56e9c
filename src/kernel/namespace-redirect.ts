// Puts a redirect into a network namespace, reads it back and takes it away. In: the namespace's path and the text that
// renderRedirect made. Out: done, or why not. Touches only the table `inet keepmesh`, our address on lo, and sysctls.

import { renderRedirectRemoval } from "../hotswitch/render-redirect.ts";
import { runCommand } from "./run-command.ts";

export type KernelResult =
	| { readonly ok: true }
	| {
			readonly ok: false;
			readonly because: "namespaceMissing" | "refused";
			readonly message: string;
			readonly hint: string;
	  };

export interface RedirectSettings {
	/** A text for `nft -f -`. */
	readonly ruleset: string;
	/** Adds `::6`, the source of IPv6 connections from Envoy to the application. */
	readonly ipv6: boolean;
	/** Lets Envoy, which is not root, listen on ports below 1024: gateways. */
	readonly lowPorts: boolean;
}

/** Idempotent: applied twice is the same as once. */
export async function applyRedirect(netns: string, settings: RedirectSettings): Promise<KernelResult> {
	const script = [
		"ip link set lo up",
		...(settings.ipv6 ? ["ip -6 address replace ::6/128 dev lo"] : []),
		...(settings.lowPorts ? ["echo 0 >/proc/sys/net/ipv4/ip_unprivileged_port_start"] : []),
		"exec nft -f -",
	].join(" && ");
	return inNamespace(netns, ["sh", "-c", script], settings.ruleset);
}

/** Removes what applyRedirect made. A namespace that is gone has none. */
export async function removeRedirect(netns: string): Promise<KernelResult> {
	const script = "ip -6 address delete ::6/128 dev lo 2>/dev/null; exec nft -f -";
	const result = await inNamespace(netns, ["sh", "-c", script], renderRedirectRemoval());
	return !result.ok && result.because === "namespaceMissing" ? { ok: true } : result;
}

/** The table as the kernel has it; undefined when there is none. */
export async function readRedirect(netns: string): Promise<string | undefined> {
	const result = await runCommand("nsenter", [`--net=${netns}`, "nft", "list", "table", "inet", "keepmesh"]);
	return result.code === 0 ? result.stdout : undefined;
}

async function inNamespace(netns: string, command: readonly string[], input: string): Promise<KernelResult> {
	const result = await runCommand("nsenter", [`--net=${netns}`, "--", ...command], { input });
	if (result.code === 0) return { ok: true };
	const message = result.stderr.trim().split("\n").slice(0, 3).join("; ");
	if (/(?:cannot open|reassociate).*/.test(message) && message.includes("nsenter"))
		return { ok: false, because: "namespaceMissing", message, hint: `check that ${netns} is a network namespace` };
	return {
		ok: false,
		because: "refused",
		message,
		hint: "run as root with CAP_NET_ADMIN and CAP_SYS_ADMIN, on a kernel with nf_tables, nft_redir and nft_tproxy",
	};
}
