// An authority that the operator plugs in: Istio's `cacerts` (ca-cert.pem, ca-key.pem, root-cert.pem, cert-chain.pem, optional
// ca-crl.pem) or a cert-manager secret (tls.crt, tls.key, ca.crt). In: the directory. Out: the authority, or every problem.
// ca-cert.pem and ca-key.pem alone are a self-signed root: what earlier versions of this program made.

import { createHash, type KeyObject, X509Certificate } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import {
	type AuthorityCertificate,
	type AuthorityState,
	authorityCertificate,
	splitCertificates,
} from "./authority-state.ts";
import { Revocations } from "./revocations.ts";
import { readPrivateKey } from "./signing-key.ts";

interface Layout {
	readonly certificate: string;
	readonly key: string;
	readonly roots: string;
	readonly chain: string;
}

const crlFile = "ca-crl.pem";
const layouts: readonly Layout[] = [
	{ certificate: "ca-cert.pem", key: "ca-key.pem", roots: "root-cert.pem", chain: "cert-chain.pem" },
	{ certificate: "tls.crt", key: "tls.key", roots: "ca.crt", chain: "tls.crt" },
];

/** The files that are to be watched; undefined: there is no plugged-in authority in the directory. */
export function plugInFiles(directory: string): readonly string[] | undefined {
	const layout = layoutOf(directory);
	return layout && [...new Set([...Object.values(layout), crlFile])].map((name) => join(directory, name));
}

export interface PlugInOptions {
	readonly trustDomain: string;
	readonly nowMs: number;
	readonly passphrase?: string;
}

/** Throws an Error whose message lists all that is wrong with the files. */
export function loadPlugIn(directory: string, options: PlugInOptions): AuthorityState {
	const layout = layoutOf(directory);
	if (!layout) throw new Error(`${directory} holds neither ca-cert.pem nor tls.crt`);
	const read = (name: string): readonly AuthorityCertificate[] => {
		const path = join(directory, name);
		if (!existsSync(path)) return [];
		return splitCertificates(readFileSync(path, "utf8")).map((pem) => authorityCertificate(pem, path));
	};
	const [signing, ...bundled] = read(layout.certificate);
	const path = join(directory, layout.certificate);
	if (!signing) throw new Error(`${path} holds no certificate in PEM form`);
	if (!existsSync(join(directory, layout.key)))
		throw new Error(`${directory} holds ${layout.certificate} and no ${layout.key}`);
	const key = readPrivateKey(join(directory, layout.key), options.passphrase);
	const others = [...bundled, ...read(layout.chain)].filter(({ fingerprint }) => fingerprint !== signing.fingerprint);
	const given = distinct(read(layout.roots));
	const roots = given.length > 0 ? given : isSelfSigned(signing) ? [signing] : others.filter(isSelfSigned);
	const chain = findChain(signing, others, roots);
	const crlPath = join(directory, crlFile);
	const revocations = existsSync(crlPath)
		? new Revocations(readFileSync(crlPath, "utf8"), [signing, ...others, ...roots], crlPath)
		: undefined;
	const problems = [
		...problemsOf(signing, path, options.nowMs),
		...keyProblems(signing, key, join(directory, layout.key), path),
		...chainProblems(signing, chain, roots, join(directory, layout.roots), options.nowMs),
		...(revocations?.problems ?? []),
	];
	const root = chain?.at(-1);
	if (problems.length > 0 || !chain || !root)
		throw new Error(`the plugged-in authority is not used: ${problems.join("; ")}`);
	const intermediates = chain.slice(0, -1).map(({ pem }) => pem);
	const issuer = { ...signing, key, root: root.fingerprint, intermediates };
	return {
		source: "plug-in",
		revision: hashOfFiles(plugInFiles(directory) ?? []),
		trustDomain: options.trustDomain,
		roots: [...roots].sort((a, b) => (a.fingerprint < b.fingerprint ? -1 : 1)),
		issuers: [issuer],
		signing: issuer,
		activeRoot: root.fingerprint,
		...(revocations ? { revocations } : {}),
	};
}

