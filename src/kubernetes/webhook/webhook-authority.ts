// What the Secret of the webhooks' certificates holds -> what it shall hold now. All replicas serve the leaf that lies there; API
// servers trust the authorities in it. A new authority is trusted for an hour before it signs, so nothing is refused meanwhile.

import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { authorityCertificate, splitCertificates } from "../../identity/authority/authority-state.ts";
import { newRoot, newSerial } from "../../identity/authority/new-certificates.ts";
import { keyIdOf, newAuthorityKey, publicKeyDer, signerOf } from "../../identity/authority/signing-key.ts";
import { signCertificate } from "../../identity/certificate.ts";
import { pemFromDer } from "../../identity/certificate-request.ts";

/** PEM texts, by the names that they have in the Secret. */
export interface WebhookSecret {
	readonly "tls.crt": string;
	readonly "tls.key": string;
	/** The authority that signs first, then older ones, of which certificates may be in use. */
	readonly "ca.crt": string;
	readonly "ca.key": string;
	/** An authority that is trusted and does not sign yet; empty when there is none. */
	readonly "next-ca.crt": string;
	readonly "next-ca.key": string;
}

/** What was found where a Secret should be. */
export type SecretFields = Partial<WebhookSecret>;

const dayMs = 86_400_000;
const authorityTtlMs = 3650 * dayMs;
const leafTtlMs = 90 * dayMs;
const backdateMs = 120_000;
/** Until every API server has heard of a new authority. */
const trustedBeforeMs = 3_600_000;

export interface WebhookAuthorityOptions {
	/** The webhooks' Service, as API servers call it: `keepmesh-control.keepmesh-system.svc`. */
	readonly dnsNames: readonly string[];
	readonly nowMs: number;
}

export type SecretPlan =
	| { readonly change: false; readonly secret: WebhookSecret }
	| { readonly change: true; readonly secret: WebhookSecret; readonly because: string };

export function planWebhookSecret(fields: SecretFields | undefined, options: WebhookAuthorityOptions): SecretPlan {
	const { dnsNames, nowMs } = options;
	if (fields === undefined) return { change: true, secret: newSecret(options), because: "there is none" };
	const secret = readWebhookSecret(fields);
	if (!secret) return { change: true, secret: newSecret(options), because: "what is there cannot be read" };
	const [authority] = splitCertificates(secret["ca.crt"]);
	const times = authority === undefined ? undefined : timesOf(authority);
	if (!times || nowMs >= times.notAfterMs) {
		const because = "its authority has expired";
		return { change: true, secret: newSecret(options), because };
	}
	const next = timesOf(secret["next-ca.crt"]);
	if (next && nowMs >= next.notBeforeMs + backdateMs + trustedBeforeMs) {
		const promoted = promote(secret, options);
		return { change: true, secret: promoted, because: "the new authority is known to everybody: it signs from now on" };
	}
	const [leaf] = splitCertificates(secret["tls.crt"]);
	const problem = leaf === undefined ? "it has no certificate" : whyRenew(leaf, dnsNames, nowMs);
	if (problem !== undefined)
		return { change: true, secret: { ...secret, ...newLeaf(secret, options) }, because: problem };
	if (!next && nowMs > times.notBeforeMs + (times.notAfterMs - times.notBeforeMs) * 0.8) {
		const key = newAuthorityKey();
		const made = { "next-ca.crt": newRoot(key, "webhooks", nowMs, authorityTtlMs).pem, "next-ca.key": pemOf(key) };
		return { change: true, secret: { ...secret, ...made }, because: "its authority has a fifth of its life left" };
	}
	return { change: false, secret };
}

