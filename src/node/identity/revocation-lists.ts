// Which of the mesh's revocation lists Envoys get at this moment. In: the lists of a trust bundle, and the time. Out: one PEM
// text, or nothing when one of them is not valid now: BoringSSL refuses every certificate of an authority whose list has
// expired, and the whole mesh would stand still.

import { derFromPem } from "../../identity/certificate-request.ts";
import { readRevocationList } from "../../identity/revocation-list.ts";

export interface ListsNow {
	/** "" for none. */
	readonly pem: string;
	/** Why there are none though the bundle has some. */
	readonly because?: string;
}

/** An Envoy takes a moment to let go of a list. */
const marginMs = 15_000;

export function revocationListsAt(lists: readonly string[], nowMs: number): ListsNow {
	const windows = windowsOf(lists);
	const expired = windows.find(({ untilMs }) => nowMs >= untilMs - marginMs);
	if (expired) return { pem: "", because: `a list expired at ${new Date(expired.untilMs).toISOString()}` };
	const early = windows.find(({ fromMs }) => nowMs < fromMs);
	if (early) return { pem: "", because: `a list is not valid before ${new Date(early.fromMs).toISOString()}` };
	return { pem: lists.join("") };
}

/** Exactly one list in PEM form. */
export function isRevocationList(text: string): boolean {
	return text.match(/-----BEGIN /g)?.length === 1 && windowOf(text) !== undefined;
}

interface Window {
	readonly fromMs: number;
	readonly untilMs: number;
}

/** They are asked about again and again. */
const known = new WeakMap<readonly string[], readonly Window[]>();

function windowsOf(lists: readonly string[]): readonly Window[] {
	const before = known.get(lists);
	if (before) return before;
	const windows = lists.flatMap((text) => windowOf(text) ?? []);
	known.set(lists, windows);
	return windows;
}

function windowOf(text: string): Window | undefined {
	const bytes = derFromPem("X509 CRL", text);
	const list = bytes && readRevocationList(bytes);
	return list && { fromMs: list.thisUpdateMs, untilMs: list.nextUpdateMs ?? Number.POSITIVE_INFINITY };
}
