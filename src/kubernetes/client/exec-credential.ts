// Credentials from a program that a kubeconfig names, as clouds have it: run when there are none yet or they are about to expire. For
// commands that people type; a daemon has a service account.
// https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins

import { spawnSync } from "node:child_process";
import { AccessError } from "./server-access.ts";

export interface ExecConfig {
	readonly apiVersion: string;
	readonly command: string;
	readonly args?: readonly string[] | null;
	readonly env?: readonly { readonly name: string; readonly value: string }[] | null;
	/** What to do when the program is not there. */
	readonly installHint?: string;
}

export interface ExecCredential {
	readonly token?: string;
	readonly clientCertificateData?: string;
	readonly clientKeyData?: string;
	readonly expirationTimestamp?: string;
}

const withinMs = 60_000;
/** A token that ends while a request is on its way is of no use. */
const earlyMs = 10_000;

/** Out: the newest, as long as it is good. Throws AccessError with the program's own words. */
export function execCredentials(file: string, config: ExecConfig, wallMs = Date.now): () => ExecCredential {
	let last: ExecCredential | undefined;
	return () => {
		const endsMs =
			last?.expirationTimestamp === undefined ? Number.POSITIVE_INFINITY : Date.parse(last.expirationTimestamp);
		if (last && wallMs() < endsMs - earlyMs) return last;
		last = run(file, config);
		return last;
	};
}

function run(file: string, { apiVersion, args, command, env, installHint }: ExecConfig): ExecCredential {
	const info = { apiVersion, kind: "ExecCredential", spec: { interactive: false } };
	const given = Object.fromEntries((env ?? []).map(({ name, value }) => [name, value]));
	const { error, status, stderr, stdout } = spawnSync(command, [...(args ?? [])], {
		env: { ...process.env, ...given, KUBERNETES_EXEC_INFO: JSON.stringify(info) },
		encoding: "utf8",
		timeout: withinMs,
		stdio: ["ignore", "pipe", "pipe"],
	});
	if (error) {
		const isMissing = (error as NodeJS.ErrnoException).code === "ENOENT";
		throw new AccessError(`${file}: ${command}: ${isMissing ? installHint || "is not installed" : error.message}`);
	}
	if (status !== 0) throw new AccessError(`${file}: ${command} ended with ${status}: ${stderr.trim().slice(-500)}`);
	try {
		const { status: credential } = JSON.parse(stdout) as { readonly status?: ExecCredential };
		if (credential?.token !== undefined || credential?.clientCertificateData !== undefined) return credential;
	} catch {
		// Its output may hold a token: it is not shown.
	}
	throw new AccessError(`${file}: ${command} said nothing that is a credential`);
}
