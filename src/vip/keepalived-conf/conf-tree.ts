// Lines of keepalived.conf in, directives with their blocks out. A brace counts wherever it stands outside of "...".

import type { ConfLine } from "./conf-lines.ts";
import type { Place, Report } from "./conf-report.ts";
import { splitWords } from "./split-words.ts";

export interface Statement {
	/** At least one. */
	readonly words: readonly string[];
	/** As it stood on the line, for directives whose quotes mean more. */
	readonly text: string;
	readonly place: Place;
	/** Present when `{` followed. */
	readonly body?: readonly Statement[];
}

interface OpenBlock {
	readonly statements: Statement[];
	readonly opener: Statement | undefined;
}

export function readStatements(lines: readonly ConfLine[], report: Report): readonly Statement[] {
	const top: OpenBlock = { statements: [], opener: undefined };
	const open: OpenBlock[] = [top];
	let last: Statement | undefined;
	const subject = (place: Place, directive: string) => ({ place, block: nameOf(open.at(-1)?.opener), directive });
	for (const { text, place } of lines.flatMap(splitAtBraces)) {
		const current = open.at(-1) ?? top;
		if (text === "{") {
			if (!last || last.body) {
				report.error(
					subject(place, "{"),
					"a block begins without a directive before it",
					"take the { out, or name the block",
				);
				open.push({ statements: [], opener: undefined });
			} else {
				const statements: Statement[] = [];
				const opener = { ...last, body: statements };
				current.statements[current.statements.length - 1] = opener;
				open.push({ statements, opener });
			}
			last = undefined;
		} else if (text === "}") {
			if (open.length === 1)
				report.error(subject(place, "}"), "there is a } too many", "take it out, or add the { that it closes");
			else open.pop();
			last = undefined;
		} else {
			const words = splitWords(text);
			if (words.length === 0) continue;
			last = { words, text, place };
			current.statements.push(last);
		}
	}
	const unclosed = open.at(-1)?.opener;
	if (open.length > 1)
		report.error(
			{
				place: unclosed?.place ?? lines.at(-1)?.place ?? { file: "", line: 1 },
				block: nameOf(unclosed),
				directive: "{",
			},
			`${open.length - 1 === 1 ? "a } is" : `${open.length - 1} } are`} missing at the end of the file`,
			"close the block",
		);
	return top.statements;
}

/** `vrrp_instance VI_1` */
export function nameOf(statement: Statement | undefined): string {
	return statement ? statement.words.slice(0, 3).join(" ") : "";
}

function splitAtBraces({ text, place }: ConfLine): readonly ConfLine[] {
	const parts: ConfLine[] = [];
	let start = 0;
	let quoted = false;
	const push = (end: number): void => {
		const part = text.slice(start, end).trim();
		if (part !== "") parts.push({ text: part, place });
	};
	for (let at = 0; at < text.length; at++) {
		const character = text[at];
		if (character === '"') quoted = !quoted;
		else if (!quoted && (character === "{" || character === "}")) {
			push(at);
			parts.push({ text: character, place });
			start = at + 1;
		}
	}
	push(text.length);
	return parts;
}
