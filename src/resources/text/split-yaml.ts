// Cuts a YAML stream into its documents without parsing it, so that one broken document does not hide the others.
// https://yaml.org/spec/1.2.2/#91-documents: a line that starts with `---` or `...` is a marker wherever it stands.

export interface TextPart {
	readonly text: string;
	/** Line of the file, from 1, on which `text` begins. */
	readonly line: number;
	/** Column of the file, from 1, at which the first line of `text` begins. */
	readonly column: number;
}

/** The documents that hold anything besides comments. */
export function splitYaml(text: string): readonly TextPart[] {
	const parts: TextPart[] = [];
	let start = 0;
	let line = 1;
	const marker = /^(?:---|\.\.\.)(?=[ \t\r\n]|$)/gm;
	for (let match = marker.exec(text); match; match = marker.exec(text)) {
		line = addPart(parts, text, start, match.index, line);
		start = match.index;
	}
	addPart(parts, text, start, text.length, line);
	return parts;
}

/** Adds text[start, end) when it has content; returns the line number at `end`. */
function addPart(parts: TextPart[], text: string, start: number, end: number, line: number): number {
	const part = text.slice(start, end);
	if (!/^(?:(?:---|\.\.\.)?[ \t]*(?:#.*)?(?:\r?\n|$)|%.*(?:\r?\n|$))*$/.test(part))
		parts.push({ text: part, line, column: 1 });
	let next = line;
	for (let at = text.indexOf("\n", start); at >= 0 && at < end; at = text.indexOf("\n", at + 1)) next++;
	return next;
}
