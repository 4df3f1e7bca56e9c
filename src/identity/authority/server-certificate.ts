// The control plane's own certificate for its TLS port: kept in memory, renewed at half its life, and anew whenever another
// issuer signs. In: the authority and its names. Out: what a TLS server needs, now and after each renewal.

import type { KeyObject } from "node:crypto";
import { isIPv4 } from "node:net";
import type { Cancel, Clock } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";
import type { PartId } from "../spiffe-id.ts";
import type { Authority } from "./authority.ts";
import { dayMs } from "./new-certificates.ts";
import { newAuthorityKey, publicKeyDer } from "./signing-key.ts";

export interface ServerCertificateOptions {
	readonly identity: PartId;
	readonly dnsNames: readonly string[];
	/** Textual, IPv4 or IPv6. */
	readonly ipAddresses: readonly string[];
}

export interface ServerTls {
	readonly key: string;
	/** Leaf first, with the root at its end: who joins looks for it there. */
	readonly cert: string;
	/** What client certificates are verified with. */
	readonly ca: string[];
}

export interface ServerCertificateDeps {
	readonly authority: Authority;
	readonly clock: Clock;
	readonly log: Log;
	readonly onRenewed: (tls: ServerTls) => void;
}

/** The authority does not sign, not even for its own port. */
export class CannotCertify extends Error {
	readonly reason: string;

	constructor(reason: string, because: string) {
		super(because);
		this.reason = reason;
	}
}

const ttlMs = dayMs;
const retryMs = 60_000;

export class ServerCertificate {
	readonly #options: ServerCertificateOptions;
	readonly #deps: ServerCertificateDeps;
	readonly #stopListening: Cancel;
	#tls: ServerTls;
	#cancel: Cancel = () => {};

	/** Throws when the authority cannot sign. */
	constructor(options: ServerCertificateOptions, deps: ServerCertificateDeps) {
		this.#options = options;
		this.#deps = deps;
		this.#tls = this.#issue();
		this.#stopListening = deps.authority.onChange(() => this.#renew());
	}

	get tls(): ServerTls {
		return this.#tls;
	}

	close(): void {
		this.#cancel();
		this.#stopListening();
	}

	#renew(): void {
		const { authority, clock, log, onRenewed } = this.#deps;
		this.#cancel();
		try {
			this.#tls = this.#issue();
		} catch (error) {
			// The roots may have changed all the same.
			this.#tls = { ...this.#tls, ca: [...authority.bundle().roots] };
			log.error({ because: String(error) }, "no new certificate for this control plane's own port");
			this.#cancel = clock.after(retryMs, () => this.#renew());
		}
		onRenewed(this.#tls);
	}

	#issue(): ServerTls {
		const { authority, clock } = this.#deps;
		const { dnsNames, identity, ipAddresses } = this.#options;
		const key: KeyObject = newAuthorityKey();
		const signed = authority.signKey(publicKeyDer(key), identity, {
			validitySeconds: Math.min(ttlMs, authority.maxLeafTtlMs) / 1000,
			dnsNames,
			ipAddresses: ipAddresses.map(addressBytes),
		});
		if (!signed.ok) throw new CannotCertify(signed.reason, signed.because);
		const halfLifeMs = (signed.notAfterMs - clock.wallMs()) / 2;
		this.#cancel = clock.after(Math.max(1_000, halfLifeMs), () => this.#renew());
		return {
			key: key.export({ type: "pkcs8", format: "pem" }).toString(),
			cert: signed.chain.join(""),
			ca: [...authority.bundle().roots],
		};
	}
}

/** 4 or 16 bytes. */
export function addressBytes(address: string): Uint8Array {
	if (isIPv4(address)) return Uint8Array.from(address.split("."), Number);
	const [head = "", tail] = address.replace(/%.*$/, "").split("::");
	const groups = (text: string): readonly number[] =>
		text === ""
			? []
			: text.split(":").flatMap((group) => (group.includes(".") ? v4Groups(group) : [Number.parseInt(group, 16)]));
	const before = groups(head);
	const after = tail === undefined ? [] : groups(tail);
	const middle = tail === undefined ? [] : new Array<number>(8 - before.length - after.length).fill(0);
	return Uint8Array.from([...before, ...middle, ...after].flatMap((group) => [group >> 8, group & 255]));
}

function v4Groups(text: string): readonly number[] {
	const [a = 0, b = 0, c = 0, d = 0] = text.split(".").map(Number);
	return [a * 256 + b, c * 256 + d];
}
