// Headers of tar archives (POSIX ustar), with GNU's long names where ustar's do not fit. Times are always 0 and owners are given,
// so that the same content has the same bytes.

export const tarBlockBytes = 512;

export type TarEntryKind = "file" | "directory" | "link";

export interface TarEntry {
	readonly kind: TarEntryKind;
	/** Without a leading slash. */
	readonly path: string;
	/** Permission bits. */
	readonly mode: number;
	readonly sizeBytes: number;
	/** Of a symbolic link. */
	readonly target?: string;
	readonly uid?: number;
	readonly gid?: number;
}

const typeFlags: Readonly<Record<TarEntryKind, string>> = { file: "0", directory: "5", link: "2" };

/** One block, or more when a name is long. */
export function renderTarHeader(entry: TarEntry): Uint8Array {
	const path = entry.kind === "directory" ? `${entry.path}/` : entry.path;
	const split = splitName(path);
	const before = [
		...(split ? [] : longName("L", path)),
		...(byteLength(entry.target ?? "") > 100 ? longName("K", entry.target ?? "") : []),
	];
	const { name, prefix } = split ?? { name: cut(path, 100), prefix: "" };
	const header = renderBlock({ ...entry, name, prefix, flag: typeFlags[entry.kind] });
	return Buffer.concat([...before, header]);
}

/** Zeros that fill the last block of a content. */
export function tarPaddingBytes(sizeBytes: number): number {
	return (tarBlockBytes - (sizeBytes % tarBlockBytes)) % tarBlockBytes;
}

export const tarEnd = new Uint8Array(2 * tarBlockBytes);

const byteLength = (text: string): number => Buffer.byteLength(text);
const cut = (text: string, bytes: number): string => Buffer.from(text).subarray(0, bytes).toString("latin1");

function splitName(path: string): { readonly name: string; readonly prefix: string } | undefined {
	if (byteLength(path) <= 100) return { name: path, prefix: "" };
	for (let at = path.indexOf("/"); at > 0; at = path.indexOf("/", at + 1)) {
		const [prefix, name] = [path.slice(0, at), path.slice(at + 1)];
		if (name !== "" && byteLength(prefix) <= 155 && byteLength(name) <= 100) return { name, prefix };
	}
	return undefined;
}

function longName(flag: "L" | "K", text: string): readonly Uint8Array[] {
	const content = Buffer.from(`${text}\0`);
	const header = renderBlock({ name: "././@LongLink", prefix: "", mode: 0, sizeBytes: content.length, flag });
	return [header, content, new Uint8Array(tarPaddingBytes(content.length))];
}

interface Block {
	readonly name: string;
	readonly prefix: string;
	readonly mode: number;
	readonly sizeBytes: number;
	readonly flag: string;
	readonly target?: string;
	readonly uid?: number;
	readonly gid?: number;
}

function renderBlock({ name, prefix, mode, sizeBytes, flag, target = "", uid = 0, gid = 0 }: Block): Uint8Array {
	const block = Buffer.alloc(tarBlockBytes);
	const octal = (value: number, at: number, bytes: number): void => {
		block.write(`${value.toString(8).padStart(bytes - 1, "0")}\0`, at, "latin1");
	};
	block.write(name, 0, 100);
	octal(mode, 100, 8);
	octal(uid, 108, 8);
	octal(gid, 116, 8);
	octal(flag === "5" || flag === "2" ? 0 : sizeBytes, 124, 12);
	octal(0, 136, 12);
	block.write(flag, 156, "latin1");
	block.write(target, 157, 100);
	block.write("ustar\x0000", 257, "latin1");
	block.write(prefix, 345, 155);
	// The sum counts its own field as spaces.
	block.fill(" ", 148, 156);
	const sum = block.reduce((total, byte) => total + byte, 0);
	block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
	return block;
}
