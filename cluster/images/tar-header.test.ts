import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { describe, it } from "node:test";
import { renderTarHeader, type TarEntry, tarEnd, tarPaddingBytes } from "./tar-header.ts";

const text = "content\n";
const file = (path: string): TarEntry => ({
	kind: "file",
	path,
	mode: 0o640,
	sizeBytes: text.length,
	uid: 1337,
	gid: 7,
});

/** What the system's tar reads: mode, owner, size, time and name of each entry. */
function listed(...entries: readonly TarEntry[]): readonly string[] {
	const parts = entries.flatMap((entry) => [
		renderTarHeader(entry),
		...(entry.kind === "file" ? [Buffer.from(text), new Uint8Array(tarPaddingBytes(text.length))] : []),
	]);
	const args = ["--list", "--verbose", "--numeric-owner", "--utc", "--file=-"];
	const options = { input: Buffer.concat([...parts, tarEnd]), encoding: "utf8" } as const;
	return execFileSync("tar", args, options).trim().replace(/ +/g, " ").split("\n");
}

describe("a tar header", () => {
	it("is read by tar with its mode, owner, size and time 0", () => {
		assert.deepEqual(listed(file("etc/passwd")), ["-rw-r----- 1337/7 8 1970-01-01 00:00 etc/passwd"]);
	});

	it("tells directories and symbolic links", () => {
		const [directory, link] = listed(
			{ kind: "directory", path: "tmp", mode: 0o1777, sizeBytes: 0 },
			{ kind: "link", path: "bin/sh", target: "/bin/busybox", mode: 0o777, sizeBytes: 0 },
		);
		assert.match(directory ?? "", /^drwxrwxrwt 0\/0 .* tmp\/$/);
		assert.match(link ?? "", /^lrwxrwxrwx 0\/0 .* bin\/sh -> \/bin\/busybox$/);
	});

	it("keeps names of any length, of files and of what links point to", () => {
		const paths = [
			`${"d".repeat(60)}/${"n".repeat(60)}`,
			`${"d".repeat(100)}/${"n".repeat(100)}`,
			"n".repeat(101),
			`${"d".repeat(156)}/n`,
			`a/${"d".repeat(300)}/n`,
		];
		assert.deepEqual(
			listed(...paths.map(file)).map((line) => line.split(" ").at(-1)),
			paths,
		);
		const target = `/${"t".repeat(150)}`;
		const [link] = listed({ kind: "link", path: "l", target, mode: 0o777, sizeBytes: 0 });
		assert.equal(link?.split(" -> ")[1], target);
	});
});
