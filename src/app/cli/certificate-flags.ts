// The flags of `keepmesh control` that concern certificates, and what they mean to the control plane.

import { readFileSync } from "node:fs";
import { type Command, InvalidArgumentError, Option } from "commander";
import { type AuthorityKeyType, authorityKeyTypes } from "../../identity/authority/signing-key.ts";
import { parseDurationMs } from "../../resources/text/duration.ts";
import type { CertificateOptions } from "../control/certificate-authority.ts";
import { CliError, exitCodes } from "./cli-error.ts";

export interface CertificateFlags {
	readonly cacerts?: string;
	readonly caKey: AuthorityKeyType;
	readonly caPassphraseFile?: string;
	readonly leafTtl: number;
	readonly rotationSettle: number;
	readonly tokenIssuer?: string;
	readonly tokenKeys?: string;
	readonly tokenAudience: string;
}

const longestLeafTtlMs = 90 * 86_400_000;

export function withCertificateFlags(command: Command): Command {
	return command
		.option(
			"--ca <dir>",
			"the certificate authority, shared by replicas that are to have one root (default: ca in --data)",
		)
		.option("--cacerts <dir>", "sign with your own authority: Istio's cacerts files, or tls.crt, tls.key and ca.crt")
		.addOption(
			new Option("--ca-key <type>", "keys of a self-made authority: ecdsa (P-256) or rsa-BITS")
				.choices([...authorityKeyTypes, "rsa"])
				.default("ecdsa"),
		)
		.option("--ca-passphrase-file <path>", "opens and encrypts the authority's private keys")
		.addOption(
			new Option("--leaf-ttl <duration>", "life of certificates, when who asks wishes none; at most 2160h")
				.argParser(leafTtl)
				.default(86_400_000, "24h"),
		)
		.addOption(
			new Option("--rotation-settle <duration>", "how long each stage of a rotation is held once all have confirmed it")
				.argParser(durationMs)
				.default(5_000, "5s"),
		)
		.option("--token-issuer <url>", "take bearer tokens of this issuer for the service accounts that they name")
		.option("--token-keys <file>", "JSON Web Key Set of that issuer")
		.option("--token-audience <name>", "audience that those tokens must have", "istio-ca");
}

export function certificateOptions(flags: CertificateFlags): CertificateOptions {
	const { tokenIssuer, tokenKeys } = flags;
	if ((tokenIssuer === undefined) !== (tokenKeys === undefined)) {
		throw new CliError(
			exitCodes.usage,
			"--token-issuer and --token-keys go together",
			"keepmesh control ... --token-issuer https://kubernetes.default.svc --token-keys keys.json",
		);
	}
	const issuer =
		tokenIssuer === undefined || tokenKeys === undefined
			? undefined
			: { issuer: tokenIssuer, keysFile: tokenKeys, audience: flags.tokenAudience };
	return {
		keyType: (flags.caKey as string) === "rsa" ? "rsa-2048" : flags.caKey,
		leafTtlMs: flags.leafTtl,
		...(flags.cacerts === undefined ? {} : { plugInDirectory: flags.cacerts }),
		...(flags.caPassphraseFile === undefined ? {} : { passphrase: readPassphrase(flags.caPassphraseFile) }),
		...(issuer === undefined ? {} : { serviceAccountTokens: issuer }),
	};
}

/** The first line, without its end. */
export function readPassphrase(path: string): string {
	let text: string;
	try {
		text = readFileSync(path, "utf8");
	} catch {
		throw new CliError(exitCodes.noInput, `the passphrase file ${path} cannot be read`, `ls -l ${path}`);
	}
	const [line = ""] = text.split(/\r?\n/);
	if (line === "") throw new CliError(exitCodes.data, `the passphrase file ${path} is empty`, `ls -l ${path}`);
	return line;
}

/** `30m`, `24h`, `7d`. */
export function durationMs(text: string): number {
	const days = /^(\d+)d$/.exec(text)?.[1];
	const ms = days === undefined ? parseDurationMs(text) : Number(days) * 86_400_000;
	if (ms === undefined || ms <= 0) throw new InvalidArgumentError("give it as 30m, 24h or 7d");
	return ms;
}

function leafTtl(text: string): number {
	const ms = durationMs(text);
	if (ms > longestLeafTtlMs) throw new InvalidArgumentError("at most 2160h (90 days)");
	return ms;
}
