// Who this node is: its certificate from joining to renewal, the roots that it trusts, and with both the connections to the
// control planes. It starts with what is stored; a token is needed only where nothing is, or where all has expired.

import { X509Certificate } from "node:crypto";
import {
	createCertificatePath,
	decodeCreateCertificateResponse,
	encodeCreateCertificateRequest,
} from "../../identity/certificate-service-codec.ts";
import { type PartId, parsePartId } from "../../identity/spiffe-id.ts";
import type { Cancel, Clock } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";
import { type CertifiedKey, certifiedKey, newKey, requestFor } from "./certified-key.ts";
import type { ControlCaller, ControlSecurity } from "./control-caller.ts";
import { fetchRoot, type HostPort, tlsToControl } from "./control-trust.ts";
import type { IdentityStore } from "./identity-store.ts";
import { parseJoinToken } from "./join-token.ts";
import { type CertificateStatus, KeptCertificate } from "./kept-certificate.ts";

/** On Kubernetes: what an agent proves itself with instead of a join token, and the roots that it goes by before it has joined. */
export interface NodeAccount {
	/** The projected token as it is now; undefined: there is none. */
	readonly readToken: () => string | undefined;
	/** Where it is looked for, in words. */
	readonly place: string;
	/** PEM. Rejects, saying why, when they are not known. */
	readonly roots: () => Promise<readonly string[]>;
}

export interface NodeIdentityDeps {
	/** Of this machine, as the control planes' resources name it. */
	readonly name: string;
	/** The text of a join token as it is now; undefined: there is none. */
	readonly readToken: () => string | undefined;
	/** Where to put a token, for messages. */
	readonly tokenPlace: string;
	/** Present: it needs no join token. */
	readonly account?: NodeAccount;
	readonly upstreams: readonly HostPort[];
	readonly store: IdentityStore;
	readonly caller: ControlCaller;
	/** It has a certificate, or another one. */
	readonly onRenewed: () => void;
	readonly clock: Clock;
	readonly random: () => number;
	readonly log: Log;
}

const tokenLookMs = 5_000;
const rootsLookMs = 20_000;
const firstRootsLookMs = 1_000;

export interface NodeIdentityStatus extends CertificateStatus {
	readonly roots: readonly string[];
}

export class NodeIdentity {
	readonly #deps: NodeIdentityDeps;
	readonly #kept: KeptCertificate;
	#roots: readonly string[];
	#revocationLists: readonly string[];
	#id: PartId | undefined;
	#security: ControlSecurity | undefined;
	#seenToken: string | undefined;
	/** The mesh has begun again with roots of which this node trusts none. */
	#isStranded = false;
	#isClosed = false;
	#cancelWatch: Cancel = () => {};

