// One HTTP route of a VirtualService: what it does (exactly one of four things) and how.

import type { Findings, Path } from "../findings.ts";
import type { CorsPolicy, HttpRetry, HttpRoute } from "../kinds/networking.ts";
import { parseDurationMs } from "../text/duration.ts";
import { checkDestination, checkWeights } from "./destination-rules.ts";
import { checkHeaderName, checkHeaders, checkHeaderText, isAuthorityHeader } from "./header-rules.ts";
import { checkFault } from "./http-fault-rules.ts";
import { checkHttpMatch } from "./http-match-rules.ts";
import { checkRegex, checkStringMatch } from "./string-match-rules.ts";

/** `isDelegate`: the VirtualService has no hosts, others refer to it. */
export function checkHttpRoute(
	route: HttpRoute,
	path: Path,
	bound: { readonly isDelegate: boolean; readonly forGateway: boolean },
	findings: Findings,
): void {
	checkAction(route, path, bound.isDelegate, findings);
	for (const [index, match] of (route.match ?? []).entries())
		checkHttpMatch(match, [...path, "match", index], bound.forGateway, findings);
	checkHeaders(route.headers, [...path, "headers"], findings);
	checkWeights(route.route ?? [], [...path, "route"], findings);
	for (const [index, entry] of (route.route ?? []).entries())
		checkHeaders(entry.headers, [...path, "route", index, "headers"], findings);
	checkFault(route.fault, [...path, "fault"], findings);
	checkMirrors(route, path, findings);
	checkRedirect(route, path, findings);
	checkRewrite(route, path, findings);
	checkRetries(route.retries, [...path, "retries"], findings);
	checkCors(route.corsPolicy, [...path, "corsPolicy"], findings);
	checkDirectResponse(route, path, findings);
}

function checkAction(route: HttpRoute, path: Path, isDelegate: boolean, findings: Findings): void {
	const actions = (["route", "redirect", "directResponse", "delegate"] as const).filter((key) =>
		key === "route" ? (route.route?.length ?? 0) > 0 : route[key] !== undefined,
	);
	if (actions.length === 0) findings.error(path, "leads nowhere", "add route, redirect, directResponse or delegate");
	if (actions.length > 1) findings.error(path, `${actions.join(" and ")} exclude each other`, "keep one of them");
	if (isDelegate && route.delegate)
		findings.error([...path, "delegate"], "a delegate cannot delegate again", "route to a destination here");
	if (route.redirect || route.directResponse)
		for (const field of ["fault", "rewrite"] as const)
			if (route[field])
				findings.error(
					[...path, field],
					`${field} has no meaning with ${route.redirect ? "redirect" : "directResponse"}`,
					"remove one of them",
				);
}

function checkMirrors(route: HttpRoute, path: Path, findings: Findings): void {
	if (route.mirror && route.mirrors?.length)
		findings.error([...path, "mirrors"], "mirror and mirrors exclude each other", "keep mirrors");
	checkDestination(route.mirror, [...path, "mirror"], findings);
	for (const [index, mirror] of (route.mirrors ?? []).entries())
		checkDestination(mirror.destination, [...path, "mirrors", index, "destination"], findings);
	if (route.mirrorPercent !== undefined)
		findings.warning(
			[...path, "mirrorPercent"],
			"mirrorPercent is deprecated",
			`write mirrorPercentage: { value: ${route.mirrorPercent} }`,
		);
}

function checkRedirect(route: HttpRoute, path: Path, findings: Findings): void {
	const { redirect } = route;
	if (!redirect) return;
	const at = [...path, "redirect"];
	const { uri, authority, scheme, port, derivePort, redirectCode } = redirect;
	if (!uri && !authority && !scheme && port === undefined && derivePort === undefined)
		findings.error(at, "redirects to the same place", "add uri, authority, scheme or port");
	if (port !== undefined && derivePort !== undefined)
		findings.error(at, "port and derivePort exclude each other", "keep one of them");
	checkHeaderText(uri, [...at, "uri"], findings);
	checkHeaderText(authority, [...at, "authority"], findings);
	if (scheme && scheme !== "http" && scheme !== "https")
		findings.error([...at, "scheme"], `must be http or https, found ${JSON.stringify(scheme)}`, "");
	if (redirectCode && (redirectCode < 300 || redirectCode > 399))
		findings.error([...at, "redirectCode"], `${redirectCode} is not a redirect`, "use 301, 302, 303, 307 or 308");
	else if (redirectCode && ![301, 302, 303, 307, 308].includes(redirectCode))
		findings.warning([...at, "redirectCode"], `Envoy cannot answer ${redirectCode}`, "use 301, 302, 303, 307 or 308");
}

