// `~SEQ(NAME, FIRST, STEP, LAST) rest` and `~LST(NAME, a, b) rest` of keepalived.conf: one line that stands for several.

export interface Repetition {
	readonly names: readonly string[];
	/** What follows, to be read once for each turn. */
	readonly rest: string;
	readonly values:
		| readonly (readonly string[])[]
		| { readonly first: number; readonly step: number; readonly last: number; readonly hex: boolean };
}

const maxTurns = 100_000;

export function repetitionOf(text: string): Repetition | undefined {
	const sequence = /^~SEQ(x?)\(\s*(\w+)\s*((?:,[^,)]*)+)\)[ \t]*(.*)$/.exec(text);
	if (sequence) {
		const numbers = (sequence[3] ?? "").slice(1).split(",").map(wholeNumber);
		if (numbers.length > 3 || numbers.some((value) => value === undefined)) return undefined;
		const [a = 0, b, c] = numbers;
		const last = c ?? b ?? a;
		const first = b === undefined ? (last < 0 ? -1 : 1) : a;
		const step = c === undefined ? (last < first ? -1 : 1) : (b ?? 1);
		return {
			names: [sequence[2] ?? ""],
			rest: sequence[4] ?? "",
			values: { first, step, last, hex: sequence[1] === "x" },
		};
	}
	const list = /^~LST\(\s*(\{[^}]*\}|\w+)\s*,(.*)$/.exec(text);
	if (!list) return undefined;
	const names = inBraces(list[1] ?? "");
	const { items, rest } = readItems(list[2] ?? "");
	if (items === undefined || items.length === 0 || items.some((item) => item.length !== names.length)) return undefined;
	return { names, rest, values: items };
}

/** Names and values of each turn; undefined when there are none or too many. */
export function expandRepetition({
	names,
	values,
}: Repetition): readonly (readonly (readonly [string, string])[])[] | undefined {
	if ("hex" in values) {
		const { first, step, last, hex } = values;
		const turns = step === 0 ? 0 : Math.floor((last - first) / step) + 1;
		if (turns < 1 || turns > maxTurns) return undefined;
		return Array.from({ length: turns }, (_, turn) => [
			[names[0] ?? "", (first + turn * step).toString(hex ? 16 : 10)] as const,
		]);
	}
	return values.map((turn) => names.map((name, index) => [name, turn[index] ?? ""] as const));
}

function wholeNumber(text: string): number | undefined {
	const trimmed = text.trim();
	return /^-?(?:\d+|0x[0-9a-fA-F]+)$/.test(trimmed)
		? trimmed.startsWith("-")
			? -Number(trimmed.slice(1))
			: Number(trimmed)
		: undefined;
}

function inBraces(text: string): readonly string[] {
	const inside = text.startsWith("{") ? text.slice(1, -1) : text;
	return text.startsWith("{") ? inside.split(",").map((part) => part.trim()) : [inside.trim()];
}

/** `a, b) rest` or `{a,b},{c,d}) rest`. */
function readItems(text: string): {
	readonly items: readonly (readonly string[])[] | undefined;
	readonly rest: string;
} {
	let depth = 0;
	for (let at = 0; at < text.length; at++) {
		if (text[at] === "{") depth++;
		else if (text[at] === "}") depth--;
		else if (text[at] === ")" && depth === 0) {
			const items = text.slice(0, at).match(/\{[^}]*\}|[^,{}]+/g) ?? [];
			return {
				items: items
					.map((item) => item.trim())
					.filter((item) => item !== "")
					.map(inBraces),
				rest: text.slice(at + 1).trim(),
			};
		}
	}
	return { items: undefined, rest: "" };
}
