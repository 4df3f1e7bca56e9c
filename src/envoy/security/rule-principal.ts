// Who asks (`from`, and `when` conditions on the source and its token) -> Envoy's RBAC principals. A workload is known by
// the URI of its verified certificate, spiffe://TRUST-DOMAIN/ns/NAMESPACE/sa/ACCOUNT; a user by a verified token.

import { create } from "@bufbuild/protobuf";
import type { AuthorizationSource } from "../../resources/kinds/security.ts";
import {
	type Principal,
	Principal_SetSchema,
	PrincipalSchema,
	type SourcedMetadata,
} from "../gen/envoy/config/rbac/v3/rbac_pb.ts";
import type { StringMatcher } from "../gen/envoy/type/matcher/v3/string_pb.ts";
import { addressCondition, headerCondition } from "./connection-condition.ts";
import { claimText, claimTextOrList } from "./metadata-condition.ts";
import type { Attribute, Clause, Logic, Reach } from "./rule-logic.ts";
import { anyText, expressionMatcher, quoteExpression, textMatcher, textPattern } from "./text-pattern.ts";
import { tokenUser } from "./token-user.ts";
import { principalsOfAliases, trustDomainsOfAliases } from "./trust-domain-aliases.ts";

type PrincipalAttribute = Attribute<Principal>;

/** What reading a rule needs to know besides the rule. */
export interface SourceContext {
	/** Of the policy: service accounts without one are of this. */
	readonly namespace: string;
	/** The mesh's own first, then its aliases. */
	readonly trustDomains: readonly string[];
}

const principal = (identifier: Principal["identifier"]): Principal => create(PrincipalSchema, { identifier });
const set = (ids: readonly Principal[]) => create(Principal_SetSchema, { ids: [...ids] });

export const principals: Logic<Principal> = {
	any: principal({ case: "any", value: true }),
	all: (ids) => principal({ case: "andIds", value: set(ids) }),
	oneOf: (ids) => principal({ case: "orIds", value: set(ids) }),
	not: (id) => principal({ case: "notId", value: id }),
};

const identity = (principalName: StringMatcher): Principal =>
	principal({
		case: "authenticated",
		value: { $typeName: "envoy.config.rbac.v3.Principal.Authenticated", principalName },
	});
const ofToken = (value: SourcedMetadata): Principal => principal({ case: "sourcedMetadata", value });

const directAddress: PrincipalAttribute = {
	match: (value) => {
		const range = addressCondition(value);
		return range && principal({ case: "directRemoteIp", value: range });
	},
};

const remoteAddress: PrincipalAttribute = {
	match: (value) => {
		const range = addressCondition(value);
		return range && principal({ case: "remoteIp", value: range });
	},
};

const workload: PrincipalAttribute = { match: (value, reach) => identity(workloadPattern(value, reach)) };

function workloadPattern(value: string, reach: Reach): StringMatcher {
	if (value === "*") return anyText;
	if (!value.startsWith("*")) return textPattern(`spiffe://${value}`);
	const end = value.slice(1);
	return reach === "wide" ? textMatcher("suffix", end) : expressionMatcher(`spiffe://\\C*${quoteExpression(end)}`);
}

/** A namespace is a whole segment at its place, so that no account and no trust domain can be taken for one. */
const namespace: PrincipalAttribute = {
	match: (value, reach) => {
		const shape = (name: string) => expressionMatcher(`spiffe://[^/]+/ns/${name}/sa/[^/]+`);
		const stars = value.split("*").length - 1;
		if (reach === "narrow" || stars > 1 || (stars === 1 && !/^\*|\*$/.test(value))) {
			return identity(shape(value.split("*").map(quoteExpression).join("[^/]*")));
		}
		const start = value.startsWith("*") ? "" : "/ns/";
		const end = value.endsWith("*") ? "" : "/sa/";
		return identity(textMatcher("contains", value === "*" ? "/ns/" : `${start}${value.replace("*", "")}${end}`));
	},
};

