// keepmesh token: join tokens for new nodes. They are files in the authority's directory, so who can write there may make
// them; no control plane needs to run.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { Command, InvalidArgumentError, Option } from "commander";
import { rootHashOf } from "../../identity/authority/authority-state.ts";
import { AuthorityStore } from "../../identity/authority/authority-store.ts";
import { JoinTokens, type WorkloadGrant } from "../../identity/authority/join-tokens.ts";
import { NodeRegistrations } from "../../identity/authority/node-registrations.ts";
import { loadPlugIn, plugInFiles } from "../../identity/authority/plug-in-files.ts";
import { parseSpiffeId } from "../../identity/spiffe-id.ts";
import { durationMs, readPassphrase } from "./certificate-flags.ts";
import { CliError, exitCodes } from "./cli-error.ts";
import { print, printJson, renderAge, renderTable, say } from "./terminal.ts";

interface CaFlags {
	readonly ca: string;
}

interface CreateFlags extends CaFlags {
	readonly node: string;
	readonly ttl: number;
	readonly allow: readonly WorkloadGrant[];
	readonly cacerts?: string;
	readonly caPassphraseFile?: string;
	readonly output: "text" | "json";
}

interface ListFlags extends CaFlags {
	readonly output: "text" | "json";
}

const output = (): Option =>
	new Option("-o, --output <format>", "how to print").choices(["text", "json"]).default("text");

export function tokenCommand(): Command {
	const command = new Command("token").description(
		"Join tokens: what a new node shows once to become part of the mesh.",
	);
	withCa(command.command("create"))
		.description("Makes a token for one node and prints it. It counts once, until it expires.")
		.requiredOption("--node <name>", "the node, as resources name it")
		.addOption(new Option("--ttl <duration>", "how long it can be used").argParser(durationMs).default(3_600_000, "1h"))
		.addOption(
			new Option(
				"--allow <namespace/account...>",
				"workloads the node may speak for, where no resource places them on it",
			)
				.argParser((text: string, before: readonly WorkloadGrant[]) => [...before, grant(text)])
				.default([]),
		)
		.option("--cacerts <dir>", "as the control planes have it")
		.option("--ca-passphrase-file <path>", "as the control planes have it, with --cacerts")
		.addOption(output())
		.action(create);
	withCa(command.command("list"))
		.description("Tokens and what became of them, and the nodes that have joined. Secrets are not kept.")
		.addOption(output())
		.action(list);
	withCa(command.command("revoke"))
		.description("Makes a token worthless, or with --node shuts out a node that has joined.")
		.argument("[id]", "of the token")
		.option("--node <name>", "a node that has joined: it can no longer renew, ask for workloads, or get configuration")
		.action(revoke);
	return command;
}

function withCa(command: Command): Command {
	return command.requiredOption("--ca <dir>", "directory of the certificate authority that the control planes share");
}

function create(flags: CreateFlags): void {
	const { allow, ca, node, ttl } = flags;
	needAuthority(ca, flags.cacerts);
	const nowMs = Date.now();
	const hash = rootHash(flags, nowMs);
	let made: ReturnType<JoinTokens["create"]>;
	try {
		made = new JoinTokens(ca).create({ node, allow, ttlMs: ttl, rootHash: hash, nowMs });
	} catch (error) {
		throw new CliError(
			exitCodes.usage,
			error instanceof Error ? error.message : String(error),
			"keepmesh token create --help",
		);
	}
	const { text, token } = made;
	if (flags.output === "json") {
		printJson({ token: text, ...token });
		return;
	}
	print(text);
	say(
		`Good once, for node ${node}, until ${new Date(token.expiresMs).toISOString()}. Put it into a file on the node, readable by root alone.`,
	);
}

/** Of the root that the node is to trust. A self-made authority's keys are not opened for that. */
function rootHash({ ca, caPassphraseFile, cacerts }: CreateFlags, nowMs: number): string {
	const store = new AuthorityStore(ca);
	if (cacerts === undefined && store.latestVersion() > 0) return rootHashOf(store.signingRoot());
	const passphrase = caPassphraseFile === undefined ? {} : { passphrase: readPassphrase(caPassphraseFile) };
	const plugIn = cacerts ?? ca;
	try {
		const { roots, signing } = loadPlugIn(plugIn, { trustDomain: "", nowMs, ...passphrase });
		return rootHashOf(roots.find(({ fingerprint }) => fingerprint === signing.root) ?? signing);
	} catch (error) {
		throw new CliError(exitCodes.data, error instanceof Error ? error.message : String(error), `ls -l ${plugIn}`);
	}
}

