// RequestAuthentication's rules -> Envoy's jwt_authn filter. A request without a token passes; one with a token that no rule
// accepts does not. What a token claims is left for later filters and for routes in the metadata `envoy.filters.http.jwt_authn`,
// under `payload`.

import { create } from "@bufbuild/protobuf";
import type { MeshSettings } from "../../model/mesh-settings.ts";
import type { JwtRuleView } from "../../model/security.ts";
import { packAny } from "../encode-resource.ts";
import {
	JwtAuthenticationSchema,
	type JwtRequirementSchema,
} from "../gen/envoy/extensions/filters/http/jwt_authn/v3/config_pb.ts";
import {
	type HttpFilter,
	HttpFilterSchema,
} from "../gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.ts";
import type { MessageFields } from "../message-fields.ts";
import { rulesByPlace } from "./token-places.ts";
import { tokenProvider } from "./token-provider.ts";

/** The filter's name, which is also where it leaves the claims in a request's metadata, under `tokenPayloadKey`. */
export const tokenFilterName = "envoy.filters.http.jwt_authn";
export const tokenPayloadKey = "payload";

type Requirement = MessageFields<typeof JwtRequirementSchema>;

const remembered = new WeakMap<readonly JwtRuleView[], readonly HttpFilter[]>();

/** Workloads with the same policies have the same list of rules, and so the same filters. */
export function tokenFilters(rules: readonly JwtRuleView[], _mesh: MeshSettings): readonly HttpFilter[] {
	const known = remembered.get(rules);
	if (known) return known;
	const made = rules.length === 0 ? [] : [tokenFilter(rules)];
	remembered.set(rules, made);
	return made;
}

function tokenFilter(rules: readonly JwtRuleView[]): HttpFilter {
	const providerName = (rule: JwtRuleView): string => `origins-${rules.indexOf(rule)}`;
	const requires = allOf(rulesByPlace(rules).map((group) => oneOrNone(group.map(providerName))));
	const config = packAny(JwtAuthenticationSchema, {
		providers: Object.fromEntries(rules.map((rule) => [providerName(rule), tokenProvider(rule)])),
		rules: [
			{
				match: { pathSpecifier: { case: "prefix", value: "/" } },
				requirementType: { case: "requires", value: requires },
			},
		],
		// Browsers send preflights without tokens, and may not be answered 401.
		bypassCorsPreflight: true,
	});
	return create(HttpFilterSchema, { name: tokenFilterName, configType: { case: "typedConfig", value: config } });
}

/** One of the providers accepts every token that is in the places where they look, or there is none. */
function oneOrNone(providers: readonly string[]): Requirement {
	const requirements: Requirement[] = [
		...providers.map((value) => ({ requiresType: { case: "providerName", value } }) as const),
		{ requiresType: { case: "allowMissing", value: {} } },
	];
	return { requiresType: { case: "requiresAny", value: { requirements } } };
}

function allOf(requirements: readonly Requirement[]): Requirement {
	const [only, ...more] = requirements;
	if (only && more.length === 0) return only;
	return { requiresType: { case: "requiresAll", value: { requirements: [...requirements] } } };
}
