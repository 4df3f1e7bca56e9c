// The lab's administrator: makes the mesh's authority in the directory that the control planes share, and a join token for
// each node, as `keepmesh token create` does.

import { writeFileSync } from "node:fs";
import { type Authority, openAuthority } from "../identity/authority/authority.ts";
import { JoinTokens } from "../identity/authority/join-tokens.ts";

const trustDomain = "cluster.local";
const ttlMs = 3_600_000;

export class JoinTokenFiles {
	readonly #authority: Authority;
	readonly #tokens: JoinTokens;

	constructor(caDirectory: string) {
		this.#authority = openAuthority({ directory: caDirectory, trustDomain, wallMs: Date.now });
		this.#tokens = new JoinTokens(caDirectory);
	}

	/** For root alone, as the token is worth a node's identity. */
	write(node: string, path: string): void {
		const { rootHash } = this.#authority;
		const { text } = this.#tokens.create({ node, ttlMs, rootHash, nowMs: Date.now() });
		writeFileSync(path, `${text}\n`, { mode: 0o600 });
	}
}
