// A certificate authority's directory as the data of one Secret, and back. In: files by path, or the Secret's data. Out: the other,
// and what has to be done to a directory so that it holds exactly what the Secret has. A key of a Secret cannot hold a slash:
// `versions/000001.json` is `versions_000001.json` there.

/** Contents by path, `keys/0a1b.pem`. */
export type Files = ReadonlyMap<string, string>;

/** Of a Secret: base64 by key. */
export type SecretData = Readonly<Record<string, string>>;

/** None of them has an underscore: so the first one in a key is the slash. */
const folders = ["versions", "keys", "tokens", "registrations"];
/** `plug-in` says that the authority is the operator's. */
const topNames = ["rotation.json", "roots.pem", "plug-in"];
const name = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;

/** Undefined: the file is not shared: a lock, a heartbeat, what a writer has not finished. */
export function keyOfPath(path: string): string | undefined {
	const [folder = "", file, ...deeper] = path.split("/");
	if (file === undefined) return topNames.includes(folder) ? folder : undefined;
	return folders.includes(folder) && name.test(file) && deeper.length === 0 ? `${folder}_${file}` : undefined;
}

/** Undefined: it is no file of an authority, and somebody else's business. */
export function pathOfKey(key: string): string | undefined {
	const at = key.indexOf("_");
	const path = at < 0 ? key : `${key.slice(0, at)}/${key.slice(at + 1)}`;
	return keyOfPath(path) === key ? path : undefined;
}

export function filesOf(data: SecretData | undefined): Files {
	const files = new Map<string, string>();
	for (const [key, value] of Object.entries(data ?? {})) {
		const path = pathOfKey(key);
		if (path !== undefined) files.set(path, Buffer.from(value, "base64").toString("utf8"));
	}
	return files;
}

/** What `before` has and is no file of an authority stays. */
export function dataOf(files: Files, before: SecretData | undefined): SecretData {
	const data: Record<string, string> = {};
	for (const [key, value] of Object.entries(before ?? {})) if (pathOfKey(key) === undefined) data[key] = value;
	for (const [path, content] of files) {
		const key = keyOfPath(path);
		if (key !== undefined) data[key] = Buffer.from(content, "utf8").toString("base64");
	}
	return data;
}

export function areSame(a: Files, b: Files): boolean {
	return a.size === b.size && [...a].every(([path, content]) => b.get(path) === content);
}

export interface MirrorPlan {
	/** In this order: a key is there before the version that names it. */
	readonly write: readonly { readonly path: string; readonly content: string }[];
	/** After that, in this order: a version goes before the keys that it names. */
	readonly remove: readonly string[];
}

/** What makes a directory that holds `have` hold `wanted`. */
export function planMirror(have: Files, wanted: Files): MirrorPlan {
	const write = [...wanted].flatMap(([path, content]) => (have.get(path) === content ? [] : [{ path, content }]));
	const remove = [...have.keys()].filter((path) => !wanted.has(path));
	return {
		write: write.sort((a, b) => rank(a.path) - rank(b.path) || (a.path < b.path ? -1 : 1)),
		remove: remove.sort((a, b) => rank(b) - rank(a) || (a < b ? -1 : 1)),
	};
}

const rank = (path: string): number => (path.startsWith("keys/") ? 0 : path.startsWith("versions/") ? 2 : 1);
