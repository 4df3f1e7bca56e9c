// keepmesh certs recover: gives an expired root and its issuers another life, in the authority's directory or Secret, without a
// control plane.

import { readFileSync } from "node:fs";
import { Command } from "commander";
import { AuthorityStore } from "../../identity/authority/authority-store.ts";
import { type Renewed, recoverRoot } from "../../identity/authority/recover-root.ts";
import { RotationStore } from "../../identity/authority/rotation-store.ts";
import { withRenamedRoots } from "../../identity/rotation/rotation-state.ts";
import {
	type AuthorityPlace,
	type AuthorityPlaceFlags,
	onAuthority,
	placeFlags,
	withAuthorityPlace,
} from "./authority-place.ts";
import { CliError, exitCodes } from "./cli-error.ts";
import { print, say } from "./terminal.ts";

interface RecoverOptions extends AuthorityPlaceFlags {
	readonly caPassphraseFile?: string;
	readonly force?: boolean;
}

export function recoverCommand(): Command {
	return withAuthorityPlace(new Command("recover"))
		.description("Signs an expired root and its issuers again with their own keys: the way back after an expiry.")
		.option("--ca-passphrase-file <path>", "opens its private keys")
		.option("--force", "also when nothing has expired yet")
		.action(recover);
}

async function recover(options: RecoverOptions): Promise<void> {
	const recovery = await onAuthority(options, (place) => recoverIn(place, options));
	if (!recovery) throw new CliError(exitCodes.unavailable, "the authority is being changed all the time", "try again");
	for (const root of recovery.roots) print(`root   ${lineOf(root)}`);
	for (const issuer of recovery.issuers) print(`issuer ${lineOf(issuer)}`);
	say(
		[
			"the control planes sign again within a second; keys are the same, so hashes in join tokens still fit",
			"nodes that still have a valid certificate take the new edition by themselves when they trust it already;",
			"each of the others needs a new token:",
			`  keepmesh token create ${placeFlags(options)} --node NAME`,
			"then, when everything is connected again (keepmesh certs -A): keepmesh certs rotate-root",
		].join("\n"),
	);
}

function recoverIn({ directory, name }: AuthorityPlace, { caPassphraseFile, force }: RecoverOptions) {
	const passphrase = caPassphraseFile === undefined ? undefined : readFileSync(caPassphraseFile, "utf8").trimEnd();
	const store = new AuthorityStore(directory, passphrase);
	const version = store.latestVersion();
	if (version === 0)
		throw new CliError(
			exitCodes.noInput,
			`${name} holds no authority that Keepmesh made; one that was plugged in is renewed by whoever made it`,
			"keepmesh certs recover --ca DIR",
		);
	const { trustDomain } = store.readManifest(version);
	const state = store.load(version);
	const nowMs = Date.now();
	const lateness = [...state.roots, ...state.issuers].filter(({ facts }) => facts.notAfterMs <= nowMs);
	if (lateness.length === 0 && !force)
		throw new CliError(
			exitCodes.failure,
			`nothing in ${name} has expired`,
			"keepmesh certs rotate-root (or recover --force, which makes every proxy take the root's new edition)",
		);
	return recoverAll(new RotationStore(directory), store, trustDomain, nowMs);
}

/** With a rotation that is under way: it goes on with the new editions. */
function recoverAll(rotations: RotationStore, store: AuthorityStore, trustDomain: string, nowMs: number) {
	return rotations.withLock(() => {
		const recovery = recoverRoot(store, trustDomain, nowMs);
		if (!recovery) return undefined;
		const renamed = new Map(recovery.roots.map(({ before, after }) => [before.fingerprint, after.fingerprint]));
		const state = rotations.readState();
		if (state.phase === "running") rotations.writeState(withRenamedRoots(state, renamed));
		return recovery;
	})?.result;
}

function lineOf({ keyId, before, after }: Renewed): string {
	const day = (ms: number): string => new Date(ms).toISOString().slice(0, 10);
	return `${keyId}  expired ${day(before.facts.notAfterMs)}, now lasts until ${day(after.facts.notAfterMs)}`;
}
