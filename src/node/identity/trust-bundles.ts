// The trust bundles that the control planes sent for this machine's proxies, until each is in force. A bundle counts as taken
// only when the proxy's Envoy has confirmed exactly its roots and a certificate of its issuer, and when this node's own
// certificate comes from that issuer too: after that nothing here depends on an older root or issuer.

import { X509Certificate } from "node:crypto";
import { decodeTrustBundle, type TrustBundle } from "../../identity/trust-bundle.ts";
import type { Cancel, Clock } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";
import type { TrustBundleDelivery } from "../../xds/wire/relay-options.ts";
import { certificatesIn } from "./certified-key.ts";
import { isRevocationList } from "./revocation-lists.ts";

export interface TrustBundlesDeps {
	readonly trustDomain: () => string | undefined;
	/** A bundle of a proxy has come, or gone: roots and wanted issuer may be others. */
	readonly onChanged: (proxyId: string) => void;
	/** Why the bundle is not in force at the proxy and at the node itself; undefined when it is. */
	readonly lackOf: (proxyId: string, bundle: TrustBundle) => Promise<string | undefined>;
	readonly clock: Clock;
	readonly log: Log;
}

const noLists: readonly string[] = [];

interface Entry {
	readonly bundle: TrustBundle;
	readonly rootsPem: string;
	/** Set until it is confirmed. */
	pending: TrustBundleDelivery | undefined;
	because: string;
}

/** Nothing tells when an Envoy has no use for a certificate: it is looked at. */
const lookEveryMs = 1_000;

export class TrustBundles {
	readonly #deps: TrustBundlesDeps;
	readonly #entries = new Map<string, Entry>();
	#cancelLook: Cancel | undefined;

	constructor(deps: TrustBundlesDeps) {
		this.#deps = deps;
	}

	/** Refuses what would cut this node or its workloads off. */
	receive(delivery: TrustBundleDelivery): void {
		const { proxyId, bytes, senderRoot } = delivery;
		const read = readBundle(bytes, this.#deps.trustDomain(), senderRoot);
		if (!read.ok) {
			this.#deps.log.error({ proxyId, because: read.because }, "trust bundle refused; what was trusted stays");
			delivery.refuse(read.because);
			return;
		}
		const { bundle } = read;
		this.#entries.set(proxyId, { bundle, rootsPem: bundle.roots.join(""), pending: delivery, because: "" });
		this.#deps.onChanged(proxyId);
		this.check(proxyId);
	}

	/** PEM of all roots that a proxy is to trust; undefined while no bundle has come. */
	rootsOf(proxyId: string): string | undefined {
		return this.#entries.get(proxyId)?.rootsPem;
	}

	/** Key id of the issuer that its certificate is to come from. */
	issuerOf(proxyId: string): string | undefined {
		return this.#entries.get(proxyId)?.bundle.issuerKeyId;
	}

	/** PEM, one list each; undefined while no bundle has come. */
	revocationListsOf(proxyId: string): readonly string[] | undefined {
		const entry = this.#entries.get(proxyId);
		return entry && (entry.bundle.revocationLists ?? noLists);
	}

	/** What any proxy's bundle holds: replicas of the control plane may differ for a moment. */
	allRoots(): readonly string[] {
		return [...new Set([...this.#entries.values()].flatMap(({ bundle }) => bundle.roots))];
	}

	/** Something of a proxy's, or of the node's (then without an id), has changed: is its bundle in force now? */
	check(proxyId?: string): void {
		for (const [id, entry] of this.#entries)
			if (entry.pending && (proxyId === undefined || proxyId === id)) void this.#check(id, entry);
	}

	forget(proxyId: string): void {
		if (this.#entries.delete(proxyId)) this.#deps.onChanged(proxyId);
	}

	/** Proxies whose bundle is not in force yet, and why. */
	pending(): ReadonlyMap<string, string> {
		return new Map(
			[...this.#entries].flatMap(([id, { pending, because }]) => (pending ? [[id, because] as const] : [])),
		);
	}

	close(): void {
		this.#cancelLook?.();
		this.#entries.clear();
	}

	async #check(proxyId: string, entry: Entry): Promise<void> {
		const lack = await this.#deps.lackOf(proxyId, entry.bundle).catch(String);
		if (this.#entries.get(proxyId) !== entry || !entry.pending) return;
		if (lack === undefined) {
			const { pending } = entry;
			entry.pending = undefined;
			entry.because = "";
			pending.confirm();
			return;
		}
		entry.because = lack;
		this.#cancelLook ??= this.#deps.clock.after(lookEveryMs, () => {
			this.#cancelLook = undefined;
			this.check();
		});
	}
}

type Read = { readonly ok: true; readonly bundle: TrustBundle } | { readonly ok: false; readonly because: string };

function readBundle(bytes: Uint8Array, trustDomain: string | undefined, senderRoot: Uint8Array | undefined): Read {
	const decoded = decodeTrustBundle(bytes);
	if (!decoded) return { ok: false, because: "it is no trust bundle" };
	if (trustDomain !== undefined && decoded.trustDomain !== trustDomain)
		return { ok: false, because: `it is of ${decoded.trustDomain}, this node is of ${trustDomain}` };
	const roots: X509Certificate[] = [];
	for (const text of decoded.roots) {
		const [pem, ...more] = certificatesIn(text);
		try {
			if (pem === undefined || more.length > 0) return { ok: false, because: "a root is not one certificate" };
			roots.push(new X509Certificate(pem));
		} catch {
			return { ok: false, because: "a root is no certificate" };
		}
	}
	if (roots.some((root) => !root.ca)) return { ok: false, because: "a root may not sign certificates" };
	if (senderRoot && !roots.some((root) => root.raw.equals(senderRoot)))
		return { ok: false, because: "it leaves out the root of the control plane that sent it" };
	if (decoded.revocationLists?.some((list) => !isRevocationList(list)))
		return { ok: false, because: "a revocation list is none" };
	const texts = [...new Set(roots.map((root) => root.toString()))];
	return { ok: true, bundle: { ...decoded, roots: texts } };
}
