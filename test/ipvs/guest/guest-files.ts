// What is inside the guest: Debian's kernel modules, a few programs of this machine with their libraries, Node, and this project.
// In: the checkout, and the packages that packages.sh unpacked. Out: entries of an archive.

import { execFileSync } from "node:child_process";
import { existsSync, globSync, readdirSync, readFileSync, readlinkSync, realpathSync, statSync } from "node:fs";
import { stripTypeScriptTypes } from "node:module";
import { join, relative } from "node:path";
import type { CpioEntry } from "./cpio.ts";

export const checkout = join(import.meta.dirname, "../../..");
export const unpacked = join(checkout, ".keepmesh/ipvs-guest/root");

/** Looked for in the packages first, then on this machine. */
const programs = ["ipvsadm", "ip", "nft", "conntrack", "tcpdump"];
/** Compared with where they are installed. */
const peers = ["keepalived"].filter((name) => existsSync(`/usr/sbin/${name}`));

export function kernelRelease(): string {
	const [release] = readdirSync(join(unpacked, "lib/modules"));
	if (release === undefined) throw new Error("no kernel was unpacked; run packages.sh");
	return release;
}

/** All that changes only with packages. */
export function machineFiles(): readonly CpioEntry[] {
	return [
		...["proc", "sys", "dev", "tmp", "run", "root", "var/tmp"].map((path) => ({ type: "directory" as const, path })),
		{ type: "device", path: "dev/console", major: 5, minor: 1, mode: 0o600 },
		{ type: "device", path: "dev/null", major: 1, minor: 3, mode: 0o666 },
		fileOf("bin/busybox", join(unpacked, "bin/busybox")),
		{ ...fileOf("init", join(import.meta.dirname, "init.sh")), mode: 0o755 },
		...["bin/sh", "sbin/modprobe"].map((path) => ({
			type: "link" as const,
			path,
			target: "/bin/busybox",
		})),
		textFile("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n"),
		textFile("etc/hosts", "127.0.0.1 localhost\n::1 localhost\n"),
		...modules(),
		...withLibraries([
			["usr/bin/node", realpathSync(join(checkout, ".keepmesh/node"))],
			...[...programs, ...peers].map((name) => [`usr/sbin/${name}`, programFile(name)] as const),
		]),
	];
}

/** The project's code and tests, with types taken off already: that is slow in the guest. */
export function projectFiles(tests: readonly string[], longestSeconds: number): readonly CpioEntry[] {
	const code = globSync(["src/**/*.ts", "bin/*.ts", "test/ipvs/**/*.ts"], { cwd: checkout }).filter(
		(path) => !path.startsWith("src/envoy/gen/"),
	);
	return [
		...code.map((path) => textFile(`work/${path}`, stripTypeScriptTypes(readFileSync(join(checkout, path), "utf8")))),
		textFile("work/package.json", '{ "type": "module" }\n'),
		textFile("work/seconds", `${longestSeconds}\n`),
		textFile("work/tests", `${tests.join("\n")}\n`),
		textFile("work/load-stripped.js", loadStripped),
		...tree("node_modules/koffi", (path) => !/\/(?:vendor|doc)\//.test(path)),
		...tree("node_modules/@koromix", () => true),
		...commandLineLibraries().flatMap((name) => tree(`node_modules/${name}`, (path) => /\.(?:c?js|json)$/.test(path))),
	];
}

/** What `keepmesh l4 run` needs besides. */
function commandLineLibraries(): readonly string[] {
	const found = new Set(["commander", "pino", "prom-client", "yaml"]);
	for (const name of found) {
		const manifest = JSON.parse(readFileSync(join(checkout, "node_modules", name, "package.json"), "utf8"));
		for (const wanted of Object.keys(manifest.dependencies ?? {})) found.add(wanted);
	}
	return [...found];
}

const loadStripped = `import { readFileSync } from "node:fs";
import { registerHooks } from "node:module";
import { fileURLToPath } from "node:url";
registerHooks({
	load: (url, context, next) =>
		url.startsWith("file:///work/") && url.endsWith(".ts")
			? { format: "module", source: readFileSync(fileURLToPath(url)), shortCircuit: true }
			: next(url, context),
});
`;

function modules(): readonly CpioEntry[] {
	const root = join(unpacked, "lib/modules");
	return globSync("**/*", { cwd: root })
		.filter((path) => statSync(join(root, path)).isFile())
		.map((path) => fileOf(`lib/modules/${path}`, join(root, path)));
}

function programFile(name: string): string {
	const folders = ["usr/sbin", "sbin", "usr/bin", "bin"];
	const found = [...folders.map((folder) => join(unpacked, folder)), ...folders.map((folder) => `/${folder}`)]
		.map((folder) => join(folder, name))
		.find((path) => existsSync(path));
	if (found === undefined) throw new Error(`${name} is not on this machine`);
	return realpathSync(found);
}

/** Programs at their place in the guest, and every library the loader says they want. */
function withLibraries(files: readonly (readonly [string, string])[]): readonly CpioEntry[] {
	const entries = new Map<string, CpioEntry>();
	const own = ["usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu"].map((folder) => join(unpacked, folder)).join(":");
	for (const [path, source] of files) {
		entries.set(path, fileOf(path, source));
		const listed = execFileSync("ldd", [source], { encoding: "utf8", env: { ...process.env, LD_LIBRARY_PATH: own } });
		for (const [, name = "", found = ""] of listed.matchAll(/^\s*(\S+)(?: => (\S+))? \(0x/gm)) {
			const library = found || name;
			if (!library.startsWith("/")) continue;
			const place = name.startsWith("/") ? name.slice(1) : `lib/x86_64-linux-gnu/${name}`;
			entries.set(place, fileOf(place, realpathSync(library)));
		}
	}
	return [...entries.values()];
}

function tree(folder: string, wanted: (path: string) => boolean): readonly CpioEntry[] {
	return globSync(`${folder}/**`, { cwd: checkout, withFileTypes: true })
		.map((entry) => ({ entry, path: join(entry.parentPath, entry.name) }))
		.filter(({ entry, path }) => !entry.isDirectory() && wanted(path))
		.map(({ entry, path }) =>
			entry.isSymbolicLink()
				? { type: "link" as const, path: `work/${relative(checkout, path)}`, target: readlinkSync(path) }
				: fileOf(`work/${relative(checkout, path)}`, path),
		);
}

const fileOf = (path: string, source: string): CpioEntry => ({
	type: "file",
	path,
	content: readFileSync(source),
	mode: statSync(source).mode & 0o777,
});

const textFile = (path: string, text: string): CpioEntry => ({
	type: "file",
	path,
	content: Buffer.from(text),
	mode: 0o644,
});
