// What of a table is in the kernel. In: its name. Out: chains with the number of their rules, names of sets; elements of a set.

import type { NftElement, NftSet, NftTable } from "../../../l4/nftables/ruleset.ts";
import type { TableContents } from "../../nftables-tables.ts";
import { ENOENT } from "../abi/errno.ts";
import { NLM_F_ACK, NLM_F_DUMP } from "../abi/netlink.ts";
import * as nft from "../abi/nf-tables.ts";
import { NFNL_SUBSYS_NFTABLES, nfgenmsgBytes } from "../abi/nfnetlink.ts";
import { attributesIn, textOf } from "../netlink-message.ts";
import type { NfnetlinkSocket } from "../nfnetlink-socket.ts";
import { systemFailure } from "../system-error.ts";
import { BatchWriter } from "./batch-writer.ts";
import { ElementDecoder } from "./decode-elements.ts";
import { familyNumbers } from "./encode-transaction.ts";

/** undefined when there is no such table. Throws when the kernel refuses to answer. */
export function readTable(socket: NfnetlinkSocket, table: NftTable): TableContents | undefined {
	const exists = ask(socket, table, nft.NFT_MSG_GETTABLE, NLM_F_ACK, nft.NFTA_TABLE_NAME, () => {});
	if (exists === ENOENT) return undefined;
	expectNone(exists, table);
	const rules = new Map<string, number>();
	const sets = new Set<string>();
	expectNone(
		ask(socket, table, nft.NFT_MSG_GETCHAIN, NLM_F_DUMP, nft.NFTA_CHAIN_TABLE, (attributes) => {
			if (textOf(attributes.get(nft.NFTA_CHAIN_TABLE)) !== table.name) return;
			rules.set(textOf(attributes.get(nft.NFTA_CHAIN_NAME)) ?? "", 0);
		}),
		table,
	);
	// Counted anew when the kernel's answer has to be asked for again.
	expectNone(
		ask(
			socket,
			table,
			nft.NFT_MSG_GETRULE,
			NLM_F_DUMP,
			nft.NFTA_RULE_TABLE,
			(attributes) => {
				if (textOf(attributes.get(nft.NFTA_RULE_TABLE)) !== table.name) return;
				const chain = textOf(attributes.get(nft.NFTA_RULE_CHAIN)) ?? "";
				rules.set(chain, (rules.get(chain) ?? 0) + 1);
			},
			() => {
				for (const chain of rules.keys()) rules.set(chain, 0);
			},
		),
		table,
	);
	expectNone(
		ask(socket, table, nft.NFT_MSG_GETSET, NLM_F_DUMP, nft.NFTA_SET_TABLE, (attributes) => {
			const flags = attributes.get(nft.NFTA_SET_FLAGS)?.readUInt32BE(0) ?? 0;
			if (textOf(attributes.get(nft.NFTA_SET_TABLE)) !== table.name || flags & nft.NFT_SET_ANONYMOUS) return;
			sets.add(textOf(attributes.get(nft.NFTA_SET_NAME)) ?? "");
		}),
		table,
	);
	return { chains: [...rules].map(([name, count]) => ({ name, rules: count })), sets: [...sets] };
}

/** Empty when the table or the set is not there. */
export function readElements(socket: NfnetlinkSocket, table: NftTable, set: NftSet): readonly NftElement[] {
	const decoder = new ElementDecoder(set);
	const writer = request(table, nft.NFT_MSG_GETSETELEM, NLM_F_DUMP);
	writer.name(nft.NFTA_SET_ELEM_LIST_TABLE, table.name);
	writer.name(nft.NFTA_SET_ELEM_LIST_SET, set.name);
	writer.endMessage();
	const answer = socket.dump(
		writer.written(),
		({ body }) => decoder.add(body),
		() => decoder.restart(),
	);
	if (answer.ok) return decoder.elements();
	if (answer.error === ENOENT) return [];
	throw new Error(systemFailure(answer.error, `read set ${set.name} of table ${table.family} ${table.name}`).message);
}

/** The kernel's error number, 0 when there is none. */
function ask(
	socket: NfnetlinkSocket,
	table: NftTable,
	type: number,
	flags: number,
	nameAttribute: number,
	onObject: (attributes: ReadonlyMap<number, Buffer>) => void,
	restart: () => void = () => {},
): number {
	const writer = request(table, type, flags);
	writer.name(nameAttribute, table.name);
	writer.endMessage();
	const answer = socket.dump(
		writer.written(),
		({ body }) => onObject(attributesIn(body.subarray(nfgenmsgBytes))),
		restart,
	);
	return answer.ok ? 0 : answer.error;
}

function request(table: NftTable, type: number, flags: number): BatchWriter {
	const writer = new BatchWriter(1024);
	writer.startMessage((NFNL_SUBSYS_NFTABLES << 8) | type, flags, 0, familyNumbers[table.family]);
	return writer;
}

function expectNone(error: number, table: NftTable): void {
	if (error !== 0) throw new Error(systemFailure(error, `read table ${table.family} ${table.name}`).message);
}
