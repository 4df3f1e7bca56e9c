// Names for the pods' network namespaces that are never used again: an Envoy that still drains a listener of the namespace that
// a path led to before must not take another one for it. In: a pod's path. Out: the path of a link to it.

import { mkdirSync, readdirSync, renameSync, rmSync, statSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { namespaceIdentity } from "../../kernel/linux/namespace-identity.ts";

export type LinkedNamespace =
	| { readonly ok: true; readonly link: string }
	| { readonly ok: false; readonly because: string };

export class NamespaceLinks {
	readonly #directory: string;

	/** Makes the directory, which Envoy's user may pass through. */
	constructor(directory: string) {
		this.#directory = directory;
		mkdirSync(directory, { recursive: true, mode: 0o711 });
	}

	/** The same link for the same namespace, also for the next agent. */
	link(uid: string, netns: string): LinkedNamespace {
		try {
			const identity = namespaceIdentity(netns);
			if (!identity) return { ok: false, because: `${netns} does not exist` };
			const target = this.#openable(netns, identity.inode);
			if (target === undefined)
				return { ok: false, because: `${netns} cannot be opened by Envoy's user; give it a name below /run/netns` };
			const [, cookie = ""] = identity.id.split("/");
			const link = join(this.#directory, `${uid}.${cookie}-${identity.inode}`);
			// Never a moment without it: a spare that goes on opens it for each connection.
			const next = `${link}.new`;
			rmSync(next, { force: true });
			symlinkSync(target, next);
			renameSync(next, link);
			return { ok: true, link };
		} catch (error) {
			return { ok: false, because: error instanceof Error ? error.message : String(error) };
		}
	}

	remove(link: string): void {
		rmSync(link, { force: true });
	}

	/** Removes all others. */
	keep(links: Iterable<string>): void {
		const kept = new Set(links);
		for (const name of readdirSync(this.#directory))
			if (!kept.has(join(this.#directory, name))) this.remove(join(this.#directory, name));
	}

	/** What is below /proc/PID is for that process's user only; one's own is for everybody. */
	#openable(netns: string, inode: number): string | undefined {
		if (!netns.startsWith("/proc/")) return netns;
		return statSync("/proc/self/ns/net").ino === inode ? "/proc/self/ns/net" : undefined;
	}
}
