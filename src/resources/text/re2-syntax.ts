// Checks that a pattern is one that Envoy's RE2 accepts: a text comes in, what is wrong goes out.
// Not the same language as JavaScript's: no look-around, no back-references. https://github.com/google/re2/wiki/Syntax

/** Istio's limit; RE2's own is on the compiled program, which is always larger than the text. */
const maxPatternLength = 1024;
const maxRepeat = 1000;

/** What RE2 would refuse; undefined for a good pattern. */
export function re2Error(pattern: string): string | undefined {
	if (pattern.length > maxPatternLength) return `has ${pattern.length} characters, ${maxPatternLength} are allowed`;
	const scan: Scan = { pattern, at: 0, open: 0, repeatable: false, repeated: false };
	while (scan.at < pattern.length) {
		const problem = step(scan);
		if (problem) return problem;
	}
	return scan.open > 0 ? "has a ( that is not closed" : undefined;
}

interface Scan {
	readonly pattern: string;
	at: number;
	/** Groups that are still open. */
	open: number;
	/** The last thing read can carry a repetition. */
	repeatable: boolean;
	/** The last thing read was a repetition. */
	repeated: boolean;
}

function step(scan: Scan): string | undefined {
	const character = scan.pattern[scan.at] ?? "";
	switch (character) {
		case "(":
			return openGroup(scan);
		case ")":
			if (scan.open === 0) return "has a ) without its (";
			scan.open--;
			return advance(scan, 1, true);
		case "|":
			return advance(scan, 1, false);
		case "[":
			return readClass(scan);
		case "\\":
			return readEscape(scan, false);
		case "*":
		case "+":
		case "?":
			return repeat(scan, character);
		case "{": {
			const counted = /^\{(\d+)(?:,(\d*))?\}/.exec(scan.pattern.slice(scan.at, scan.at + 16));
			if (!counted) return advance(scan, 1, true);
			const [text, low = "", high] = counted;
			if (Math.max(Number(low), Number(high ?? low)) > maxRepeat)
				return `repeats more than ${maxRepeat} times in ${text}`;
			if (high && Number(high) < Number(low)) return `has its limits the wrong way round in ${text}`;
			return repeat(scan, text);
		}
		default:
			return advance(scan, 1, true);
	}
}

function advance(scan: Scan, length: number, repeatable: boolean): undefined {
	scan.at += length;
	scan.repeatable = repeatable;
	scan.repeated = false;
}

function repeat(scan: Scan, operator: string): string | undefined {
	if (scan.repeated) return `repeats a repetition with ${operator}`;
	if (!scan.repeatable) return `has nothing to repeat before ${operator}`;
	scan.at += operator.length;
	// A question mark behind makes it lazy.
	if (scan.pattern[scan.at] === "?") scan.at++;
	scan.repeated = true;
	return undefined;
}

function openGroup(scan: Scan): string | undefined {
	const rest = scan.pattern.slice(scan.at);
	if (/^\(\?<?[=!]/.test(rest)) return "uses look-ahead or look-behind";
	const special = /^\((?:\?P?<\w+>|\?(?:[imsU]*(?:-[imsU]+)?)(?<end>[:)]))?/.exec(rest);
	const head = special?.[0] ?? "(";
	if (head === "(" && rest[1] === "?") return `has an unknown group ${rest.slice(0, 4)}`;
	// (?i) only switches flags and opens nothing.
	const flagsOnly = special?.groups?.end === ")";
	if (!flagsOnly) scan.open++;
	return advance(scan, head.length, false);
}

function readClass(scan: Scan): string | undefined {
	const { pattern } = scan;
	let at = scan.at + 1;
	if (pattern[at] === "^") at++;
	// A ] at the very beginning is a member.
	let first = true;
	let previous: string | undefined;
	while (at < pattern.length && (pattern[at] !== "]" || first)) {
		first = false;
		const named = /^\[:\^?(\w*):\]/.exec(pattern.slice(at, at + 16));
		if (named) {
			if (!posixClasses.has(named[1] ?? "")) return `has an unknown class ${named[0]}`;
			at += named[0].length;
			previous = undefined;
			continue;
		}
		const member = readMember(scan, at);
		if ("problem" in member) return member.problem;
		const isRange = pattern[member.end] === "-" && pattern[member.end + 1] !== "]" && member.end + 1 < pattern.length;
		at = member.end;
		if (isRange) {
			const last = readMember(scan, at + 1);
			if ("problem" in last) return last.problem;
			previous = pattern.slice(member.start, last.end);
			if (member.text.length === 1 && last.text.length === 1 && member.text > last.text)
				return `has the range ${previous} the wrong way round`;
			at = last.end;
		}
	}
	if (pattern[at] !== "]") return "has a [ that is not closed";
	return advance(scan, at + 1 - scan.at, true);
}

type Member = { readonly start: number; readonly end: number; readonly text: string } | { readonly problem: string };

function readMember(scan: Scan, start: number): Member {
	if (scan.pattern[start] !== "\\") return { start, end: start + 1, text: scan.pattern[start] ?? "" };
	const inner: Scan = { ...scan, at: start };
	const problem = readEscape(inner, true);
	if (problem) return { problem };
	return { start, end: inner.at, text: scan.pattern.slice(start, inner.at) };
}

function readEscape(scan: Scan, inClass: boolean): string | undefined {
	const rest = scan.pattern.slice(scan.at);
	const next = rest[1];
	if (next === undefined) return "ends with a \\";
	if (next === "Q" && !inClass) {
		const end = rest.indexOf("\\E", 2);
		return advance(scan, end < 0 ? rest.length : end + 2, true);
	}
	const long = /^\\(?:x\{[0-9A-Fa-f]{1,6}\}|x[0-9A-Fa-f]{2}|[pP](?:\{\^?\w+\}|[A-Z])|0[0-7]{0,2}|[1-7][0-7]{1,2})/.exec(
		rest,
	)?.[0];
	if (long) return advance(scan, long.length, true);
	if (/[1-9]/.test(next)) return `refers back to group ${next}`;
	if (next === "k") return "refers back to a named group";
	const letters = inClass ? /[dDsSwWafnrtv]/ : /[dDsSwWafnrtvbBAzC]/;
	if (letters.test(next) || /[^A-Za-z0-9]/.test(next)) return advance(scan, 2, true);
	return `has an unknown escape \\${next}`;
}

const posixClasses = new Set(
	"alnum alpha ascii blank cntrl digit graph lower print punct space upper word xdigit".split(" "),
);
