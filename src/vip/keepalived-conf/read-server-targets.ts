// What a virtual_server balances, and virtual_server_group blocks: addresses, ranges and marks.

import { addressRange } from "./address-range.ts";
import { type BlockContext, error, needsBody } from "./block-reader.ts";
import { withoutUndefined } from "./conf-addresses.ts";
import type { Statement } from "./conf-tree.ts";
import { familyOf, wholeValue } from "./conf-values.ts";
import { portValue } from "./timing-directives.ts";
import type { VirtualServerGroup, VirtualServerTarget } from "./virtual-servers.ts";

/** undefined after an error. */
export function targetOf(statement: Statement, context: BlockContext): VirtualServerTarget | undefined {
	const [, first, second] = statement.words;
	if (first === undefined)
		error(
			context,
			statement,
			"it names neither address nor mark nor group",
			"write virtual_server ADDRESS PORT { ... }",
		);
	else if (first === "group") {
		if (second !== undefined) return { type: "group", group: second };
		error(context, statement, "the group has no name", "write virtual_server group NAME { ... }");
	} else if (first === "fwmark") {
		const mark = wholeValue(
			second ?? "",
			{ min: 0, max: 0xffffffff, otherwise: "the block is passed over" },
			statement,
			context,
		);
		return mark === undefined ? undefined : { type: "mark", mark };
	} else if (familyOf(first) === undefined)
		error(
			context,
			statement,
			`${JSON.stringify(first)} is no address: the block is passed over`,
			"write virtual_server ADDRESS PORT { ... }",
		);
	else return { type: "address", address: first, ...withoutUndefined({ port: portValue(second, statement, context) }) };
	return undefined;
}

export function readVirtualServerGroup(
	groups: VirtualServerGroup[],
	statement: Statement,
	context: BlockContext,
): undefined {
	const [, name] = statement.words;
	if (name === undefined)
		return error(context, statement, "the group has no name", "write virtual_server_group NAME { ... }");
	if (!needsBody(statement, context)) return;
	const entries: VirtualServerGroup["entries"][number][] = [];
	for (const line of statement.body ?? []) {
		const [first = "", second, third] = line.words;
		if (first === "fwmark") {
			const mark = wholeValue(
				second ?? "",
				{ min: 0, max: 0xffffffff, otherwise: "the line is passed over" },
				line,
				context,
			);
			const family: "ipv4" | "ipv6" | undefined = third === "inet6" ? "ipv6" : third === "inet" ? "ipv4" : undefined;
			if (mark !== undefined) entries.push({ type: "mark", mark, ...withoutUndefined({ family }) });
			continue;
		}
		const range = addressRange(first);
		if (typeof range === "string")
			error(
				context,
				line,
				`${range}; the line is passed over`,
				"write ADDRESS, ADDRESS-LAST or ADDRESS/LENGTH, and a port",
			);
		else entries.push({ type: "addresses", ...range, ...withoutUndefined({ port: portValue(second, line, context) }) });
	}
	groups.push({ name, entries, line: statement.place.line });
}
