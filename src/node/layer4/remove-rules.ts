// Takes layer 4's tables out of the kernel: after a run that was killed, or that is not to come again.

import { openNftablesTables } from "../../kernel/linux/nftables/linux-nftables-tables.ts";
import { layer4Tables } from "./balancer-rules.ts";

/** How many tables there were; rejects with the kernel's reason. */
export async function removeLayer4Rules(): Promise<number> {
	const opened = openNftablesTables();
	if (!opened.ok) throw new Error(opened.message);
	const tables = opened.value;
	try {
		const present = layer4Tables.filter((table) => tables.read(table) !== undefined);
		if (present.length === 0) return 0;
		const written = tables.apply(present.map((table) => ({ table, change: { type: "deleteTable" } as const })));
		if (!written.ok) throw new Error(written.message);
		return present.length;
	} finally {
		tables.close();
	}
}
