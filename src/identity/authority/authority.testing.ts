// For tests: certificate requests, bearer tokens, metrics that remember.

import { generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import type { Metrics } from "../../runtime/metrics.ts";
import { pemFromDer, signCertificateRequest } from "../certificate-request.ts";
import { publicKeyDer, signerOf } from "./signing-key.ts";

/** PEM of a request for the key, signed by it or by `signedBy`. */
export function requestFor(
	key: KeyObject = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey,
	signedBy = key,
): string {
	return pemFromDer("CERTIFICATE REQUEST", signCertificateRequest(publicKeyDer(key), signerOf(signedBy)));
}

/** A JWT as its issuer would sign it. `alg` in the header is what the test says it is. */
export function tokenOf(
	key: KeyObject,
	header: Readonly<Record<string, unknown>>,
	claims: Readonly<Record<string, unknown>>,
): string {
	const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");
	const signed = `${part(header)}.${part(claims)}`;
	const input = key.asymmetricKeyType === "ec" ? ({ key, dsaEncoding: "ieee-p1363" } as const) : key;
	return `${signed}.${sign("sha256", Buffer.from(signed), input).toString("base64url")}`;
}

/** Metrics that remember what was added: "name{label=value,...}" to its sum. */
export function countedMetrics(): { readonly metrics: Metrics; readonly sums: Map<string, number> } {
	const sums = new Map<string, number>();
	const nothing = { add() {}, set() {}, observe() {} };
	const counter: Metrics["counter"] = (name) => ({
		add: (amount = 1, labels = {}) => {
			const texts = Object.entries(labels).map(([label, value]) => `${label}=${value}`);
			const key = `${name}{${texts.join(",")}}`;
			sums.set(key, (sums.get(key) ?? 0) + amount);
		},
	});
	return { metrics: { counter, gauge: () => nothing, histogram: () => nothing }, sums };
}
