// Writes files as a cpio archive of the form "newc", which the kernel unpacks into its first root file system
// (linux: Documentation/driver-api/early-userspace/buffer-format.rst). Archives may be appended to one another.

export type CpioEntry = { readonly path: string; readonly mode?: number } & (
	| { readonly type: "file"; readonly content: Uint8Array }
	| { readonly type: "directory" }
	| { readonly type: "link"; readonly target: string }
	| { readonly type: "device"; readonly major: number; readonly minor: number }
);

const typeBits = { file: 0o100000, directory: 0o040000, link: 0o120000, device: 0o020000 };

/** The parts of the archive, in order; directories of a path are made before it. Paths have no leading slash. */
export function cpioParts(entries: readonly CpioEntry[]): readonly Uint8Array[] {
	const parts: Uint8Array[] = [];
	const made = new Set<string>();
	let inode = 0;
	const put = (entry: CpioEntry) => {
		const content =
			entry.type === "file" ? entry.content : Buffer.from(entry.type === "link" ? entry.target : "", "utf8");
		const [major, minor] = entry.type === "device" ? [entry.major, entry.minor] : [0, 0];
		parts.push(header(entry.path, typeBits[entry.type] | (entry.mode ?? 0o755), content.length, major, minor, ++inode));
		parts.push(content, Buffer.alloc(padding(content.length)));
	};
	for (const entry of entries) {
		const names = entry.path.split("/");
		for (let depth = 1; depth < names.length; depth++) {
			const path = names.slice(0, depth).join("/");
			if (made.has(path)) continue;
			made.add(path);
			put({ type: "directory", path });
		}
		if (made.has(entry.path)) continue;
		made.add(entry.path);
		put(entry);
	}
	parts.push(header("TRAILER!!!", 0, 0, 0, 0, 0));
	const length = parts.reduce((sum, part) => sum + part.length, 0);
	parts.push(Buffer.alloc((512 - (length % 512)) % 512));
	return parts;
}

function header(path: string, mode: number, size: number, major: number, minor: number, inode: number): Buffer {
	const name = Buffer.from(`${path}\0`);
	const fields = [inode, mode, 0, 0, 1, 0, size, 0, 0, major, minor, name.length, 0];
	const text = `070701${fields.map((field) => field.toString(16).padStart(8, "0")).join("")}`;
	return Buffer.concat([Buffer.from(text), name, Buffer.alloc(padding(text.length + name.length))]);
}

const padding = (length: number): number => (4 - (length % 4)) % 4;
