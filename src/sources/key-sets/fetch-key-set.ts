// A needed key set -> the keys that its issuer serves now, or why there are none. The time, the size and the way are bounded,
// every address is checked after it was resolved, and the connection goes to what was checked. Bodies appear in no message.

import { lookup } from "node:dns/promises";
import { type ClientRequest, request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";
import { isIP, type LookupFunction } from "node:net";
import { readKeySet } from "../../model/key-set.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { NeededKeySet } from "../../snapshot/key-sets.ts";
import { checkFetchUrl, type FetchTargetRules, hostOf, refusedAddress } from "./fetch-target.ts";

export interface FetchLimits {
	/** Of each body. */
	readonly maxBytes: number;
	readonly maxRedirects: number;
	/** Of the whole way, whatever a rule says. */
	readonly maxTimeoutMs: number;
}

export const defaultFetchLimits: FetchLimits = { maxBytes: 1024 * 1024, maxRedirects: 3, maxTimeoutMs: 30_000 };

export interface ResolvedAddress {
	readonly address: string;
	readonly family: number;
}

export interface FetchParts {
	readonly clock: Clock;
	/** Default: as the system resolves names. */
	readonly resolve?: (host: string) => Promise<readonly ResolvedAddress[]>;
	readonly limits?: FetchLimits;
}

/** What stopped a fetch: the label of the metric. */
export type FetchFailure =
	| "forbiddenTarget"
	| "unresolved"
	| "connection"
	| "timeout"
	| "status"
	| "redirect"
	| "tooLarge"
	| "notKeySet";

export type FetchOutcome =
	| { readonly ok: true; readonly keys: string; readonly count: number; readonly leftOut: readonly string[] }
	| { readonly ok: false; readonly failure: FetchFailure; readonly because: string };

class FetchError extends Error {
	readonly failure: FetchFailure;

	constructor(failure: FetchFailure, because: string) {
		super(because);
		this.failure = failure;
	}
}

export async function fetchKeySet(
	needed: NeededKeySet,
	rules: FetchTargetRules,
	parts: FetchParts,
	signal?: AbortSignal,
): Promise<FetchOutcome> {
	const limits = parts.limits ?? defaultFetchLimits;
	const timeoutMs = Math.min(needed.timeoutMs > 0 ? needed.timeoutMs : limits.maxTimeoutMs, limits.maxTimeoutMs);
	const deadline = new AbortController();
	const cancel = parts.clock.after(timeoutMs, () => deadline.abort());
	const way: Way = {
		rules,
		limits,
		resolve: parts.resolve ?? ((host) => lookup(host, { all: true })),
		signal: signal ? AbortSignal.any([deadline.signal, signal]) : deadline.signal,
	};
	try {
		const uri = needed.kind === "discovery" ? await discover(needed.uri, way) : needed.uri;
		const read = readKeySet(await get(uri, way), "leaveOut");
		if (!read.ok) throw new FetchError("notKeySet", read.because);
		return read;
	} catch (error) {
		if (deadline.signal.aborted) return { ok: false, failure: "timeout", because: `no answer in ${timeoutMs} ms` };
		if (error instanceof FetchError) return { ok: false, failure: error.failure, because: error.message };
		return { ok: false, failure: "connection", because: codeOf(error) };
	} finally {
		cancel();
	}
}

interface Way {
	readonly rules: FetchTargetRules;
	readonly limits: FetchLimits;
	readonly resolve: (host: string) => Promise<readonly ResolvedAddress[]>;
	readonly signal: AbortSignal;
}

/** OpenID Connect Discovery 1.0, section 4: `jwks_uri` of the issuer's configuration. */
async function discover(uri: string, way: Way): Promise<string> {
	let json: unknown;
	try {
		json = JSON.parse(await get(uri, way));
	} catch (error) {
		if (!(error instanceof SyntaxError)) throw error;
		throw new FetchError("notKeySet", "the OpenID configuration is not JSON");
	}
	const found = typeof json === "object" && json !== null && "jwks_uri" in json ? json.jwks_uri : undefined;
	if (typeof found !== "string") throw new FetchError("notKeySet", "the OpenID configuration has no jwks_uri");
	return found;
}

async function get(uri: string, way: Way): Promise<string> {
	let from: URL | undefined;
	let text = uri;
	for (let hop = 0; hop <= way.limits.maxRedirects; hop++) {
		const checked = checkFetchUrl(text, way.rules);
		if (!checked.ok) throw new FetchError("forbiddenTarget", checked.because);
		if (from?.protocol === "https:" && checked.url.protocol !== "https:") {
			throw new FetchError("redirect", "it redirects from https to http");
		}
		from = checked.url;
		const answer = await getOnce(checked.url, way);
		if (answer.type === "body") return answer.text;
		if (!URL.canParse(answer.location, checked.url.href)) throw new FetchError("redirect", "it redirects to no URL");
		text = new URL(answer.location, checked.url.href).href;
	}
	throw new FetchError("redirect", `it redirects more than ${way.limits.maxRedirects} times`);
}

type Answer =
	| { readonly type: "body"; readonly text: string }
	| { readonly type: "redirect"; readonly location: string };

async function getOnce(url: URL, way: Way): Promise<Answer> {
	const addresses = await checkedAddresses(url, way);
	way.signal.throwIfAborted();
	const outgoing = (url.protocol === "https:" ? requestHttps : requestHttp)(url, {
		// No agent: neither proxies of the environment nor connections to addresses of an earlier check.
		agent: false,
		lookup: pinned(addresses),
		headers: { accept: "application/json", "accept-encoding": "identity", "user-agent": "keepmesh" },
		signal: way.signal,
	});
	return answerOf(outgoing, way);
}

function answerOf(outgoing: ClientRequest, { limits }: Way): Promise<Answer> {
	return new Promise((resolve, reject) => {
		outgoing.on("error", reject);
		outgoing.once("response", (incoming) => {
			const status = incoming.statusCode ?? 0;
			const refuse = (failure: FetchFailure, because: string): void => {
				reject(new FetchError(failure, because));
				outgoing.destroy();
			};
			if ([301, 302, 303, 307, 308].includes(status)) {
				resolve({ type: "redirect", location: incoming.headers.location ?? "" });
				outgoing.destroy();
				return;
			}
			if (status !== 200) return refuse("status", `it answers ${status}`);
			const chunks: Buffer[] = [];
			let bytes = 0;
			incoming.on("data", (chunk: Buffer) => {
				bytes += chunk.length;
				if (bytes > limits.maxBytes) refuse("tooLarge", `its answer is larger than ${limits.maxBytes} bytes`);
				else chunks.push(chunk);
			});
			incoming.on("error", reject);
			incoming.once("end", () => resolve({ type: "body", text: Buffer.concat(chunks).toString("utf8") }));
		});
		outgoing.end();
	});
}

/** One address that may not be asked spoils the name: whoever answers for it tries something. */
async function checkedAddresses(url: URL, way: Way): Promise<readonly ResolvedAddress[]> {
	const host = hostOf(url);
	const family = isIP(host);
	if (family !== 0) return [{ address: host, family }];
	let addresses: readonly ResolvedAddress[];
	try {
		addresses = await abortable(way.resolve(host), way.signal);
	} catch (error) {
		throw new FetchError("unresolved", `its name cannot be resolved (${codeOf(error)})`);
	}
	if (addresses.length === 0) throw new FetchError("unresolved", "its name has no address");
	for (const { address } of addresses) {
		const refused = refusedAddress(address, way.rules);
		if (refused !== undefined) throw new FetchError("forbiddenTarget", refused);
	}
	return addresses;
}

function abortable<Value>(promise: Promise<Value>, signal: AbortSignal): Promise<Value> {
	const aborted = Promise.withResolvers<never>();
	const abort = (): void => aborted.reject(signal.reason);
	if (signal.aborted) abort();
	signal.addEventListener("abort", abort, { once: true });
	return Promise.race([promise, aborted.promise]).finally(() => signal.removeEventListener("abort", abort));
}

/** Gives the connection the addresses that were checked, so that a second answer of the resolver changes nothing. */
function pinned(addresses: readonly ResolvedAddress[]): LookupFunction {
	return (_host, options, done) => {
		const [first] = addresses;
		if (options.all) done(null, [...addresses]);
		else done(null, first?.address ?? "", first?.family);
	};
}

/** `ECONNREFUSED`, `CERT_HAS_EXPIRED`: messages may tell more than their reader should know. */
function codeOf(error: unknown): string {
	if (typeof error === "object" && error !== null && "code" in error && typeof error.code === "string")
		return error.code;
	return "no connection";
}
