// What a rule asks of a request (`to`, and `when` conditions on the destination) -> Envoy's RBAC permissions.

import { create } from "@bufbuild/protobuf";
import type { AuthorizationOperation } from "../../resources/kinds/security.ts";
import { packAny } from "../encode-resource.ts";
import { TypedExtensionConfigSchema } from "../gen/envoy/config/core/v3/extension_pb.ts";
import { type Permission, Permission_SetSchema, PermissionSchema } from "../gen/envoy/config/rbac/v3/rbac_pb.ts";
import { UriTemplateMatchConfigSchema } from "../gen/envoy/extensions/path/match/uri_template/v3/uri_template_match_pb.ts";
import { PathMatcherSchema } from "../gen/envoy/type/matcher/v3/path_pb.ts";
import type { StringMatcher } from "../gen/envoy/type/matcher/v3/string_pb.ts";
import { addressCondition, headerCondition } from "./connection-condition.ts";
import { listWith, metadataCondition, textValue } from "./metadata-condition.ts";
import { isPathTemplate, pathTemplateExpression, uriTemplate } from "./path-template.ts";
import type { Attribute, Clause, Logic, Reach } from "./rule-logic.ts";
import { closingPathPattern, expressionMatcher, quoteExpression, textPattern } from "./text-pattern.ts";

type PermissionAttribute = Attribute<Permission>;

const permission = (rule: Permission["rule"]): Permission => create(PermissionSchema, { rule });
const set = (rules: readonly Permission[]) => create(Permission_SetSchema, { rules: [...rules] });

export const permissions: Logic<Permission> = {
	any: permission({ case: "any", value: true }),
	all: (rules) => permission({ case: "andRules", value: set(rules) }),
	oneOf: (rules) => permission({ case: "orRules", value: set(rules) }),
	not: (rule) => permission({ case: "notRule", value: rule }),
};

const header = (name: string, text: StringMatcher | "present"): Permission =>
	permission({ case: "header", value: headerCondition(name, text) });
const path = (text: StringMatcher): Permission =>
	permission({
		case: "urlPath",
		value: create(PathMatcherSchema, { rule: { case: "path", value: text } }),
	});

const method: PermissionAttribute = {
	httpOnly: true,
	match: (value) => header(":method", value === "*" ? "present" : textPattern(value)),
};

/**
 * Case does not matter. A host as it stands in the policy does not match one with a port (Istio's behaviour: name it with
 * `:*` as well). For what closes, neither a port nor a final dot makes it another host, and a list of hosts (several Host
 * headers) or a user in front is taken for each host in it; for what opens, such a list is none of them.
 */
const host: PermissionAttribute = {
	httpOnly: true,
	match: (value, reach) => {
		if (value === "*") return header(":authority", "present");
		return header(":authority", hostPattern(value, reach));
	},
};

function hostPattern(value: string, reach: Reach): StringMatcher {
	const openStart = value.startsWith("*");
	const openEnd = !openStart && value.endsWith("*");
	const name = quoteExpression(openStart ? value.slice(1) : openEnd ? value.slice(0, -1) : value);
	if (reach === "narrow") {
		if (!openStart && !openEnd) return textPattern(value, true);
		return expressionMatcher(openStart ? `(?i)[^,@]*${name}` : `(?i)${name}[^,@]*`);
	}
	const start = openStart ? "\\C*" : "(?:\\C*[,@]\\s*)?";
	return expressionMatcher(`(?i)${start}${name}${openEnd ? "\\C*" : "\\.?(?:[:,]\\C*)?"}`);
}

const requestPath: PermissionAttribute = {
	httpOnly: true,
	match: (value, reach) => {
		if (isPathTemplate(value)) return templatePath(value, reach);
		return path(reach === "narrow" ? textPattern(value) : closingPathPattern(value));
	},
};

/** Envoy's template knows only the characters of a URI: a byte outside of them would get round a rule that closes. */
function templatePath(value: string, reach: Reach): Permission | undefined {
	const pathTemplate = uriTemplate(value);
	if (pathTemplate === undefined) return undefined;
	if (reach === "narrow") {
		return permission({
			case: "uriTemplate",
			value: create(TypedExtensionConfigSchema, {
				name: "envoy.path.match.uri_template.uri_template_matcher",
				typedConfig: packAny(UriTemplateMatchConfigSchema, { pathTemplate }),
			}),
		});
	}
	return path(expressionMatcher(pathTemplateExpression(value)));
}

const port: PermissionAttribute = {
	match: (value) => {
		const number = /^\d{1,5}$/.test(value) ? Number(value) : Number.NaN;
		return number <= 65535 ? permission({ case: "destinationPort", value: number }) : undefined;
	},
};

const destinationAddress: PermissionAttribute = {
	match: (value) => {
		const range = addressCondition(value);
		return range && permission({ case: "destinationIp", value: range });
	},
};

const serverName: PermissionAttribute = {
	match: (value) => permission({ case: "requestedServerName", value: textPattern(value) }),
};

const experimental = /^experimental\.(envoy\.filters\.[^[\]]+)\[(.+)\]$/;

/** `experimental.envoy.filters.network.mysql_proxy[db.table]`; a value in brackets means a list that has it. */
function filterMetadata(key: string): PermissionAttribute | undefined {
	const [, filter = "", name = ""] = experimental.exec(key) ?? [];
	if (filter === "") return undefined;
	return {
		match: (value) => {
			const list = value.startsWith("[") && value.endsWith("]");
			const matcher = list ? listWith(textPattern(value.slice(1, -1))) : textValue(textPattern(value));
			return permission({ case: "sourcedMetadata", value: metadataCondition(filter, [name], matcher) });
		},
	};
}

/** The attribute of a `when` key, where it is one of the destination. */
export function permissionAttribute(key: string): PermissionAttribute | undefined {
	switch (key) {
		case "destination.ip":
			return destinationAddress;
		case "destination.port":
			return port;
		case "connection.sni":
			return serverName;
		default:
			return filterMetadata(key);
	}
}

export function operationClauses(operation: AuthorizationOperation): readonly Clause<Permission>[] {
	const clause = (
		attribute: PermissionAttribute,
		values: readonly string[] = [],
		notValues: readonly string[] = [],
	): Clause<Permission> => ({ attribute, values, notValues });
	return [
		clause(host, operation.hosts, operation.notHosts),
		clause(method, operation.methods, operation.notMethods),
		clause(requestPath, operation.paths, operation.notPaths),
		clause(port, operation.ports, operation.notPorts),
	];
}
