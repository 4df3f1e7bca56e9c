// What the test images are made of: programs of this machine's packages, the checkout's Node and Envoy, what was built.

import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, realpathSync } from "node:fs";
import { basename, join } from "node:path";
import type { Image } from "./image.ts";
import {
	baseImage,
	coreDnsImage,
	envoyImage,
	keepmeshBaseImage,
	netImage,
	nodeImage,
	pauseImage,
} from "./image-names.ts";
import type { ImageSources } from "./image-sources.ts";
import type { Layer, LayerEntry } from "./layer.ts";
import { sharedLibraries } from "./shared-libraries.ts";

const environment = ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"];
const shell = { environment, command: ["/bin/sh"] };
const binaryDirectories = ["/usr/sbin", "/sbin", "/usr/bin", "/bin"];

/** The layers that images share. */
export interface ImageLayers {
	readonly base: Layer;
	readonly node: Layer;
	readonly envoy: Layer;
	readonly net: Layer;
}

/** Looks every program's shared libraries up: call it once. */
export function readLayers(sources: ImageSources): ImageLayers {
	return {
		base: baseLayer(sources),
		node: [{ kind: "file", path: "usr/local/bin/node", source: realpathSync(sources.node), mode: 0o755 }],
		envoy: [{ kind: "file", path: "usr/local/bin/envoy", source: realpathSync(sources.envoy), mode: 0o755 }],
		net: netLayer(),
	};
}

/** Those of the image store: every node has them. */
export function listImages(sources: ImageSources, layers: ImageLayers): readonly Image[] {
	const { base, node, envoy, net } = layers;
	const single = (name: string): Layer => [
		{ kind: "file", path: name, source: join(sources.programs, name), mode: 0o755 },
	];
	return [
		{ name: pauseImage, config: { entrypoint: ["/pause"] }, layers: [single("pause")] },
		{ name: coreDnsImage, config: { entrypoint: ["/coredns"] }, layers: [single("coredns")] },
		{ name: baseImage, config: shell, layers: [base] },
		{ name: nodeImage, config: { environment, command: ["node"] }, layers: [base, node] },
		{ name: envoyImage, config: { environment, entrypoint: ["envoy"] }, layers: [base, envoy] },
		{ name: netImage, config: shell, layers: [base, node, net] },
		keepmeshBase(layers),
	];
}

/** What Keepmesh's own image stands on, so that only its last layer has to be brought to nodes. */
export function keepmeshBase({ base, node, net, envoy }: ImageLayers): Image {
	return { name: keepmeshBaseImage, config: shell, layers: [base, node, net, envoy] };
}

/** What every image that runs Node or Envoy starts from. */
function baseLayer({ envoy, node }: ImageSources): Layer {
	const busybox = findProgram("busybox");
	if (!busybox) throw new Error("busybox is not installed");
	const applets = execFileSync(busybox, ["--list"], { encoding: "utf8" }).split("\n");
	const users = [
		["root", 0, "/root", "/bin/sh"],
		["node", 1000, "/tmp", "/bin/sh"],
		["proxy", 1337, "/tmp", "/bin/sh"],
		["nobody", 65534, "/", "/bin/false"],
	] as const;
	const text = (path: string, lines: readonly string[]): LayerEntry => ({
		kind: "text",
		path,
		text: `${lines.join("\n")}\n`,
	});
	return [
		...["var", "run", "proc", "sys", "dev"].map((path): LayerEntry => ({ kind: "directory", path })),
		{ kind: "directory", path: "root", mode: 0o700 },
		{ kind: "directory", path: "tmp", mode: 0o1777 },
		{ kind: "file", path: "bin/busybox", source: busybox, mode: 0o755 },
		...applets
			.filter((name) => name !== "" && name !== "busybox")
			.map((name): LayerEntry => ({ kind: "link", path: `bin/${basename(name)}`, target: "/bin/busybox" })),
		text(
			"etc/passwd",
			users.map(([name, id, home, program]) => `${name}:x:${id}:${id}::${home}:${program}`),
		),
		text(
			"etc/group",
			users.map(([name, id]) => `${name}:x:${id}:`),
		),
		text("etc/nsswitch.conf", ["hosts: files dns"]),
		...copies(["/etc/ssl/certs/ca-certificates.crt", "/etc/protocols", "/etc/services"]),
		...sharedLibraries([busybox, realpathSync(node), realpathSync(envoy)]),
		// Loaded by name when a program looks a host up.
		...nameServiceLibraries(),
	];
}

function netLayer(): Layer {
	const programs = ["nft", "ip", "ss", "tc", "bridge", "conntrack", "keepalived", "tcpdump", "xtables-nft-multi"]
		.concat("xtables-legacy-multi", "curl", "nsenter")
		.flatMap((name) => findProgram(name) ?? []);
	const commands = ["iptables", "ip6tables"].flatMap((name) => [name, `${name}-save`, `${name}-restore`]);
	const links = commands.flatMap((name): readonly LayerEntry[] => [
		{ kind: "link", path: `usr/sbin/${name}`, target: "xtables-nft-multi" },
		{ kind: "link", path: `usr/sbin/${name.replace("tables", "tables-legacy")}`, target: "xtables-legacy-multi" },
		{ kind: "link", path: `usr/sbin/${name.replace("tables", "tables-nft")}`, target: "xtables-nft-multi" },
	]);
	return [
		...programs.map(
			(source): LayerEntry => ({ kind: "file", path: `usr/sbin/${basename(source)}`, source, mode: 0o755 }),
		),
		...links,
		...sharedLibraries(programs),
		...matchModules(),
	];
}

function findProgram(name: string): string | undefined {
	return binaryDirectories.map((directory) => join(directory, name)).find((path) => existsSync(path));
}

function copies(paths: readonly string[]): readonly LayerEntry[] {
	return paths
		.filter((path) => existsSync(path))
		.map((source) => ({ kind: "file", path: source.slice(1), source, mode: 0o644 }));
}

const libraryDirectories = ["/lib/x86_64-linux-gnu", "/lib/aarch64-linux-gnu"];

function nameServiceLibraries(): readonly LayerEntry[] {
	const names = ["libnss_files.so.2", "libnss_dns.so.2", "libresolv.so.2"];
	return libraryDirectories.flatMap((directory) => copies(names.map((name) => join(directory, name))));
}

/** iptables loads its matches and targets by name. */
function matchModules(): readonly LayerEntry[] {
	return libraryDirectories
		.map((directory) => join("/usr", directory, "xtables"))
		.filter((directory) => existsSync(directory))
		.flatMap((directory) => copies(readdirSync(directory).map((name) => join(directory, name))));
}