/** Undefined unless certificate and key are there and belong together. */
export function readWebhookSecret(fields: SecretFields): WebhookSecret | undefined {
	const text = (name: keyof WebhookSecret): string => fields[name] ?? "";
	const secret: WebhookSecret = {
		"tls.crt": text("tls.crt"),
		"tls.key": text("tls.key"),
		"ca.crt": text("ca.crt"),
		"ca.key": text("ca.key"),
		"next-ca.crt": text("next-ca.crt"),
		"next-ca.key": text("next-ca.key"),
	};
	return isPair(secret["tls.crt"], secret["tls.key"]) && isPair(secret["ca.crt"], secret["ca.key"])
		? secret
		: undefined;
}

/** What API servers are to trust, PEM in base64. */
export function caBundleOf(secret: WebhookSecret): string {
	const all = [...splitCertificates(secret["ca.crt"]), ...splitCertificates(secret["next-ca.crt"])];
	return Buffer.from(all.join("")).toString("base64");
}

function newSecret(options: WebhookAuthorityOptions): WebhookSecret {
	const key = newAuthorityKey();
	const authority = {
		"ca.crt": newRoot(key, "webhooks", options.nowMs, authorityTtlMs).pem,
		"ca.key": pemOf(key),
		"next-ca.crt": "",
		"next-ca.key": "",
	};
	return { ...authority, ...newLeaf(authority, options) };
}

function promote(secret: WebhookSecret, options: WebhookAuthorityOptions): WebhookSecret {
	const older = splitCertificates(secret["ca.crt"]).filter((pem) => (timesOf(pem)?.notAfterMs ?? 0) > options.nowMs);
	const authority = {
		"ca.crt": [secret["next-ca.crt"], ...older].join(""),
		"ca.key": secret["next-ca.key"],
		"next-ca.crt": "",
		"next-ca.key": "",
	};
	return { ...authority, ...newLeaf(authority, options) };
}

function newLeaf(
	authority: Pick<WebhookSecret, "ca.crt" | "ca.key">,
	{ dnsNames, nowMs }: WebhookAuthorityOptions,
): Pick<WebhookSecret, "tls.crt" | "tls.key"> {
	const [issuer = ""] = splitCertificates(authority["ca.crt"]);
	const { facts, keyId } = authorityCertificate(issuer, "the webhooks' authority");
	const key = newAuthorityKey();
	const publicKey = publicKeyDer(key);
	const issuerKey = createPrivateKey(authority["ca.key"]);
	const leaf = signCertificate(
		{
			serial: newSerial(),
			issuerName: facts.subjectName,
			notBeforeMs: nowMs - backdateMs,
			notAfterMs: Math.min(nowMs + leafTtlMs, facts.notAfterMs),
			publicKey,
			subjectKeyId: keyIdOf(publicKey),
			authorityKeyId: Buffer.from(keyId, "hex"),
			dnsNames,
		},
		signerOf(issuerKey),
	);
	return { "tls.crt": pemFromDer("CERTIFICATE", leaf), "tls.key": pemOf(key) };
}

function whyRenew(pem: string, dnsNames: readonly string[], nowMs: number): string | undefined {
	const times = timesOf(pem);
	if (!times) return "its certificate cannot be read";
	if (nowMs >= times.notBeforeMs + (times.notAfterMs - times.notBeforeMs) / 2)
		return "its certificate is half-way through";
	const certificate = new X509Certificate(pem);
	const missing = dnsNames.find((name) => certificate.checkHost(name) === undefined);
	return missing === undefined ? undefined : `its certificate does not name ${missing}`;
}

function timesOf(pem: string): { readonly notBeforeMs: number; readonly notAfterMs: number } | undefined {
	try {
		const { validFromDate, validToDate } = new X509Certificate(pem);
		return { notBeforeMs: validFromDate.getTime(), notAfterMs: validToDate.getTime() };
	} catch {
		return undefined;
	}
}

function isPair(certificates: string, key: string): boolean {
	try {
		return new X509Certificate(certificates).checkPrivateKey(createPrivateKey(key));
	} catch {
		return false;
	}
}

function pemOf(key: KeyObject): string {
	return key.export({ type: "pkcs8", format: "pem" }).toString();
}
