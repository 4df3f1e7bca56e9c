// Whether another program on this machine already answers for Services: two that do would both translate, and only one would be
// right. In: the kernel's tables. Out: its name.

import type { NftablesTables } from "../../kernel/nftables-tables.ts";
import type { NftTable } from "../../l4/nftables/ruleset.ts";

const signs: readonly { readonly table: NftTable; readonly chain?: RegExp; readonly who: string }[] = [
	{ table: { family: "ip", name: "kube-proxy" }, who: "kube-proxy (nftables)" },
	{ table: { family: "ip6", name: "kube-proxy" }, who: "kube-proxy (nftables)" },
	{ table: { family: "ip", name: "nat" }, chain: /^KUBE-SERVICES$/, who: "kube-proxy (iptables or IPVS)" },
	{ table: { family: "ip6", name: "nat" }, chain: /^KUBE-SERVICES$/, who: "kube-proxy (iptables or IPVS)" },
	{ table: { family: "ip", name: "nat" }, chain: /^CILIUM_/, who: "Cilium" },
];

/** Undefined: nobody that is known. */
export function otherServiceProxy(tables: Pick<NftablesTables, "read">): string | undefined {
	return signs.find(({ table, chain }) => {
		const found = tables.read(table);
		return found && (chain === undefined || found.chains.some(({ name }) => chain.test(name)));
	})?.who;
}
