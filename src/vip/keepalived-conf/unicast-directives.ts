// unicast_peer, unicast_src_ip and mcast_src_ip of a vrrp_instance.

import { type BlockContext, error, keywordOf } from "./block-reader.ts";
import type { Statement } from "./conf-tree.ts";
import { familyOf, wholeValue } from "./conf-values.ts";
import type { InstanceDraft } from "./instance-draft.ts";

/** `10.0.0.2 [min_ttl n] [max_ttl n]` */
export function readPeer(draft: InstanceDraft, line: Statement, context: BlockContext): undefined {
	const [text = "", ...options] = line.words;
	// keepalived passes over a prefix length.
	const address = text.replace(/\/\d+$/, "");
	const family = familyOf(address);
	if (family === undefined)
		return error(
			context,
			line,
			`${JSON.stringify(address)} is no address of a peer; keepalived leaves it out`,
			"write an address",
		);
	draft.family ??= family;
	if (family !== draft.family)
		return error(
			context,
			line,
			`${address} is not of the instance's family (${draft.family}); keepalived leaves it out`,
			"write an address of that family",
		);
	const peer: { address: string; minTtl?: number; maxTtl?: number } = { address };
	for (let at = 0; at < options.length; at += 2) {
		const option = options[at] ?? "";
		const word = options[at + 1];
		if (option !== "min_ttl" && option !== "max_ttl") {
			error(
				context,
				line,
				`${JSON.stringify(option)} is no option of a peer`,
				"write ADDRESS [min_ttl NUMBER] [max_ttl NUMBER]",
			);
			break;
		}
		if (word === undefined) {
			error(context, line, `${option} has no value`, `write ${option} NUMBER`);
			break;
		}
		const ttl = wholeValue(word, { min: 0, max: 255, otherwise: "it is passed over" }, line, context);
		if (ttl !== undefined) peer[option === "min_ttl" ? "minTtl" : "maxTtl"] = ttl;
	}
	if ((peer.minTtl ?? 0) > (peer.maxTtl ?? 255))
		error(context, line, "min_ttl is above max_ttl: every packet of this peer is dropped", "swap them");
	if (peer.minTtl !== undefined || peer.maxTtl !== undefined) draft.checksUnicastSource = true;
	draft.peers.push(peer);
}

export function readSource(draft: InstanceDraft, word: string, statement: Statement, context: BlockContext): undefined {
	const family = familyOf(word);
	if (family === undefined)
		return error(
			context,
			statement,
			`${keywordOf(statement)} ${JSON.stringify(word)} is no address; it is passed over`,
			"write an address of this machine",
		);
	draft.family ??= family;
	if (family !== draft.family)
		error(
			context,
			statement,
			`${word} is not of the instance's family (${draft.family}); it is passed over`,
			"write an address of that family",
		);
	else draft.source = word;
}