function checkRewrite(route: HttpRoute, path: Path, findings: Findings): void {
	const { rewrite } = route;
	const at = [...path, "rewrite"];
	if (rewrite) {
		checkHeaderText(rewrite.uri, [...at, "uri"], findings);
		checkHeaderText(rewrite.authority, [...at, "authority"], findings);
		const pattern = rewrite.uriRegexRewrite;
		if (rewrite.uri && pattern) findings.error(at, "uri and uriRegexRewrite exclude each other", "keep one of them");
		if (!rewrite.uri && !pattern && !rewrite.authority)
			findings.error(at, "rewrites nothing", "add uri, uriRegexRewrite or authority");
		if (pattern && (!pattern.match || !pattern.rewrite))
			findings.error([...at, "uriRegexRewrite"], "needs both match and rewrite", "add the one that is missing");
		else checkRegex(pattern?.match, [...at, "uriRegexRewrite", "match"], findings);
	}
	const { set = {}, add = {} } = route.headers?.request ?? {};
	const authorities =
		[...Object.keys(set), ...Object.keys(add)].filter(isAuthorityHeader).length + (rewrite?.authority ? 1 : 0);
	if (authorities > 1)
		findings.error(path, "sets the host name more than once", "keep rewrite.authority, or one Host header");
}

/** What Envoy's retry_on knows. */
const retryConditions = new Set(
	(
		"5xx gateway-error reset reset-before-request connect-failure retriable-4xx refused-stream retriable-status-codes " +
		"retriable-headers envoy-ratelimited http3-post-connect-failure cancelled deadline-exceeded internal " +
		"resource-exhausted unavailable"
	).split(" "),
);

/** `retryOn`: conditions and HTTP statuses, separated by commas. */
export function checkRetries(retries: HttpRetry | undefined, path: Path, findings: Findings): void {
	if (!retries) return;
	const { perTryTimeout, retryOn, retryRemoteLocalities } = retries;
	if (!retries.attempts && (perTryTimeout || retryOn || retryRemoteLocalities !== undefined))
		findings.error(
			[...path, "attempts"],
			"is 0, which turns retries off, and other settings are given",
			"set attempts, or remove the others",
		);
	for (const condition of retryOn ? retryOn.split(",") : [])
		if (!retryConditions.has(condition) && !isHttpStatus(condition))
			findings.error(
				[...path, "retryOn"],
				`${JSON.stringify(condition)} is not a retry condition`,
				retryHint(condition),
			);
}

function retryHint(condition: string): string {
	if (retryConditions.has(condition.trim())) return "separate the conditions by commas, without spaces";
	return "for example 5xx, gateway-error, connect-failure, reset, or a status such as 503";
}

function isHttpStatus(text: string): boolean {
	return /^[1-5]\d\d$/.test(text);
}

const methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "OPTIONS", "TRACE"];

function checkCors(policy: CorsPolicy | undefined, path: Path, findings: Findings): void {
	if (!policy) return;
	for (const [index, origin] of (policy.allowOrigins ?? []).entries()) {
		const at = [...path, "allowOrigins", index];
		checkStringMatch(origin, at, findings);
		if (origin.exact === "") findings.error([...at, "exact"], "the origin is empty", 'write "*" for any origin');
	}
	if (policy.allowOrigin?.length)
		findings.warning(
			[...path, "allowOrigin"],
			"allowOrigin is deprecated",
			"use allowOrigins with exact, prefix or regex",
		);
	for (const [index, method] of (policy.allowMethods ?? []).entries())
		if (!methods.includes(method))
			findings.error(
				[...path, "allowMethods", index],
				`${JSON.stringify(method)} is not an HTTP method`,
				`use ${methods.join(", ")}`,
			);
	for (const field of ["allowHeaders", "exposeHeaders"] as const)
		for (const [index, name] of (policy[field] ?? []).entries())
			if (name !== "*") checkHeaderName(name, [...path, field, index], findings);
	const maxAgeMs = policy.maxAge === undefined ? 0 : (parseDurationMs(policy.maxAge) ?? 0);
	if (maxAgeMs % 1000 !== 0)
		findings.error([...path, "maxAge"], "must be in whole seconds", 'for example "24h" or "600s"');
}

function checkDirectResponse(route: HttpRoute, path: Path, findings: Findings): void {
	const body = route.directResponse?.body;
	if (!body) return;
	const at = [...path, "directResponse", "body"];
	if (body.string !== undefined && body.bytes !== undefined)
		findings.error(at, "string and bytes exclude each other", "keep one of them");
	if (body.string === undefined && body.bytes === undefined)
		findings.error(at, "is empty", "add string or bytes, or remove body");
	const size = Math.max(body.string?.length ?? 0, Math.floor(((body.bytes?.length ?? 0) * 3) / 4));
	if (size > 1024 * 1024) findings.error(at, `has ${size} bytes`, "1 MiB is the limit: serve it from a service");
	else if (size > 100 * 1024)
		findings.warning(at, `has ${size} bytes, which every proxy keeps in memory`, "serve large answers from a service");
}
