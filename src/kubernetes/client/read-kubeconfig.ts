// A kubeconfig file in, access to the API server of one of its contexts out. Old cloud plug-ins and passwords are not read.
// https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/

import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { parse } from "yaml";
import { type ExecConfig, execCredentials } from "./exec-credential.ts";
import { tokenFromFile } from "./read-token.ts";
import { AccessError, type ServerAccess } from "./server-access.ts";

type Mapping = Readonly<Record<string, unknown>>;

/** Throws AccessError. `context`: default is the file's `current-context`. */
export function readKubeconfig(file: string, context?: string): ServerAccess {
	const config = parseFile(file);
	const wanted = context ?? textIn(config, "current-context");
	if (wanted === undefined) throw new AccessError(`${file} has no current-context: name one`);
	const chosen = entry(file, config, "contexts", "context", wanted);
	const cluster = entry(file, config, "clusters", "cluster", textIn(chosen, "cluster") ?? "");
	const user = entry(file, config, "users", "user", textIn(chosen, "user") ?? "");
	const server = textIn(cluster, "server");
	if (server === undefined || !URL.canParse(server))
		throw new AccessError(`${file}: the cluster has no server address`);
	for (const other of ["auth-provider", "username"])
		if (other in user)
			throw new AccessError(`${file}: users[].user.${other} is not read: give a certificate or a token`);
	const credential = isMapping(user.exec) ? execCredentials(file, user.exec as unknown as ExecConfig) : undefined;
	const ca = pemIn(file, cluster, "certificate-authority");
	// A certificate lasts for as long as the command that was typed.
	const shown = credential?.();
	const certificate = shown?.clientCertificateData ?? pemIn(file, user, "client-certificate");
	const key = shown?.clientKeyData ?? pemIn(file, user, "client-key");
	const serverName = textIn(cluster, "tls-server-name");
	const token = textIn(user, "token");
	const tokenFile = textIn(user, "tokenFile");
	return {
		url: new URL(server),
		namespace: textIn(chosen, "namespace") ?? "default",
		...(ca === undefined ? {} : { ca }),
		...(certificate === undefined ? {} : { certificate }),
		...(key === undefined ? {} : { key }),
		...(serverName === undefined ? {} : { serverName }),
		...(cluster["insecure-skip-tls-verify"] === true ? { isUnverified: true } : {}),
		...(shown?.token !== undefined
			? { token: () => credential?.().token }
			: tokenFile !== undefined
				? { token: tokenFromFile(beside(file, tokenFile)) }
				: token === undefined
					? {}
					: { token: () => token }),
	};
}

function parseFile(file: string): Mapping {
	let text: string;
	try {
		text = readFileSync(file, "utf8");
	} catch (error) {
		throw new AccessError(`${file} cannot be read: ${(error as NodeJS.ErrnoException).code ?? String(error)}`);
	}
	let value: unknown;
	try {
		value = parse(text);
	} catch {
		// The parser's message would quote the line, which may be a key.
		throw new AccessError(`${file} is no YAML`);
	}
	if (!isMapping(value)) throw new AccessError(`${file} is no kubeconfig`);
	return value;
}

function entry(file: string, config: Mapping, list: string, field: string, name: string): Mapping {
	const entries: unknown = config[list];
	const found = Array.isArray(entries) ? entries.find((one) => isMapping(one) && one.name === name) : undefined;
	const value: unknown = isMapping(found) ? (found[field] ?? {}) : undefined;
	if (!isMapping(value)) throw new AccessError(`${file}: ${list} has none named "${name}"`);
	return value;
}

/** `NAME-data` is base64 of the text, `NAME` the file that holds it. */
function pemIn(file: string, from: Mapping, name: string): string | undefined {
	const data = textIn(from, `${name}-data`);
	if (data !== undefined) return Buffer.from(data, "base64").toString("utf8");
	const path = textIn(from, name);
	if (path === undefined) return undefined;
	try {
		return readFileSync(beside(file, path), "utf8");
	} catch (error) {
		throw new AccessError(`${file}: ${name} ${path}: ${(error as NodeJS.ErrnoException).code ?? String(error)}`);
	}
}

const beside = (file: string, path: string): string => resolve(dirname(file), path);

function textIn(from: Mapping, field: string): string | undefined {
	const value = from[field];
	return typeof value === "string" && value !== "" ? value : undefined;
}

function isMapping(value: unknown): value is Mapping {
	return typeof value === "object" && value !== null && !Array.isArray(value);
}
