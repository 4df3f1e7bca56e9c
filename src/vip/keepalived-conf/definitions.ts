// Parameters of keepalived.conf: `$NAME=VALUE`, `$NAME` before white space, `${NAME}` anywhere; replaced when used, not when
// defined. A value of several lines stands for several lines.

/** `$NAME=VALUE`, `$NAME= \`; undefined when the line is none. */
export function parseDefinition(text: string): { readonly name: string; readonly value: string } | undefined {
	const found = /^\$([A-Za-z_][A-Za-z0-9_]*)=[ \t]*(.*)$/s.exec(text);
	if (!found) return undefined;
	return { name: found[1] ?? "", value: (found[2] ?? "").trimEnd() };
}

const use = /\$(?:\{([A-Za-z_][A-Za-z0-9_]*)((?: [^{}]*)?)\}|([A-Za-z_][A-Za-z0-9_]*)(?=[ \t]|$))/g;

export interface Replaced {
	/** Lines are separated by a line feed. */
	readonly text: string;
	readonly changed: boolean;
	/** `$NAMEx`: a known name, but keepalived wants white space or braces. */
	readonly almost?: string;
	/** `_RANDOM` was used: its value differs each time the file is read. */
	readonly random: boolean;
}

/** One pass: what the values name themselves is replaced by the next pass. */
export function replaceParameters(text: string, values: ReadonlyMap<string, string>): Replaced {
	let changed = false;
	let random = false;
	const replaced = text.replace(
		use,
		(whole: string, braced: string | undefined, range: string | undefined, bare: string | undefined) => {
			const name = braced ?? bare ?? "";
			if (name === "_RANDOM") {
				random = true;
				changed = true;
				// The least value that it may have, so that reading a file twice gives the same.
				return (range ?? "").trim().split(/\s+/)[0] || "0";
			}
			const value = values.get(name);
			if (value === undefined || (range ?? "") !== "") return whole;
			// Several lines take the place of a whole line only.
			if (value.includes("\n") && whole !== text.trim()) return whole;
			changed = true;
			return value;
		},
	);
	const almost = [...replaced.matchAll(/\$([A-Za-z_][A-Za-z0-9_]*)/g)]
		.map((match) => match[1] ?? "")
		.find((name) => values.has(name));
	return { text: replaced, changed, random, ...(almost === undefined ? {} : { almost }) };
}
