// What checks write their results to: findings know the path of a field, not yet its line. Lines are looked up only when
// something is wrong, because finding them costs far more than checking does.

/** Keys and indexes from the top of a resource down to a field: `["spec", "http", 0, "timeout"]`. */
export type Path = readonly (string | number)[];

export interface Finding {
	readonly severity: "error" | "warning";
	readonly path: Path;
	readonly message: string;
	readonly hint: string;
	readonly code?: string;
}

/** Collects findings of one resource in the order of the checks. */
export interface Findings {
	readonly all: readonly Finding[];
	error(path: Path, message: string, hint: string, code?: string): void;
	warning(path: Path, message: string, hint: string, code?: string): void;
}

export function newFindings(): Findings {
	const all: Finding[] = [];
	const add = (severity: Finding["severity"], path: Path, message: string, hint: string, code?: string): void => {
		// Checks reuse one array as their stack of keys: keep a copy.
		all.push({ severity, path: [...path], message, hint, ...(code === undefined ? {} : { code }) });
	};
	return {
		all,
		error: (path, message, hint, code) => add("error", path, message, hint, code),
		warning: (path, message, hint, code) => add("warning", path, message, hint, code),
	};
}

/** `spec.http[0].match[1].headers["x-user"]` */
export function renderPath(path: Path): string {
	let text = "";
	for (const key of path) {
		if (typeof key === "number") text += `[${key}]`;
		else if (/^[A-Za-z_]\w*$/.test(key)) text += text === "" ? key : `.${key}`;
		else text += `[${JSON.stringify(key)}]`;
	}
	return text;
}

/** A value as it stands in a message: short, on one line. */
export function renderValue(value: unknown): string {
	if (value === undefined) return "nothing";
	if (Array.isArray(value)) return `a list of ${value.length}`;
	if (typeof value === "object" && value !== null) return "a mapping";
	const text = typeof value === "string" ? JSON.stringify(value) : String(value);
	return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}
