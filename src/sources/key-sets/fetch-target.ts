// Where key sets may be fetched from. An address in a RequestAuthentication is a request that the control plane sends, from
// where it stands in the network: it must not lead to the machine's metadata service, to the machine itself, or to everybody.

import { fetchUriError, isOwnMachine, refusedHost } from "../../resources/rules/key-uri-rules.ts";

export interface FetchTargetRules {
	/** Also 127.0.0.0/8 and ::1, for labs and tests. Default false. */
	readonly allowLoopback: boolean;
}

export type UrlVerdict = { readonly ok: true; readonly url: URL } | { readonly ok: false; readonly because: string };

/** Before names are resolved. */
export function checkFetchUrl(text: string, rules: FetchTargetRules): UrlVerdict {
	const wrong = fetchUriError(text);
	if (wrong && !wrong.labOnly) return { ok: false, because: `it ${wrong.message}` };
	const url = new URL(text);
	const refused = refusedAddress(url.hostname, rules);
	return refused === undefined ? { ok: true, url } : { ok: false, because: refused };
}

/** Why nothing is fetched from a host, or from an address that it was resolved to; undefined when it may be. */
export function refusedAddress(address: string, rules: FetchTargetRules): string | undefined {
	const refused = refusedHost(address);
	return rules.allowLoopback && isOwnMachine(address) ? undefined : refused;
}

/** Without the brackets of IPv6. */
export function hostOf(url: URL): string {
	return url.hostname.replace(/^\[(.*)\]$/, "$1");
}