function list({ ca, output: format }: ListFlags): void {
	needDirectory(ca);
	const nowMs = Date.now();
	const tokens = new JoinTokens(ca).list(nowMs);
	const nodes = new NodeRegistrations(ca).list();
	if (format === "json") {
		printJson({ tokens, nodes });
		return;
	}
	const allowed = (allow: readonly WorkloadGrant[]): string =>
		allow.map(({ namespace, serviceAccount }) => `${namespace}/${serviceAccount}`).join(",") || "-";
	print(
		renderTable(
			["TOKEN", "NODE", "STATE", "EXPIRES", "AGE", "ALLOW"],
			tokens.map((token) => [
				token.id,
				token.node,
				token.state,
				token.state === "unused" ? `in ${renderAge(token.expiresMs - nowMs)}` : "-",
				renderAge(nowMs - token.createdMs),
				allowed(token.allow),
			]),
		),
	);
	if (nodes.length === 0) return;
	const rows = nodes.map((node) => [node.node, renderAge(nowMs - node.joinedMs), node.token, allowed(node.allow)]);
	print(`\n${renderTable(["NODE", "JOINED", "TOKEN", "ALLOW"], rows)}`);
}

function revoke(id: string | undefined, { ca, node }: CaFlags & { readonly node?: string }): void {
	needDirectory(ca);
	const next = `keepmesh token list --ca ${ca}`;
	if (id === undefined && node === undefined)
		throw new CliError(exitCodes.usage, "say which: the id of a token, or --node NAME", next);
	if (id !== undefined) {
		const tokens = new JoinTokens(ca);
		const known = tokens.list(Date.now()).find((token) => token.id === id);
		if (!known || !tokens.revoke(id, Date.now()))
			throw new CliError(exitCodes.noInput, `there is no token ${id.slice(0, 40)}`, next);
		print(`token ${id} revoked`);
		if (known.state === "used")
			say(
				`Node ${known.node} has joined with it and stays. To shut it out: keepmesh token revoke --ca ${ca} --node ${known.node}`,
			);
	}
	if (node !== undefined) {
		if (!new NodeRegistrations(ca).remove(node))
			throw new CliError(exitCodes.noInput, `no node ${node} has joined`, next);
		print(`node ${node} shut out`);
	}
}

/** A mistyped directory must not become an authority of its own. */
function needAuthority(ca: string, cacerts: string | undefined): void {
	needDirectory(ca);
	const exists = new AuthorityStore(ca).latestVersion() > 0 || plugInFiles(cacerts ?? ca) !== undefined;
	if (exists) return;
	// Of a plugged-in authority a control plane keeps there only who has confirmed what.
	const isUsed = existsSync(join(ca, "acknowledged")) && cacerts === undefined;
	throw new CliError(
		exitCodes.noInput,
		isUsed
			? `${ca} holds no authority of its own: control planes use it with one that is plugged in`
			: `${cacerts ?? ca} holds no certificate authority yet: a control plane makes it at its first start`,
		isUsed
			? `keepmesh token create --ca ${ca} --node NAME --cacerts DIR, as the control planes have it`
			: `keepmesh control --resources DIR --ca ${ca} --xds 0.0.0.0:15012`,
	);
}

function needDirectory(ca: string): void {
	if (existsSync(ca)) return;
	throw new CliError(exitCodes.noInput, `there is no directory ${ca}`, `ls ${join(ca, "..")}`);
}

function grant(text: string): WorkloadGrant {
	const [, namespace = "", serviceAccount = ""] = /^([^/]+)\/([^/]+)$/.exec(text) ?? [];
	if (!parseSpiffeId(`spiffe://t/ns/${namespace}/sa/${serviceAccount}`))
		throw new InvalidArgumentError("give it as NAMESPACE/SERVICE-ACCOUNT");
	return { namespace, serviceAccount };
}
