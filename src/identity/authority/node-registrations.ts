// The nodes that have joined, as files registrations/NODE.json in the authority's directory: a node whose file is gone can
// neither renew its certificate nor speak for anybody, at any replica.

import { readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { parsePartId, type SpiffeId } from "../spiffe-id.ts";
import { replaceFile } from "./durable-file.ts";
import type { JoinTokenFacts, WorkloadGrant } from "./join-tokens.ts";

export interface NodeRegistration {
	readonly node: string;
	readonly allow: readonly WorkloadGrant[];
	readonly joinedMs: number;
	/** The join token that it came with. */
	readonly token: string;
}

export class NodeRegistrations {
	readonly #directory: string;

	/** `caDirectory`: the authority's. */
	constructor(caDirectory: string) {
		this.#directory = join(caDirectory, "registrations");
	}

	/** Takes the place of what an earlier token said of the node. */
	register(token: JoinTokenFacts, joinedMs: number): void {
		const registration: NodeRegistration = { node: token.node, allow: token.allow, joinedMs, token: token.id };
		replaceFile(this.#path(token.node), `${JSON.stringify({ format: 1, ...registration })}\n`);
	}

	of(node: string): NodeRegistration | undefined {
		// The name becomes a path.
		if (!parsePartId(`spiffe://t/keepmesh/node/${node}`)) return undefined;
		try {
			return JSON.parse(readFileSync(this.#path(node), "utf8")) as NodeRegistration;
		} catch (error) {
			if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
			throw error;
		}
	}

	/** Its registration lists the workload. */
	allows(node: string, identity: SpiffeId): boolean {
		const { namespace, serviceAccount } = identity;
		const allow = this.of(node)?.allow ?? [];
		return allow.some((grant) => grant.namespace === namespace && grant.serviceAccount === serviceAccount);
	}

	list(): readonly NodeRegistration[] {
		let names: readonly string[];
		try {
			names = readdirSync(this.#directory);
		} catch {
			return [];
		}
		const nodes = names.flatMap((name) => /^([^.].*)\.json$/.exec(name)?.[1] ?? []).sort();
		return nodes.flatMap((node) => this.of(node) ?? []);
	}

	/** False: no such node has joined. */
	remove(node: string): boolean {
		const known = this.of(node) !== undefined;
		if (known) rmSync(this.#path(node));
		return known;
	}

	#path(node: string): string {
		return join(this.#directory, `${node}.json`);
	}
}
