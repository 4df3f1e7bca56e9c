// One line of keepalived.conf in, its words out: comments, quotes and escapes as keepalived 2.2 has them.

/** White space inside a line. */
const blank = /[ \t\r\n\f\v]/;

export interface DecommentedLine {
	/** Without comment and outer white space. */
	readonly text: string;
	/** The line ends with a backslash: the next one belongs to it where a definition is being read. */
	readonly continues: boolean;
	readonly unterminatedQuote: boolean;
	/** A comment began in the middle of a word, which loses its end that way (`auth_pass ab#cd`). */
	readonly cutsWord?: string;
}

/** `#` and `!` begin a comment wherever they stand outside of `"..."`, also inside a word; `\#` and `\!` do not. */
export function decomment(line: string): DecommentedLine {
	let text = "";
	let quoted = false;
	let commented = false;
	let continues = false;
	let cutsWord: string | undefined;
	const keep = (part: string): void => {
		if (!commented) text += part;
	};
	for (let index = 0; index < line.length; index++) {
		const character = line[index] ?? "";
		if (character === "\\") {
			const next = line[index + 1];
			if (next === undefined || line.slice(index + 1).trim() === "") {
				continues = next === undefined;
				if (!continues) keep(line.slice(index));
				break;
			}
			keep(!quoted && (next === "#" || next === "!") ? next : character + next);
			index++;
		} else if (character === '"') {
			if (!commented) quoted = !quoted;
			keep(character);
		} else if (!quoted && !commented && (character === "#" || character === "!")) {
			commented = true;
			const before = line[index - 1];
			const after = line[index + 1];
			if (
				before !== undefined &&
				!blank.test(before) &&
				!"{}".includes(before) &&
				after !== undefined &&
				!blank.test(after)
			)
				cutsWord = /\S*$/.exec(text)?.[0] ?? "";
		} else keep(character);
	}
	return {
		text: text.trim(),
		continues,
		unterminatedQuote: quoted,
		...(cutsWord === undefined ? {} : { cutsWord }),
	};
}

/** Words of a directive: `"..."` is one word, ends a word that stands before it, and nothing is escaped in it. */
export function splitWords(text: string): readonly string[] {
	const words: string[] = [];
	let at = 0;
	while (at < text.length) {
		const character = text[at] ?? "";
		if (blank.test(character)) at++;
		else if (character === '"') {
			const end = text.indexOf('"', at + 1);
			if (end < 0) break;
			words.push(text.slice(at + 1, end));
			at = end + 1;
		} else {
			let end = at;
			while (end < text.length && !blank.test(text[end] ?? "") && text[end] !== '"') end++;
			words.push(text.slice(at, end));
			at = end;
		}
	}
	return words;
}

/** Words of a directive that names a command: either quote, joined with what touches it, with the shell's escapes. */
export function splitQuotedWords(text: string): readonly string[] {
	const words: string[] = [];
	let word: string | undefined;
	let quote = "";
	for (let at = 0; at < text.length; at++) {
		const character = text[at] ?? "";
		if (character === "\\" && at + 1 < text.length) {
			const escaped = readEscape(text, at + 1);
			word = (word ?? "") + escaped.text;
			at = escaped.end;
		} else if (quote !== "") {
			if (character === quote) quote = "";
			else word = (word ?? "") + character;
		} else if (character === '"' || character === "'") {
			quote = character;
			word ??= "";
		} else if (blank.test(character)) {
			if (word !== undefined) words.push(word);
			word = undefined;
		} else word = (word ?? "") + character;
	}
	if (word !== undefined) words.push(word);
	return words;
}

const simpleEscapes: Readonly<Record<string, string>> = {
	a: "\u0007",
	b: "\b",
	E: "\u001b",
	f: "\f",
	n: "\n",
	r: "\r",
	t: "\t",
	v: "\v",
};

function readEscape(text: string, at: number): { readonly text: string; readonly end: number } {
	const character = text[at] ?? "";
	const octal = /^[0-7]{1,3}/.exec(text.slice(at, at + 3))?.[0];
	if (octal !== undefined)
		return { text: String.fromCharCode(Number.parseInt(octal, 8) & 0xff), end: at + octal.length - 1 };
	const hex = character === "x" ? /^[0-9a-fA-F]+/.exec(text.slice(at + 1))?.[0] : undefined;
	if (hex !== undefined) return { text: String.fromCharCode(Number.parseInt(hex.slice(-2), 16)), end: at + hex.length };
	if (character === "c" && at + 1 < text.length)
		return { text: String.fromCharCode((text.charCodeAt(at + 1) || 0) & 0x1f), end: at + 1 };
	return { text: simpleEscapes[character] ?? character, end: at };
}

/** The command of a script as an argument list: separated by white space, `'...'` holds one argument together. */
export function splitCommand(command: string): readonly string[] {
	const words: string[] = [];
	let at = 0;
	while (at < command.length) {
		while (at < command.length && blank.test(command[at] ?? "")) at++;
		if (at >= command.length) break;
		if (command[at] === "'") {
			const end = command.indexOf("'", at + 1);
			words.push(command.slice(at + 1, end < 0 ? undefined : end));
			at = end < 0 ? command.length : end + 1;
		} else {
			const end = command.slice(at).search(blank);
			words.push(end < 0 ? command.slice(at) : command.slice(at, at + end));
			at = end < 0 ? command.length : at + end;
		}
	}
	return words;
}