	constructor(deps: NodeIdentityDeps) {
		this.#deps = deps;
		this.#roots = deps.store.loadRoots();
		this.#revocationLists = deps.store.loadRevocationLists();
		this.#kept = new KeptCertificate({
			ask: () => this.#ask(),
			onRenewed: (key) => this.#take(key),
			clock: deps.clock,
			random: deps.random,
			log: deps.log,
			facts: { certificate: `node ${deps.name}` },
		});
	}

	/** Takes what is stored, joins when nothing is. */
	open(): void {
		const stored = this.#deps.store.loadNode();
		const id = stored && parsePartId(stored.uri);
		if (stored && id) {
			this.#id = id;
			if (this.#roots.length === 0) this.#roots = [stored.rootPem];
		}
		this.#kept.open(id ? stored : undefined);
		if (this.#deps.account) void this.#watchRoots(this.#deps.account);
		else this.#watchToken();
	}

	/** Undefined until it has joined once. */
	get trustDomain(): string | undefined {
		return this.#id?.trustDomain;
	}

	/** PEM. */
	get roots(): readonly string[] {
		return this.#roots;
	}

	get issuerKeyId(): string | undefined {
		return this.#kept.key?.issuerKeyId;
	}

	/** For a connection now; undefined while it has not joined. The same object as long as nothing changes. */
	security(): Exclude<ControlSecurity, "plaintext"> | undefined {
		const { key } = this.#kept;
		if (!key || !this.#id) return undefined;
		this.#security ??= tlsToControl({ roots: this.#roots, trustDomain: this.#id.trustDomain, own: key });
		return this.#security === "plaintext" ? undefined : this.#security;
	}

	/** What the mesh trusts now. Never nothing. */
	trust(roots: readonly string[]): void {
		if (roots.length === 0 || sameTexts(roots, this.#roots)) return;
		this.#roots = roots;
		this.#security = undefined;
		this.#saveRoots();
	}

	/** PEM, one list each: those that were given last. */
	get revocationLists(): readonly string[] {
		return this.#revocationLists;
	}

	revoke(lists: readonly string[]): void {
		if (sameTexts(lists, this.#revocationLists)) return;
		this.#revocationLists = lists;
		this.#save("revocation lists", () => this.#deps.store.saveRevocationLists(lists));
	}

	wantIssuer(issuerKeyId: string): void {
		this.#kept.wantIssuer(issuerKeyId);
	}

	renewNow(): void {
		this.#kept.renewNow();
	}

	status(): NodeIdentityStatus {
		return {
			...this.#kept.status(),
			roots: this.#roots.map((root) => new X509Certificate(root).fingerprint256),
		};
	}

	close(): void {
		this.#isClosed = true;
		this.#cancelWatch();
		this.#kept.close();
	}

	async #ask(): Promise<CertifiedKey> {
		const { key } = this.#kept;
		const isUsable = key !== undefined && this.#deps.clock.wallMs() < key.notAfterMs;
		const { account } = this.#deps;
		if (account) return this.#askByAccount(account, isUsable);
		if (!isUsable) return this.#join(key !== undefined);
		if (this.#freshToken() === undefined) return this.#renew();
		// Whoever puts a token there wants this node anew: the mesh may have other roots by now, and not know the old ones.
		return this.#join(false).catch(async (error: unknown) => {
			this.#deps.log.warn({ because: textOf(error) }, "the new join token is of no use; the certificate stays");
			return this.#renew();
		});
	}

	/** Whoever has an account may begin anew whenever its certificate is of no use. */
	async #askByAccount(account: NodeAccount, isUsable: boolean): Promise<CertifiedKey> {
		if (isUsable && !this.#isStranded)
			try {
				return await this.#renew();
			} catch (error) {
				this.#deps.log.warn({ because: textOf(error) }, "the node's certificate is not renewed; it joins anew");
			}
		const token = account.readToken();
		if (token === undefined || token === "") throw new Error(`this node has no token in ${account.place}`);
		const roots = await account.roots();
		const headers = { authorization: `Bearer ${token}` };
		const key = await this.#request(tlsToControl({ roots }), newKey(), headers);
		this.#roots = [...new Set([...roots, key.rootPem])];
		this.#isStranded = false;
		this.#saveRoots();
		this.revoke([]);
		return key;
	}

	async #watchRoots(account: NodeAccount): Promise<void> {
		const roots = await account.roots().catch(() => []);
		if (this.#isClosed) return;
		// A rotation is told of by the trust bundle, and never takes all of them at once.
		const known = new Set(this.#roots.map((root) => root.trim()));
		this.#isStranded = roots.length > 0 && known.size > 0 && !roots.some((root) => known.has(root.trim()));
		if (this.#isStranded) this.#kept.renewNow();
		const hasJoined = this.#kept.key !== undefined;
		// Whoever waits for its first certificate does not wait long.
		if (!hasJoined && roots.length > 0) this.#kept.nudge();
		const nextMs = hasJoined ? rootsLookMs : firstRootsLookMs;
		this.#cancelWatch = this.#deps.clock.after(nextMs, () => void this.#watchRoots(account));
	}

	/** A token that has not been used yet. */
	#freshToken(): string | undefined {
		const text = this.#deps.readToken()?.trim();
		return text === undefined || text === "" || this.#deps.store.wasUsed(text) ? undefined : text;
	}

	/** A token that is put there later counts at once. */
	#watchToken(): void {
		const text = this.#freshToken();
		if (text !== undefined && text !== this.#seenToken) this.#kept.renewNow();
		this.#seenToken = text;
		this.#cancelWatch = this.#deps.clock.after(tokenLookMs, () => this.#watchToken());
	}

	async #renew(): Promise<CertifiedKey> {
		const security = this.security();
		if (!security) throw new Error("it has no certificate to renew");
		return this.#request(security, newKey(), {});
	}

	async #join(expired: boolean): Promise<CertifiedKey> {
		const { readToken, tokenPlace, upstreams, name, store } = this.#deps;
		const text = readToken();
		const hint = `keepmesh token create --node ${name} on a control plane, and put it into ${tokenPlace}`;
		const lack = expired ? "the node's certificate has expired" : "this node has not joined";
		if (text === undefined) throw new Error(`${lack}, and there is no join token: ${hint}`);
		const token = parseJoinToken(text);
		if (!token) throw new Error(`${lack}, and what ${tokenPlace} holds is no join token: ${hint}`);
		if (store.wasUsed(token.text)) throw new Error(`${lack}, and the join token in ${tokenPlace} is used up: ${hint}`);
		try {
			const root = await this.#findRoot(upstreams, token.rootHash);
			// Written down before it is sent: if the answer is lost, the token still certifies this key.
			const keyPem = store.joiningKey(newKey);
			const security = tlsToControl({ roots: [root] });
			const key = await this.#request(security, keyPem, { authorization: `Bearer ${token.text}` });
			this.#roots = [...new Set([root, key.rootPem])];
			this.#saveRoots();
			// Of the issuers before, and a list that lacks the issuer of a certificate refuses it.
			this.revoke([]);
			store.markUsed(token.text);
			return key;
		} catch (error) {
			throw new Error(`${lack}: ${textOf(error)}`);
		}
	}

	async #findRoot(upstreams: readonly HostPort[], rootHash: string): Promise<string> {
		const reasons: string[] = [];
		for (const upstream of upstreams) {
			try {
				return await fetchRoot(upstream, rootHash);
			} catch (error) {
				reasons.push(`${upstream.host}:${upstream.port}: ${textOf(error)}`);
			}
		}
		throw new Error(reasons.join("; "));
	}

	async #request(security: ControlSecurity, keyPem: string, headers: Readonly<Record<string, string>>) {
		const message = encodeCreateCertificateRequest({ csr: requestFor(keyPem), validitySeconds: 0 });
		const answer = await this.#deps.caller.call(security, { path: createCertificatePath, message, headers });
		const key = certifiedKey(keyPem, decodeCreateCertificateResponse(answer));
		const id = parsePartId(key.uri);
		if (id?.part !== "node") throw new Error(`the control plane answered with a certificate for ${key.uri}`);
		if (id.name !== this.#deps.name)
			throw new Error(`the certificate is for node ${id.name}, and this one is ${this.#deps.name}: see --node`);
		return key;
	}

	#take(key: CertifiedKey): void {
		this.#id = parsePartId(key.uri);
		this.#security = undefined;
		try {
			this.#deps.store.saveNode(key);
		} catch (error) {
			this.#deps.log.error({ because: textOf(error) }, "the node's certificate could not be stored");
		}
		this.#deps.log.info({ uri: key.uri, notAfter: new Date(key.notAfterMs).toISOString() }, "node certified");
		this.#deps.onRenewed();
	}

	#saveRoots(): void {
		this.#save("roots", () => this.#deps.store.saveRoots(this.#roots));
	}

	#save(what: string, write: () => void): void {
		try {
			write();
		} catch (error) {
			this.#deps.log.error({ because: textOf(error) }, `the ${what} could not be stored`);
		}
	}
}

function sameTexts(a: readonly string[], b: readonly string[]): boolean {
	const texts = new Set(a);
	return texts.size === new Set(b).size && b.every((text) => texts.has(text));
}

const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
