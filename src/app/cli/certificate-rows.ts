// Certificates as rows of a table: from what an Envoy says that it uses, or from what the authority says that it issued.

import { createHash } from "node:crypto";
import { readCertificate } from "../../identity/certificate-reader.ts";
import { derFromPem } from "../../identity/certificate-request.ts";
import { planRotation } from "../../identity/rotation-plan.ts";
import { parseSpiffeId } from "../../identity/spiffe-id.ts";
import type { CertificatesAnswer } from "../api/certificate-routes.ts";
import { renderAge } from "./terminal.ts";

export type CertificateState = "OK" | "RENEWING" | "EXPIRING" | "EXPIRED" | "NOT YET VALID" | "OLD ISSUER";

export interface CertificateRow {
	/** SPIFFE id. */
	readonly identity: string;
	/** `reviews-v1-abc.default`, or whoever asked for it. */
	readonly holder: string;
	readonly node: string;
	readonly serial: string;
	/** Subject key id of the issuer. */
	readonly issuerKeyId: string;
	readonly notBeforeMs: number;
	readonly notAfterMs: number;
	/** Fingerprints of the roots that the holder trusts, where that is known. */
	readonly trusts?: readonly string[];
	/** `envoy`: in use now. `ledger`: issued; whether it is in use is not known. */
	readonly source: "envoy" | "ledger";
}

/** It should be renewed at half its life, and is an alarm in its last fifth. `issuers`: key ids of those that there are. */
export function stateOf(
	row: Pick<CertificateRow, "notBeforeMs" | "notAfterMs"> & Partial<Pick<CertificateRow, "issuerKeyId">>,
	nowMs: number,
	issuers?: ReadonlySet<string>,
): CertificateState {
	const { notBeforeMs, notAfterMs } = row;
	if (nowMs < notBeforeMs) return "NOT YET VALID";
	if (nowMs >= notAfterMs) return "EXPIRED";
	// The latest moment that the jitter allows.
	const { renewAtMs, alarmAtMs } = planRotation(notBeforeMs, notAfterMs, 1);
	if (nowMs >= alarmAtMs) return "EXPIRING";
	if (issuers && row.issuerKeyId !== undefined && !issuers.has(row.issuerKeyId)) return "OLD ISSUER";
	return nowMs >= renewAtMs ? "RENEWING" : "OK";
}

/** Envoy keeps the form in which it was sent. */
interface InlineText {
	readonly inline_string?: string;
	/** base64 */
	readonly inline_bytes?: string;
}

interface DumpedSecret {
	readonly name?: unknown;
	readonly tls_certificate?: { readonly certificate_chain?: InlineText };
	readonly validation_context?: { readonly trusted_ca?: InlineText };
}

/** The secrets of an Envoy's config dump -> what it shows and whom it trusts; undefined when it has no certificate. */
export function rowOfSecrets(secrets: readonly object[], holder: string, node: string): CertificateRow | undefined {
	const named = (name: string): DumpedSecret | undefined =>
		secrets.map((secret) => secret as DumpedSecret).find((secret) => secret.name === name);
	const chain = pemOf(named("default")?.tls_certificate?.certificate_chain);
	const leaf = derFromPem("CERTIFICATE", chain);
	const facts = leaf && readCertificate(leaf);
	if (!facts) return undefined;
	const roots = pemOf(named("ROOTCA")?.validation_context?.trusted_ca);
	const { serial, notBeforeMs, notAfterMs, authorityKeyId, uris } = facts;
	const trusts = fingerprintsOf(roots);
	return {
		...{ identity: uris[0] ?? "", holder, node, serial, issuerKeyId: authorityKeyId ?? "" },
		...{ notBeforeMs, notAfterMs, trusts, source: "envoy" },
	};
}

/** What the authority issued to others than these holders: nodes, control planes, workloads that cannot be asked. */
export function rowsOfLedger(answers: readonly CertificatesAnswer[]): readonly CertificateRow[] {
	const newest = new Map<string, CertificateRow>();
	for (const { identity, issuedTo, ...issued } of answers.flatMap((answer) => answer.issued)) {
		const key = `${identity} ${issuedTo}`;
		const known = newest.get(key);
		if (known && known.notAfterMs >= issued.notAfterMs) continue;
		const node = issuedTo.startsWith("node ") ? issuedTo.slice("node ".length) : "";
		newest.set(key, { ...issued, identity, holder: issuedTo, node, source: "ledger" });
	}
	return [...newest.values()];
}

export function namespaceOf({ identity }: CertificateRow): string | undefined {
	return parseSpiffeId(identity)?.namespace;
}

export const rowHeader = ["IDENTITY", "HOLDER", "NODE", "ISSUER", "LEFT", "STATE", "SOURCE"];
export const wideHeader = [...rowHeader, "SERIAL", "NOT BEFORE", "NOT AFTER", "TRUSTS"];

export function cellsOf(
	row: CertificateRow,
	nowMs: number,
	wide: boolean,
	issuers: ReadonlySet<string>,
): readonly string[] {
	const { identity, holder, node, issuerKeyId, notBeforeMs, notAfterMs, serial, source, trusts } = row;
	const cells = [
		identity.replace(/^spiffe:\/\//, ""),
		holder,
		node,
		shortId(issuerKeyId),
		leftOf(notAfterMs, nowMs),
		stateOf(row, nowMs, issuers),
		source,
	];
	if (!wide) return cells;
	return [...cells, serial, isoOf(notBeforeMs), isoOf(notAfterMs), trusts?.map(shortId).join(",") ?? "?"];
}

export function issuersOf(answers: readonly CertificatesAnswer[]): ReadonlySet<string> {
	return new Set(
		answers.flatMap(({ authority }) => authority.filter(({ kind }) => kind === "issuer").map(({ id }) => id)),
	);
}

export function authorityTable(answer: CertificatesAnswer): readonly (readonly string[])[] {
	return answer.authority.map((item) => [
		item.kind,
		shortId(item.id),
		item.root === undefined ? "" : shortId(item.root),
		item.isSigning ? (item.kind === "root" ? "over the issuer" : "signs") : "trusted only",
		leftOf(item.notAfterMs, answer.nowMs),
		authorityStateOf(item, answer.nowMs),
	]);
}

/** Roots and issuers are not renewed at half their life: only the last fifth is news. */
function authorityStateOf(item: { readonly notBeforeMs: number; readonly notAfterMs: number }, nowMs: number): string {
	const state = stateOf(item, nowMs);
	return state === "RENEWING" ? "OK" : state;
}

export const shortId = (id: string): string => id.slice(0, 12);

function leftOf(notAfterMs: number, nowMs: number): string {
	return notAfterMs > nowMs ? renderAge(notAfterMs - nowMs) : `-${renderAge(nowMs - notAfterMs)}`;
}

const isoOf = (ms: number): string => new Date(ms).toISOString().replace(/\.\d+Z$/, "Z");

function pemOf(text: InlineText | undefined): string {
	return text?.inline_string ?? Buffer.from(text?.inline_bytes ?? "", "base64").toString("latin1");
}

function fingerprintsOf(pem: string): readonly string[] {
	const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
	return blocks
		.map((block) => derFromPem("CERTIFICATE", block))
		.flatMap((bytes) => (bytes ? [createHash("sha256").update(bytes).digest("hex")] : []))
		.sort();
}
