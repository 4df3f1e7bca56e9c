// lvs_method NAT | DR | TUN [type {ipip|gue port NUM|gre} [nocsum|csum|remcsum]] of keepalived.conf.

import type { Forwarding } from "../../l4/balancer.ts";
import { type BlockContext, error } from "./block-reader.ts";
import { withoutUndefined } from "./conf-addresses.ts";
import type { Statement } from "./conf-tree.ts";

/** undefined after an error. */
export function readForwarding(statement: Statement, context: BlockContext): Forwarding | undefined {
	const [, method, ...options] = statement.words;
	if (method === "NAT" || method === "DR") {
		if (options.length > 0)
			error(
				context,
				statement,
				`${method} has no options: ${JSON.stringify(options.join(" "))} is passed over`,
				"take them out",
			);
		return { method };
	}
	if (method !== "TUN") {
		error(
			context,
			statement,
			`there is no method ${JSON.stringify(method ?? "")}; it is passed over`,
			"write NAT, DR or TUN, in capitals",
		);
		return undefined;
	}
	let tunnel: "ipip" | "gue" | "gre" = "ipip";
	let port: number | undefined;
	let checksum: "nocsum" | "csum" | "remcsum" = "nocsum";
	for (let at = 0; at < options.length; at++) {
		const word = options[at];
		const next = options[at + 1];
		if (word === "type" && (next === "ipip" || next === "gue" || next === "gre")) {
			tunnel = next;
			at++;
		} else if (word === "port" && /^\d{1,5}$/.test(next ?? "")) {
			port = Number(next);
			at++;
		} else if (word === "nocsum" || word === "csum" || word === "remcsum") checksum = word;
		else
			error(
				context,
				statement,
				`${JSON.stringify(word)} is no option of a tunnel`,
				"write TUN type ipip, gre, or gue port NUMBER",
			);
	}
	if (tunnel === "gue" && port === undefined)
		error(context, statement, "a gue tunnel needs a port", "write TUN type gue port NUMBER");
	return { method: "TUN", tunnel, ...withoutUndefined({ port }), checksum };
}
