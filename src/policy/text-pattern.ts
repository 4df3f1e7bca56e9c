// The patterns of policy values: exact, `prefix*`, `*suffix`, or `*` for any text that is there; for paths templates as well.

export function matchesPattern(pattern: string, text: string | undefined): boolean {
	if (text === undefined || text === "") return false;
	if (pattern === "*") return true;
	if (pattern.startsWith("*")) return text.endsWith(pattern.slice(1));
	if (pattern.endsWith("*")) return text.startsWith(pattern.slice(0, -1));
	return text === pattern;
}

/** In a template `{*}` stands for one segment that is not empty, `{**}` for any text, slashes included. */
export function matchesPath(pattern: string, path: string): boolean {
	const parts = pattern.split(/(\{\*{1,2}\})/);
	return parts.length === 1 ? matchesPattern(pattern, path) : matchesParts(parts, path);
}

function matchesParts([part, ...others]: readonly string[], rest: string): boolean {
	if (part === undefined) return rest === "";
	if (part !== "{*}" && part !== "{**}") return rest.startsWith(part) && matchesParts(others, rest.slice(part.length));
	const slash = rest.indexOf("/");
	const most = part === "{**}" || slash < 0 ? rest.length : slash;
	for (let taken = part === "{**}" ? 0 : 1; taken <= most; taken++)
		if (matchesParts(others, rest.slice(taken))) return true;
	return false;
}

/** The same for rules that close: `:` and `%3A` are one there. An escaped slash is not the bare one. */
export function matchesPathWidely(pattern: string, path: string): boolean {
	return matchesPath(spelledPlainly(pattern), spelledPlainly(path));
}

function spelledPlainly(path: string): string {
	return path
		.replace(/(?:%[0-9A-Fa-f]{2})+/g, (run) => {
			// One byte for each character: texts that are no UTF-8 are compared as well.
			return run
				.toUpperCase()
				.replace(/%(?!2F)[0-7][0-9A-F]/g, (part) => String.fromCharCode(Number.parseInt(part.slice(1), 16)));
		})
		.replace(/[^\0-\x7f]+/gu, (text) => encodeURIComponent(text.toWellFormed()));
}
