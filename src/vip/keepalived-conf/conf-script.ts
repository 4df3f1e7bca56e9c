// Commands in keepalived.conf: `notify_master "/path arg 'one arg'" user group`. A statement comes in, an argument list goes out.

import { type BlockContext, error, keywordOf, warn } from "./block-reader.ts";
import type { Statement } from "./conf-tree.ts";
import { splitCommand, splitQuotedWords } from "./split-words.ts";

export interface ConfCommand {
	readonly argv: readonly string[];
	readonly user?: string;
	readonly group?: string;
}

/** undefined after an error. */
export function readCommand(statement: Statement, context: BlockContext): ConfCommand | undefined {
	const [, command, user, group, ...more] = splitQuotedWords(statement.text);
	const argv = command === undefined ? [] : argvOf(command);
	if (command === undefined || argv.length === 0) {
		error(context, statement, `${keywordOf(statement)} has no command`, 'write "/path/to/script argument ..."');
		return undefined;
	}
	const looksLikeArguments = [user, group, ...more].some(
		(word) => word !== undefined && !/^[A-Za-z_][-A-Za-z0-9_.]*\$?$|^\d+$/.test(word),
	);
	if (more.length > 0 || looksLikeArguments)
		warn(
			context,
			statement,
			"words after the command are a user and a group, not arguments",
			`write "${[command, user, group, ...more].filter((word) => word !== undefined).join(" ")}" in quotes`,
			"KM-silent",
		);
	return { argv, ...(user === undefined ? {} : { user }), ...(group === undefined ? {} : { group }) };
}

/** What begins with a sign of the shell is no program: keepalived hands it to the shell. */
export function argvOf(command: string): readonly string[] {
	return /^\s*[<>|&;(]/.test(command) ? ["/bin/sh", "-c", command] : splitCommand(command);
}
