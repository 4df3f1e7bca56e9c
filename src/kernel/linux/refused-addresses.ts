// Addresses whose packets the machine does not take, also while it owns them (RFC 9568, Accept_Mode false; `no_accept`). In: all
// of them. Out: one table of nftables, replaced whole. It may stand before the address is owned, so it is on no hot path.

import type { Outcome } from "../host-network.ts";
import { runCommand } from "../run-command.ts";

const table = "keepmesh_vip";

export async function refusePackets(addresses: readonly string[], netns: string | undefined): Promise<Outcome> {
	const words = netns === undefined ? ["nft"] : ["nsenter", `--net=${netns}`, "--", "nft"];
	const [program = "", ...args] = words;
	const { code, stderr } = await runCommand(program, [...args, "-f", "-"], { input: renderRefusal(addresses) });
	if (code === 0) return { ok: true, changed: true };
	if (code === 127)
		return { ok: false, because: "unsupported", message: "no nft to refuse packets with; install nftables" };
	return { ok: false, because: "refused", message: `refusing packets to ${addresses.join(", ")}: ${stderr.trim()}` };
}

/** What nft reads. Neighbour discovery passes, or nobody could send to the address at all. */
export function renderRefusal(addresses: readonly string[]): string {
	const ipv4 = addresses.filter((address) => !address.includes(":"));
	const ipv6 = addresses.filter((address) => address.includes(":"));
	const rules = [
		...(ipv4.length > 0 ? [`ip daddr { ${ipv4.join(", ")} } drop`] : []),
		...(ipv6.length > 0
			? ["icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept", `ip6 daddr { ${ipv6.join(", ")} } drop`]
			: []),
	];
	const replaced = `table inet ${table} {}\ndelete table inet ${table}\n`;
	if (rules.length === 0) return replaced;
	const chain = ["type filter hook input priority -10; policy accept;", ...rules];
	return `${replaced}table inet ${table} {\n\tchain input {\n${chain.map((line) => `\t\t${line}\n`).join("")}\t}\n}\n`;
}
