// The nodes that have joined, as files registrations/NODE.json in the authority's directory: a node whose file is gone can
// neither renew its certificate nor speak for anybody, at any replica. What cannot be read leaves what was known. Nodes that
// somebody else vouches for need no file; NODE.shut-out shuts them out.

import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { replaceFile } from "../../runtime/durable-file.ts";
import { parsePartId, type SpiffeId } from "../spiffe-id.ts";
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
	readonly #onProblem: (because: string) => void;
	readonly #known = new Map<string, NodeRegistration>();
	#vouches: (node: string) => boolean = () => false;
	readonly #problems = new Map<string, string>();

	/** `caDirectory`: the authority's. `onProblem`: a file cannot be read; once, until it can. */
	constructor(caDirectory: string, onProblem: (because: string) => void = () => {}) {
		this.#directory = join(caDirectory, "registrations");
		this.#onProblem = onProblem;
	}

	/** Nodes that somebody else knows count as registered, without a file: those of a Kubernetes cluster. */
	vouchedBy(vouches: (node: string) => boolean): void {
		this.#vouches = vouches;
	}

	/** Takes the place of what an earlier token said of the node. */
	register(token: JoinTokenFacts, joinedMs: number): void {
		const registration: NodeRegistration = { node: token.node, allow: token.allow, joinedMs, token: token.id };
		replaceFile(this.#path(token.node), `${JSON.stringify({ format: 1, ...registration })}\n`);
		this.readmit(token.node);
	}

	of(node: string): NodeRegistration | undefined {
		// The name becomes a path.
		if (!isNodeName(node)) return undefined;
		try {
			const registration = registrationIn(readFileSync(this.#path(node), "utf8"), node);
			this.#known.set(node, registration);
			this.#problems.delete(node);
			return registration;
		} catch (error) {
			if ((error as NodeJS.ErrnoException).code === "ENOENT" && this.#vouches(node) && !this.isShutOut(node))
				return { node, allow: [], joinedMs: 0, token: "" };
			// A directory that is gone, as when a disk is not mounted, shuts nobody out.
			const isRemoved = (error as NodeJS.ErrnoException).code === "ENOENT" && existsSync(this.#directory);
			if (isRemoved) this.#known.delete(node);
			const known = this.#known.get(node);
			if (!isRemoved && (known || existsSync(this.#path(node)))) this.#report(node, error);
			return known;
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
		// One that cannot be read is one all the same.
		const known = this.of(node) !== undefined || (isNodeName(node) && existsSync(this.#path(node)));
		if (known) rmSync(this.#path(node), { force: true });
		this.#known.delete(node);
		return known;
	}

	/** Also one that has no file because somebody else vouches for it. False: no node can have this name. */
	shutOut(node: string, nowMs: number): boolean {
		if (!isNodeName(node)) return false;
		this.remove(node);
		replaceFile(this.#shutOutPath(node), `${JSON.stringify({ atMs: nowMs })}\n`);
		return true;
	}

	isShutOut(node: string): boolean {
		return isNodeName(node) && existsSync(this.#shutOutPath(node));
	}

	/** False: it was not shut out. */
	readmit(node: string): boolean {
		if (!this.isShutOut(node)) return false;
		rmSync(this.#shutOutPath(node), { force: true });
		return true;
	}

	#report(node: string, error: unknown): void {
		const because = error instanceof Error ? error.message : String(error);
		if (this.#problems.get(node) === because) return;
		this.#problems.set(node, because);
		this.#onProblem(`${this.#path(node)}: ${because}`);
	}

	#path(node: string): string {
		return join(this.#directory, `${node}.json`);
	}

	#shutOutPath(node: string): string {
		return join(this.#directory, `${node}.shut-out`);
	}
}

const isNodeName = (text: string): boolean => parsePartId(`spiffe://t/keepmesh/node/${text}`) !== undefined;

function registrationIn(text: string, node: string): NodeRegistration {
	const content = JSON.parse(text) as Partial<NodeRegistration> | null;
	if (content?.node !== node || !Array.isArray(content.allow)) throw new Error(`it is no registration of node ${node}`);
	return content as NodeRegistration;
}
