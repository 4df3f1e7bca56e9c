// One rule of an AuthorizationPolicy against one request, straight from the meaning of the policy's text: it does not know
// how Envoy is configured, so it can be compared with what Envoy does.
// https://istio.io/latest/docs/reference/config/security/authorization-policy/

import { parseAddressRange } from "../envoy/listener/address-range.ts";
import type {
	AuthorizationCondition,
	AuthorizationOperation,
	AuthorizationRule,
	AuthorizationSource,
} from "../resources/kinds/security.ts";
import type { AccessRequest } from "./access-request.ts";
import { matchesPath, matchesPathWidely, matchesPattern } from "./text-pattern.ts";

export interface RuleContext {
	/** The policy's own: service accounts without a namespace are in it. */
	readonly namespace: string;
	/** First the trust domain itself, then its aliases. */
	readonly trustDomains: readonly string[];
	/**
	 * What a field of HTTP means on a port that proxies bytes. `neverMatches`: the whole rule (ALLOW).
	 * `isLeftOut`: the field (DENY, AUDIT, CUSTOM), so that the rule meets more.
	 */
	readonly withoutHttp: "neverMatches" | "isLeftOut";
}

export type RuleOutcome = { readonly met: true } | { readonly met: false; readonly because: string };

/** One line of a rule: a field with its values and the values that it must not have. */
interface Check {
	readonly field: string;
	readonly values: readonly string[] | undefined;
	readonly notValues: readonly string[] | undefined;
	readonly ofHttp: boolean;
	readonly has: (value: string) => boolean;
	/** The same where it closes; default `has`. */
	readonly hasWidely?: (value: string) => boolean;
	/** What the request has there, for people. */
	readonly found: string;
}

export function matchRule(rule: AuthorizationRule, request: AccessRequest, context: RuleContext): RuleOutcome {
	const conditions = (rule.when ?? []).map((condition) => conditionCheck(condition, request, context));
	const sources = (rule.from ?? []).map(({ source }) => sourceChecks(source ?? {}, request, context));
	const operations = (rule.to ?? []).map(({ operation }) => operationChecks(operation ?? {}, request));
	const all = [...conditions, ...sources.flat(), ...operations.flat()].filter(saysSomething);
	const ofHttp = all.find((check) => check.ofHttp);
	if (!request.http && ofHttp && context.withoutHttp === "neverMatches")
		return { met: false, because: `${ofHttp.field} is of HTTP, and the port proxies bytes` };
	return (
		anyOf("from", sources, request, context) ??
		anyOf("to", operations, request, context) ??
		failureOf(conditions, request, context) ?? { met: true }
	);
}

const saysSomething = (check: Check): boolean => (check.values?.length ?? 0) > 0 || (check.notValues?.length ?? 0) > 0;

/** Undefined when one alternative holds, or there are none. */
function anyOf(
	part: string,
	alternatives: readonly (readonly Check[])[],
	request: AccessRequest,
	context: RuleContext,
): RuleOutcome | undefined {
	const failures = alternatives.map((checks) => failureOf(checks, request, context));
	if (failures.length === 0 || failures.includes(undefined)) return undefined;
	const reasons = failures.flatMap((failure) => (failure && !failure.met ? [failure.because] : []));
	return { met: false, because: `${part}: ${reasons.join("; ")}` };
}

function failureOf(
	checks: readonly Check[],
	request: AccessRequest,
	{ withoutHttp }: RuleContext,
): RuleOutcome | undefined {
	const closes = withoutHttp === "isLeftOut";
	for (const check of checks) {
		if (!saysSomething(check) || (check.ofHttp && !request.http)) continue;
		const { field, values = [], notValues = [], found, has, hasWidely = has } = check;
		if (values.length > 0 && !values.some(closes ? hasWidely : has))
			return { met: false, because: `${field} is ${found}, not ${values.join(" or ")}` };
		const excluded = notValues.find(closes ? has : hasWidely);
		if (excluded !== undefined) return { met: false, because: `${field} is ${found}, which ${excluded} excludes` };
	}
	return undefined;
}

function sourceChecks(source: AuthorizationSource, request: AccessRequest, context: RuleContext): readonly Check[] {
	const check = (field: string, key: string, values?: readonly string[], notValues?: readonly string[]): Check => ({
		...attribute(key, request, context),
		field,
		values,
		notValues,
	});
	return [
		check("principal", "source.principal", source.principals, source.notPrincipals),
		check("request principal", "request.auth.principal", source.requestPrincipals, source.notRequestPrincipals),
		check("namespace", "source.namespace", source.namespaces, source.notNamespaces),
		check("service account", "source.serviceAccount", source.serviceAccounts, source.notServiceAccounts),
		check("trust domain", "source.trustDomain", source.trustDomains, source.notTrustDomains),
		check("source address", "source.ip", source.ipBlocks, source.notIpBlocks),
		check("remote address", "remote.ip", source.remoteIpBlocks, source.notRemoteIpBlocks),
	];
}

function operationChecks(operation: AuthorizationOperation, request: AccessRequest): readonly Check[] {
	const { http } = request;
	const text = (found: string | undefined) => found ?? "unknown";
	return [
		{
			field: "host",
			values: operation.hosts,
			notValues: operation.notHosts,
			ofHttp: true,
			has: (value) => matchesPattern(value.toLowerCase(), http?.host.toLowerCase()),
			found: text(http?.host),
		},
		{
			field: "port",
			values: operation.ports,
			notValues: operation.notPorts,
			ofHttp: false,
			has: (value) => Number(value) === request.destinationPort,
			found: String(request.destinationPort),
		},
		{
			field: "method",
			values: operation.methods,
			notValues: operation.notMethods,
			ofHttp: true,
			has: (value) => matchesPattern(value, http?.method),
			found: text(http?.method),
		},
		{
			field: "path",
			values: operation.paths,
			notValues: operation.notPaths,
			ofHttp: true,
			has: (value) => http !== undefined && matchesPath(value, http.path),
			hasWidely: (value) => http !== undefined && matchesPathWidely(value, http.path),
			found: text(http?.path),
		},
	];
}

