// Puts the CNI plug-in onto the node and chains it behind the cluster's own, again whenever somebody else wrote the list anew. In:
// the directories of programs and lists. Out: what was changed; taken away, the list is as if it had never been there.

import { readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type PluginPlaces, pluginName, renderPlugin } from "./plugin-script.ts";

export interface PluginDirectories {
	/** `/opt/cni/bin` of the node, as seen here. */
	readonly programs: string;
	/** `/etc/cni/net.d` of the node, as seen here. */
	readonly lists: string;
}

export type Installed =
	| { readonly ok: true; readonly changed: readonly string[] }
	| { readonly ok: false; readonly because: string };

interface NetworkList {
	readonly cniVersion?: string;
	readonly name?: string;
	readonly plugins?: readonly { readonly type?: string }[];
}

/** Idempotent: what is right already is left alone. */
export function installPlugin({ lists, programs }: PluginDirectories, places: PluginPlaces): Installed {
	try {
		const program = join(programs, pluginName);
		const script = renderPlugin(places);
		const changed: string[] = [];
		if (textOf(program) !== script) {
			replace(program, script, 0o755);
			changed.push(program);
		}
		const name = chosenList(lists);
		if (name === undefined)
			return { ok: false, because: `${lists} has no CNI configuration yet: the cluster's network plug-in writes it` };
		const list = join(lists, name);
		const content = JSON.parse(readFileSync(list, "utf8")) as NetworkList & { readonly type?: string };
		if (Array.isArray(content.plugins)) {
			if (content.plugins.some(({ type }) => type === pluginName)) return { ok: true, changed };
			write(list, { ...content, plugins: [...content.plugins, { type: pluginName }] });
			return { ok: true, changed: [...changed, list] };
		}
		// A single plug-in cannot be chained: it becomes a list of one, before the old file in the order of names.
		const { cniVersion = "0.3.1", name: network = "keepmesh", ...alone } = content;
		const made = list.replace(/\.(?:conf|json)$/, ".conflist");
		write(made, { cniVersion, name: network, plugins: [alone, { type: pluginName }] });
		renameSync(list, `${list}.before-keepmesh`);
		return { ok: true, changed: [...changed, made] };
	} catch (error) {
		return { ok: false, because: error instanceof Error ? error.message : String(error) };
	}
}

/** Idempotent. */
export function removePlugin({ lists, programs }: PluginDirectories): readonly string[] {
	const changed: string[] = [];
	for (const name of confFiles(lists)) {
		const path = join(lists, name);
		const content = JSON.parse(readFileSync(path, "utf8")) as NetworkList;
		if (!content.plugins?.some(({ type }) => type === pluginName)) continue;
		const before = path.replace(/\.conflist$/, ".conf.before-keepmesh");
		if (textOf(before) === undefined)
			write(path, { ...content, plugins: content.plugins.filter(({ type }) => type !== pluginName) });
		else {
			renameSync(before, before.replace(/\.before-keepmesh$/, ""));
			rmSync(path);
		}
		changed.push(path);
	}
	const program = join(programs, pluginName);
	// After the lists: a list that names a program which is not there lets no pod start.
	if (textOf(program) !== undefined) changed.push(program);
	rmSync(program, { force: true });
	return changed;
}

/** The one that container runtimes take: the first by name. */
const chosenList = (lists: string): string | undefined => confFiles(lists)[0];

const confFiles = (lists: string): readonly string[] =>
	readdirSync(lists)
		.filter((name) => /\.(?:conf|conflist|json)$/.test(name))
		.sort();

function textOf(path: string): string | undefined {
	try {
		return readFileSync(path, "utf8");
	} catch {
		return undefined;
	}
}

const write = (path: string, content: object): void =>
	replace(path, `${JSON.stringify(content, undefined, 2)}\n`, 0o644);

/** Never a moment without it, nor with half of it. */
function replace(path: string, text: string, mode: number): void {
	const next = `${path}.keepmesh-new`;
	writeFileSync(next, text, { mode });
	renameSync(next, path);
}
