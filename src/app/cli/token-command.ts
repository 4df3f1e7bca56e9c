// keepmesh token: join tokens for new nodes. They are files in the authority's directory, or of its Secret on Kubernetes, so who can
// write there may make them; no control plane needs to run.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { Command, InvalidArgumentError, Option } from "commander";
import { rootHashOf } from "../../identity/authority/authority-state.ts";
import { AuthorityStore } from "../../identity/authority/authority-store.ts";
import { JoinTokens, type WorkloadGrant } from "../../identity/authority/join-tokens.ts";
import { NodeRegistrations } from "../../identity/authority/node-registrations.ts";
import { loadPlugIn, plugInFiles } from "../../identity/authority/plug-in-files.ts";
import { parseSpiffeId } from "../../identity/spiffe-id.ts";
import { plugInMarker } from "../kubernetes/authority-names.ts";
import {
	type AuthorityPlace,
	type AuthorityPlaceFlags,
	onAuthority,
	placeFlags,
	withAuthorityPlace,
} from "./authority-place.ts";
import { durationMs, readPassphrase } from "./certificate-flags.ts";
import { CliError, exitCodes } from "./cli-error.ts";
import { print, printJson, renderAge, renderTable, say } from "./terminal.ts";

interface CreateFlags extends AuthorityPlaceFlags {
	readonly node: string;
	readonly ttl: number;
	readonly allow: readonly WorkloadGrant[];
	readonly cacerts?: string;
	readonly caPassphraseFile?: string;
	readonly output: "text" | "json";
}

interface ListFlags extends AuthorityPlaceFlags {
	readonly output: "text" | "json";
}

const output = (): Option =>
	new Option("-o, --output <format>", "how to print").choices(["text", "json"]).default("text");

export function tokenCommand(): Command {
	const command = new Command("token").description(
		"Join tokens: what a new node shows once to become part of the mesh.",
	);
	withAuthorityPlace(command.command("create"))
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
	withAuthorityPlace(command.command("list"))
		.description("Tokens and what became of them, and the nodes that have joined. Secrets are not kept.")
		.addOption(output())
		.action(list);
	withAuthorityPlace(command.command("revoke"))
		.description("Makes a token worthless, or with --node shuts out a node that has joined.")
		.argument("[id]", "of the token")
		.option("--node <name>", "a node: it can no longer renew, ask for workloads, or get configuration")
		.option("--undo", "with --node: let it in again, where a cluster vouches for it")
		.action(revoke);
	return command;
}

async function create(flags: CreateFlags): Promise<void> {
	const { allow, node, ttl } = flags;
	const { text, token } = await onAuthority(flags, (place) => {
		needAuthority(place, flags);
		const nowMs = Date.now();
		const rootHash = rootHashIn(place, flags, nowMs);
		try {
			return new JoinTokens(place.directory).create({ node, allow, ttlMs: ttl, rootHash, nowMs });
		} catch (error) {
			throw new CliError(
				exitCodes.usage,
				error instanceof Error ? error.message : String(error),
				"keepmesh token create --help",
			);
		}
	});
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
function rootHashIn(
	{ directory, plugInDirectory }: AuthorityPlace,
	{ caPassphraseFile, cacerts = plugInDirectory }: CreateFlags,
	nowMs: number,
): string {
	const store = new AuthorityStore(directory);
	if (cacerts === undefined && store.latestVersion() > 0) return rootHashOf(store.signingRoot());
	const passphrase = caPassphraseFile === undefined ? {} : { passphrase: readPassphrase(caPassphraseFile) };
	const plugIn = cacerts ?? directory;
	try {
		const { roots, signing } = loadPlugIn(plugIn, { trustDomain: "", nowMs, ...passphrase });
		return rootHashOf(roots.find(({ fingerprint }) => fingerprint === signing.root) ?? signing);
	} catch (error) {
		throw new CliError(exitCodes.data, error instanceof Error ? error.message : String(error), `ls -l ${plugIn}`);
	}
}

async function list(flags: ListFlags): Promise<void> {
	const nowMs = Date.now();
	const { nodes, tokens } = await onAuthority(flags, ({ directory }) => ({
		tokens: new JoinTokens(directory).list(nowMs),
		nodes: new NodeRegistrations(directory).list(),
	}));
	if (flags.output === "json") {
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

interface RevokeFlags extends AuthorityPlaceFlags {
	readonly node?: string;
	readonly undo?: boolean;
}

async function revoke(id: string | undefined, flags: RevokeFlags): Promise<void> {
	const { node } = flags;
	const next = `keepmesh token list ${placeFlags(flags)}`;
	if (id === undefined && node === undefined)
		throw new CliError(exitCodes.usage, "say which: the id of a token, or --node NAME", next);
	if (id !== undefined) {
		const known = await onAuthority(flags, ({ directory }) => {
			const tokens = new JoinTokens(directory);
			const found = tokens.list(Date.now()).find((token) => token.id === id);
			return found && tokens.revoke(id, Date.now()) ? found : undefined;
		});
		if (!known) throw new CliError(exitCodes.noInput, `there is no token ${id.slice(0, 40)}`, next);
		print(`token ${id} revoked`);
		if (known.state === "used")
			say(
				`Node ${known.node} has joined with it and stays. To shut it out: keepmesh token revoke ${placeFlags(flags)} --node ${known.node}`,
			);
	}
	if (node !== undefined) await shutOut(node, flags, next);
}

/** A cluster vouches for its nodes, which have no registration here that could be removed. */
async function shutOut(node: string, flags: RevokeFlags, next: string): Promise<void> {
	const done = await onAuthority(flags, ({ directory }) => {
		const registrations = new NodeRegistrations(directory);
		if (flags.undo) return registrations.readmit(node);
		return flags.kubernetes ? registrations.shutOut(node, Date.now()) : registrations.remove(node);
	});
	const refused = flags.undo ? `node ${node} is not shut out` : `no node ${node} has joined`;
	if (!done) throw new CliError(exitCodes.noInput, refused, next);
	print(`node ${node} ${flags.undo ? "let in again" : "shut out"}`);
}

/** A mistyped directory must not become an authority of its own. */
function needAuthority({ directory, name, plugInDirectory }: AuthorityPlace, flags: CreateFlags): void {
	const { cacerts = plugInDirectory } = flags;
	const exists = new AuthorityStore(directory).latestVersion() > 0 || plugInFiles(cacerts ?? directory) !== undefined;
	if (exists) return;
	// Of a plugged-in authority a control plane keeps there only who has confirmed what.
	const isUsed =
		cacerts === undefined && [plugInMarker, "acknowledged"].some((one) => existsSync(join(directory, one)));
	throw new CliError(
		exitCodes.noInput,
		isUsed
			? `${name} holds no authority of its own: control planes use it with one that is plugged in`
			: `${cacerts ?? name} holds no certificate authority yet: a control plane makes it at its first start`,
		isUsed
			? `keepmesh token create ${placeFlags(flags)} --node NAME --cacerts DIR, as the control planes have it`
			: `keepmesh control --resources DIR --ca ${name} --xds 0.0.0.0:15012`,
	);
}

function grant(text: string): WorkloadGrant {
	const [, namespace = "", serviceAccount = ""] = /^([^/]+)\/([^/]+)$/.exec(text) ?? [];
	if (!parseSpiffeId(`spiffe://t/ns/${namespace}/sa/${serviceAccount}`))
		throw new InvalidArgumentError("give it as NAMESPACE/SERVICE-ACCOUNT");
	return { namespace, serviceAccount };
}