/** `NAMESPACE/NAME`, or a name in the policy's own namespace. */
function serviceAccount(context: SourceContext): PrincipalAttribute {
	return {
		match: (value, reach) => {
			const slash = value.indexOf("/");
			const account = slash < 0 ? `${context.namespace}/sa/${value}` : value.replace("/", "/sa/");
			if (reach === "wide") return identity(textMatcher("suffix", `/ns/${account}`));
			return identity(expressionMatcher(`spiffe://[^/]+/ns/${quoteExpression(account)}`));
		},
	};
}

const trustDomain: PrincipalAttribute = {
	match: (value) => {
		if (value === "*") return identity(textMatcher("prefix", "spiffe://"));
		if (value.startsWith("*")) {
			return identity(expressionMatcher(`spiffe://[^/]*${quoteExpression(value.slice(1))}/\\C*`));
		}
		const start = value.endsWith("*") ? value.slice(0, -1) : `${value}/`;
		return identity(textMatcher("prefix", `spiffe://${start}`));
	},
};

/** `ISSUER/SUBJECT` of a verified token. */
const user: PrincipalAttribute = {
	httpOnly: true,
	match: (value) => {
		const { issuer, subject } = tokenUser(value);
		return principals.all([ofToken(claimText("iss", issuer)), ofToken(claimText("sub", subject))]);
	},
};

function claim(path: readonly string[]): PrincipalAttribute {
	return { httpOnly: true, match: (value) => ofToken(claimTextOrList(path, textPattern(value))) };
}

function header(name: string): PrincipalAttribute {
	return {
		httpOnly: true,
		match: (value) =>
			principal({ case: "header", value: headerCondition(name, value === "*" ? "present" : textPattern(value)) }),
	};
}

const headerKey = /^request\.headers\[(:?[!#$%&'*+\-.^_`|~0-9A-Za-z]+)\]$/;
const claimKey = /^request\.auth\.claims((?:\[[^[\]]+\])+)$/;

/** The attribute of a `when` key, where it is one of the source or of its token. */
export function principalAttribute(key: string, context: SourceContext): PrincipalAttribute | undefined {
	switch (key) {
		case "source.ip":
			return directAddress;
		case "remote.ip":
			return remoteAddress;
		case "source.namespace":
			return namespace;
		case "source.principal":
			return ofAliases(workload, (value) => principalsOfAliases(value, context.trustDomains));
		case "source.serviceAccount":
			return serviceAccount(context);
		case "source.trustDomain":
			return ofAliases(trustDomain, (value) => trustDomainsOfAliases(value, context.trustDomains));
		case "request.auth.principal":
			return user;
		case "request.auth.audiences":
			return claim(["aud"]);
		case "request.auth.presenter":
			return claim(["azp"]);
		default: {
			const name = headerKey.exec(key)?.[1];
			if (name !== undefined) return header(name);
			const path = claimKey.exec(key)?.[1];
			return path === undefined ? undefined : claim(path.slice(1, -1).split("]["));
		}
	}
}

function ofAliases(attribute: PrincipalAttribute, spread: (value: string) => readonly string[]): PrincipalAttribute {
	return {
		...attribute,
		match: (value, reach) => {
			const found = spread(value).flatMap((one) => attribute.match(one, reach) ?? []);
			return found.length > 1 ? principals.oneOf(found) : found[0];
		},
	};
}

export function sourceClauses(source: AuthorizationSource, context: SourceContext): readonly Clause<Principal>[] {
	const clause = (
		key: string,
		values: readonly string[] = [],
		notValues: readonly string[] = [],
	): readonly Clause<Principal>[] => {
		const attribute = principalAttribute(key, context);
		return attribute ? [{ attribute, values, notValues }] : [];
	};
	return [
		...clause("source.principal", source.principals, source.notPrincipals),
		...clause("source.serviceAccount", source.serviceAccounts, source.notServiceAccounts),
		...clause("request.auth.principal", source.requestPrincipals, source.notRequestPrincipals),
		...clause("source.trustDomain", source.trustDomains, source.notTrustDomains),
		...clause("source.namespace", source.namespaces, source.notNamespaces),
		...clause("remote.ip", source.remoteIpBlocks, source.notRemoteIpBlocks),
		...clause("source.ip", source.ipBlocks, source.notIpBlocks),
	];
}