function conditionCheck(condition: AuthorizationCondition, request: AccessRequest, context: RuleContext): Check {
	const { key, values, notValues } = condition;
	return { ...attribute(key, request, context), field: key, values, notValues };
}

type Attribute = Pick<Check, "ofHttp" | "has" | "found">;

function attribute(key: string, request: AccessRequest, context: RuleContext): Attribute {
	const { http, principal } = request;
	const identity = identityOf(principal);
	const texts = (found: readonly string[], ofHttp: boolean): Attribute => ({
		ofHttp,
		has: (value) => found.some((text) => matchesPattern(value, text)),
		found: found.length > 0 ? found.join(", ") : "absent",
	});
	const address = (ip: string | undefined): Attribute => ({
		ofHttp: false,
		has: (value) => isInRange(value, ip),
		found: ip ?? "unknown",
	});
	const [, name = ""] = /\[(.*)\]$/.exec(key) ?? [];
	switch (key.replace(/\[.*$/, "")) {
		case "source.principal":
			return {
				ofHttp: false,
				has: (value) => principalPatterns(value, context.trustDomains).some((one) => matchesPattern(one, principal)),
				found: principal ?? "absent",
			};
		case "source.namespace":
			return {
				ofHttp: false,
				has: (value) => matchesPattern(value, identity?.namespace),
				found: identity?.namespace ?? "absent",
			};
		case "source.serviceAccount":
			return {
				ofHttp: false,
				has: (value) =>
					identity !== undefined &&
					(value.includes("/") ? value : `${context.namespace}/${value}`) ===
						`${identity.namespace}/${identity.serviceAccount}`,
				found: identity ? `${identity.namespace}/${identity.serviceAccount}` : "absent",
			};
		case "source.trustDomain":
			return texts(identity ? [identity.trustDomain] : [], false);
		case "source.ip":
			return address(request.sourceIp);
		case "remote.ip":
			return address(request.remoteIp ?? request.sourceIp);
		case "destination.ip":
			return address(request.destinationIp);
		case "destination.port":
			return {
				ofHttp: false,
				has: (value) => Number(value) === request.destinationPort,
				found: String(request.destinationPort),
			};
		case "connection.sni":
			return texts(request.sni ? [request.sni] : [], false);
		case "request.headers":
			return texts(headerOf(http?.headers, name), true);
		case "request.auth.principal":
			return requestPrincipal(http?.claims);
		case "request.auth.audiences":
			return texts(claimTexts(http?.claims?.aud), true);
		case "request.auth.presenter":
			return texts(claimTexts(http?.claims?.azp), true);
		case "request.auth.claims":
			return texts(claimTexts(nestedClaim(http?.claims, name.split("]["))), true);
		default:
			return texts([], false);
	}
}

function headerOf(headers: Readonly<Record<string, string>> | undefined, name: string): readonly string[] {
	const value = headers?.[name.toLowerCase()];
	return value === undefined ? [] : [value];
}

function requestPrincipal(claims: Readonly<Record<string, unknown>> | undefined): Attribute {
	const issuer = typeof claims?.iss === "string" ? claims.iss : "";
	const subject = typeof claims?.sub === "string" ? claims.sub : "";
	const found = issuer !== "" && subject !== "" ? `${issuer}/${subject}` : undefined;
	return { ofHttp: true, has: (value) => matchesPattern(value, found), found: found ?? "absent" };
}

function nestedClaim(claims: unknown, names: readonly string[]): unknown {
	return names.reduce<unknown>(
		(value, name) =>
			typeof value === "object" && value !== null && Object.hasOwn(value, name)
				? (value as Readonly<Record<string, unknown>>)[name]
				: undefined,
		claims,
	);
}

function claimTexts(value: unknown): readonly string[] {
	if (typeof value === "string") return [value];
	return Array.isArray(value) ? value.filter((one) => typeof one === "string") : [];
}

function identityOf(principal: string | undefined) {
	const parts = /^([^/]+)\/ns\/([^/]+)\/sa\/([^/]+)$/.exec(principal ?? "");
	if (!parts) return undefined;
	const [, trustDomain = "", namespace = "", serviceAccount = ""] = parts;
	return { trustDomain, namespace, serviceAccount };
}

/** A principal of the trust domain is meant under all its names; `cluster.local` always means the mesh's own. */
function principalPatterns(value: string, trustDomains: readonly string[]): readonly string[] {
	const [trustDomain = "", ...rest] = value.split("/");
	const isOwn = rest.length > 0 && (trustDomain === "cluster.local" || trustDomains.includes(trustDomain));
	return isOwn ? trustDomains.map((one) => [one, ...rest].join("/")) : [value];
}

function isInRange(value: string, ip: string | undefined): boolean {
	const range = parseAddressRange(value);
	const address = ip === undefined ? undefined : parseAddressRange(ip)?.addressPrefix;
	const own = range && address !== undefined ? parseAddressRange(`${address}/${range.prefixLen}`) : undefined;
	return own !== undefined && own.addressPrefix === range?.addressPrefix;
}
