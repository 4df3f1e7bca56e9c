// Join tokens: files in the authority's directory, so every replica knows them and who can write there hands them out.
//   tokens/ID.json       for which node, until when, SHA-256 of the secret
//   tokens/ID.used       by which key it was used; made by a hard link, so one use wins among all replicas
//   tokens/ID.revoked
// The text is km1.ID.SECRET.ROOTHASH; the secret is nowhere but in it.

import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { createFile } from "../../runtime/durable-file.ts";
import { parsePartId } from "../spiffe-id.ts";

export interface WorkloadGrant {
	readonly namespace: string;
	readonly serviceAccount: string;
}

export interface JoinTokenFacts {
	readonly id: string;
	readonly node: string;
	/** Workloads that the node may speak for although no resource places them on it. */
	readonly allow: readonly WorkloadGrant[];
	readonly createdMs: number;
	readonly expiresMs: number;
}

export type JoinTokenState = "unused" | "used" | "expired" | "revoked";

export interface JoinTokenStatus extends JoinTokenFacts {
	readonly state: JoinTokenState;
	readonly usedMs?: number;
}

export type JoinRefusal = "token_malformed" | "token_unknown" | "token_expired" | "token_revoked" | "token_used";

export type JoinOutcome =
	| { readonly ok: true; readonly token: JoinTokenFacts }
	| { readonly ok: false; readonly reason: JoinRefusal; readonly because: string };

interface TokenFile extends JoinTokenFacts {
	readonly format: 1;
	/** base64url. */
	readonly secretSha256: string;
}

interface UseFile {
	readonly publicKeySha256: string;
	readonly atMs: number;
}

const textPattern = /^km1\.([0-9a-f]{16})\.([\w-]{32})\.[\w-]{43}$/;
const idPattern = /^[0-9a-f]{16}$/;
/** Tokens that ended this long ago are swept away when a new one is made. */
const keptMs = 30 * 86_400_000;

export class JoinTokens {
	readonly #directory: string;

	/** `caDirectory`: the authority's. */
	constructor(caDirectory: string) {
		this.#directory = join(caDirectory, "tokens");
	}

	/** Throws for a name that no node can have. `rootHash`: the authority's. */
	create(wanted: {
		readonly node: string;
		readonly ttlMs: number;
		readonly allow?: readonly WorkloadGrant[];
		readonly rootHash: string;
		readonly nowMs: number;
	}): { readonly text: string; readonly token: JoinTokenFacts } {
		const { allow = [], node, nowMs, rootHash, ttlMs } = wanted;
		if (!parsePartId(`spiffe://t/keepmesh/node/${node}`))
			throw new Error(`"${node}" is no node name: lower-case letters, digits, - and . are`);
		this.#sweep(nowMs);
		const id = randomBytes(8).toString("hex");
		const secret = randomBytes(24).toString("base64url");
		const token: JoinTokenFacts = { id, node, allow, createdMs: nowMs, expiresMs: nowMs + ttlMs };
		const file: TokenFile = { format: 1, ...token, secretSha256: sha256(secret) };
		createFile(this.#path(`${id}.json`), `${JSON.stringify(file)}\n`);
		return { text: `km1.${id}.${secret}.${rootHash}`, token };
	}

	/** Oldest first. */
	list(nowMs: number): readonly JoinTokenStatus[] {
		const files = existsSync(this.#directory) ? readdirSync(this.#directory) : [];
		const tokens = files.flatMap((name) => this.#read(/^([0-9a-f]{16})\.json$/.exec(name)?.[1] ?? "") ?? []);
		return tokens
			.map(({ format: _, secretSha256: __, ...token }): JoinTokenStatus => {
				const use = this.#useOf(token.id);
				return { ...token, state: this.#stateOf(token, use, nowMs), ...(use ? { usedMs: use.atMs } : {}) };
			})
			.sort((a, b) => a.createdMs - b.createdMs);
	}

	/** False: there is no such token. */
	revoke(id: string, nowMs: number): boolean {
		if (!this.#read(id)) return false;
		createFile(this.#path(`${id}.revoked`), `${JSON.stringify({ atMs: nowMs })}\n`);
		return true;
	}

	/** Whether the text is a token that is in force; it may have been used already. */
	check(text: string, nowMs: number): JoinOutcome {
		const [, id = "", secret = ""] = textPattern.exec(text) ?? [];
		if (id === "") return refused("token_malformed", "a join token has the form km1.ID.SECRET.ROOTHASH");
		const file = this.#read(id);
		const isRight = timingSafeEqual(Buffer.from(sha256(secret)), Buffer.from(file?.secretSha256 ?? sha256("")));
		if (!file || !isRight) return refused("token_unknown", `there is no join token ${id} with this secret`);
		const state = this.#stateOf(file, undefined, nowMs);
		if (state === "revoked") return refused("token_revoked", `join token ${id} was revoked`);
		if (state === "expired")
			return refused("token_expired", `join token ${id} expired at ${new Date(file.expiresMs).toISOString()}`);
		const { format: _, secretSha256: __, ...token } = file;
		return { ok: true, token };
	}

	/** Uses a token up for the holder of `publicKey` (SubjectPublicKeyInfo). The same key may ask again: its answer was lost. */
	redeem(text: string, publicKey: Uint8Array, nowMs: number): JoinOutcome {
		const checked = this.check(text, nowMs);
		if (!checked.ok) return checked;
		const { id } = checked.token;
		const publicKeySha256 = createHash("sha256").update(publicKey).digest("base64url");
		createFile(this.#path(`${id}.used`), `${JSON.stringify({ publicKeySha256, atMs: nowMs })}\n`);
		const use = this.#useOf(id);
		if (use?.publicKeySha256 === publicKeySha256) return checked;
		const at = new Date(use?.atMs ?? nowMs).toISOString();
		return refused("token_used", `join token ${id} was used at ${at}, with another key; each token is for one use`);
	}

	#stateOf(token: JoinTokenFacts, use: UseFile | undefined, nowMs: number): JoinTokenState {
		if (existsSync(this.#path(`${token.id}.revoked`))) return "revoked";
		if (use) return "used";
		return nowMs >= token.expiresMs ? "expired" : "unused";
	}

	#read(id: string): TokenFile | undefined {
		return idPattern.test(id) ? readJson<TokenFile>(this.#path(`${id}.json`)) : undefined;
	}

	#useOf(id: string): UseFile | undefined {
		return readJson<UseFile>(this.#path(`${id}.used`));
	}

	#sweep(nowMs: number): void {
		for (const { id, expiresMs } of this.list(nowMs)) {
			if (nowMs < expiresMs + keptMs) continue;
			for (const end of ["json", "used", "revoked"]) rmSync(this.#path(`${id}.${end}`), { force: true });
		}
	}

	#path(name: string): string {
		return join(this.#directory, name);
	}
}

function refused(reason: JoinRefusal, because: string): JoinOutcome {
	return { ok: false, reason, because };
}

function readJson<Content>(path: string): Content | undefined {
	try {
		return JSON.parse(readFileSync(path, "utf8")) as Content;
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
		throw error;
	}
}

const sha256 = (text: string): string => createHash("sha256").update(text).digest("base64url");