/** Of the contents; changes when any of them does. */
export function hashOfFiles(paths: readonly string[]): string {
	const hash = createHash("sha256");
	for (const path of paths) hash.update(`${path}\0`).update(existsSync(path) ? readFileSync(path) : "\0absent");
	return hash.digest("hex").slice(0, 16);
}

function layoutOf(directory: string): Layout | undefined {
	return layouts.find(({ certificate }) => existsSync(join(directory, certificate)));
}

/** From the one above the signing certificate to a root; empty when the signing one is a root; undefined: no root at its end. */
function findChain(
	signing: AuthorityCertificate,
	others: readonly AuthorityCertificate[],
	roots: readonly AuthorityCertificate[],
): readonly AuthorityCertificate[] | undefined {
	const chain: AuthorityCertificate[] = [];
	let current = signing;
	while (!roots.some(({ fingerprint }) => fingerprint === current.fingerprint)) {
		const below = current;
		const above = [...roots, ...others].find(
			(one) => isSignedBy(below, one) && !chain.includes(one) && one !== signing,
		);
		if (!above) return undefined;
		chain.push(above);
		current = above;
	}
	return chain.length === 0 ? [signing] : chain;
}

function problemsOf({ facts }: AuthorityCertificate, what: string, nowMs: number): readonly string[] {
	const problems: string[] = [];
	if (!facts.isAuthority)
		problems.push(`${what} is not the certificate of an authority (basicConstraints CA is not set)`);
	else if (!facts.maySignCertificates) problems.push(`${what} may not sign certificates (keyUsage lacks keyCertSign)`);
	if (facts.notAfterMs <= nowMs) problems.push(`${what} expired at ${timeText(facts.notAfterMs)}`);
	if (facts.notBeforeMs > nowMs) problems.push(`${what} is not valid before ${timeText(facts.notBeforeMs)}`);
	return problems;
}

function keyProblems(signing: AuthorityCertificate, key: KeyObject, path: string, of: string): readonly string[] {
	if (!new X509Certificate(signing.pem).checkPrivateKey(key)) return [`${path} is not the key of ${of}`];
	const { namedCurve, modulusLength = 0 } = key.asymmetricKeyDetails ?? {};
	const good =
		(key.asymmetricKeyType === "rsa" && modulusLength >= 2048) ||
		(key.asymmetricKeyType === "ec" && (namedCurve === "prime256v1" || namedCurve === "secp384r1"));
	return good ? [] : [`${path} is neither RSA of 2048 bits or more nor EC on P-256 or P-384`];
}

function chainProblems(
	signing: AuthorityCertificate,
	chain: readonly AuthorityCertificate[] | undefined,
	roots: readonly AuthorityCertificate[],
	rootsPath: string,
	nowMs: number,
): readonly string[] {
	if (roots.length === 0) return [`${rootsPath} is missing, and the certificate is not self-signed`];
	if (!chain) return [`no root of ${rootsPath} verifies the certificate, neither directly nor through the chain`];
	const above = chain.filter(({ fingerprint }) => fingerprint !== signing.fingerprint);
	return above.flatMap((one, position) => {
		const what = `certificate ${position + 1} above it (${one.fingerprint.slice(0, 8)})`;
		// Below the first one above stands the signing authority itself, below the next one two, and so on.
		const tooLong = one.facts.pathLength !== undefined && one.facts.pathLength < position + 1;
		const length = tooLong ? [`${what} allows a path length of ${one.facts.pathLength}, not ${position + 1}`] : [];
		return [...problemsOf(one, what, nowMs), ...length];
	});
}

function isSignedBy(below: AuthorityCertificate, above: AuthorityCertificate): boolean {
	if (Buffer.compare(below.facts.issuerName, above.facts.subjectName) !== 0) return false;
	return new X509Certificate(below.pem).verify(new X509Certificate(above.pem).publicKey);
}

const isSelfSigned = (one: AuthorityCertificate): boolean => isSignedBy(one, one);

function distinct(certificates: readonly AuthorityCertificate[]): readonly AuthorityCertificate[] {
	return [...new Map(certificates.map((one) => [one.fingerprint, one])).values()];
}

const timeText = (ms: number): string => new Date(ms).toISOString();
