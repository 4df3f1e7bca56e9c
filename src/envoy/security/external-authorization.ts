// CUSTOM policies -> a shadow RBAC filter that says which requests they meet, and ext_authz for those. Istio's way, with its
// names. What a policy with an unusable provider meets is refused, and so is everything that policies of several providers
// meet on one workload. There is no dry run of them.

import { create } from "@bufbuild/protobuf";
import type { MeshSettings } from "../../model/mesh-settings.ts";
import type { AuthorizationPolicyView, AuthorizationProvider } from "../../model/security.ts";
import { packAny } from "../encode-resource.ts";
import { ApiVersion } from "../gen/envoy/config/core/v3/config_source_pb.ts";
import { type Filter, FilterSchema } from "../gen/envoy/config/listener/v3/listener_components_pb.ts";
import { type RBAC, RBAC_Action, RBACSchema } from "../gen/envoy/config/rbac/v3/rbac_pb.ts";
import { ExtAuthzSchema as HttpExtAuthzSchema } from "../gen/envoy/extensions/filters/http/ext_authz/v3/ext_authz_pb.ts";
import { ExtAuthzSchema as TcpExtAuthzSchema } from "../gen/envoy/extensions/filters/network/ext_authz/v3/ext_authz_pb.ts";
import {
	type HttpFilter,
	HttpFilterSchema,
} from "../gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.ts";
import type { MetadataMatcher } from "../gen/envoy/type/matcher/v3/metadata_pb.ts";
import { httpRbac, httpRbacFilter, tcpRbac, tcpRbacFilter, tcpRbacStatPrefix } from "./access-filters.ts";
import { accessRules } from "./access-rules.ts";
import { grpcService, httpAuthorization, providerFault } from "./authorization-provider.ts";
import { metadataCondition, textValue } from "./metadata-condition.ts";
import type { RuleMeaning } from "./rule-logic.ts";
import { textMatcher } from "./text-pattern.ts";

const shadowPrefix = "istio_ext_authz_";
const namePrefix = "istio-ext-authz";
const badSuffix = "-deny-due-to-bad-CUSTOM-action";
const noHttpSuffix = "-deny-due-to-no-HTTP";

export function externalHttpFilters(
	policies: readonly AuthorizationPolicyView[],
	mesh: MeshSettings,
): readonly HttpFilter[] {
	const plan = planOf(policies, "http", mesh);
	if (plan.refused) return [httpRbac({ enforced: plan.refused }, "")];
	if (!plan.asked || !plan.provider) return [];
	const config = httpAuthorization(plan.provider);
	config.filterEnabledMetadata = whenMet(httpRbacFilter);
	return [
		httpRbac({ shadow: plan.asked }, shadowPrefix),
		create(HttpFilterSchema, {
			name: "envoy.filters.http.ext_authz",
			configType: { case: "typedConfig", value: packAny(HttpExtAuthzSchema, config) },
		}),
	];
}

/**
 * A provider that speaks HTTP is not asked about connections without HTTP. On a port that is said to have none they pass
 * (Istio's behaviour). On a `sniffed` port they are refused: HTTP that the sniffing does not know, but the application does
 * (after an empty line, for example), would get round the provider.
 */
export function externalTcpFilters(
	policies: readonly AuthorizationPolicyView[],
	mesh: MeshSettings,
	sniffed: boolean,
): readonly Filter[] {
	const { asked, provider, refused } = planOf(policies, "tcp", mesh);
	if (refused) return [tcpRbac({ enforced: refused }, "")];
	if (!asked || !provider) return [];
	if (provider.protocol === "http") return sniffed ? [tcpRbac({ enforced: named(asked, noHttpSuffix) }, "")] : [];
	const config = packAny(TcpExtAuthzSchema, {
		statPrefix: tcpRbacStatPrefix,
		failureModeAllow: provider.failOpen,
		transportApiVersion: ApiVersion.V3,
		grpcService: grpcService(provider),
		filterEnabledMetadata: whenMet(tcpRbacFilter),
	});
	return [
		tcpRbac({ shadow: asked }, shadowPrefix),
		create(FilterSchema, {
			name: "envoy.filters.network.ext_authz",
			configType: { case: "typedConfig", value: config },
		}),
	];
}

interface Plan {
	/** What the provider is asked about. */
	readonly asked?: RBAC;
	readonly provider?: AuthorizationProvider;
	/** What is refused because nobody can be asked. */
	readonly refused?: RBAC;
}

function planOf(
	policies: readonly AuthorizationPolicyView[],
	protocol: RuleMeaning["protocol"],
	mesh: MeshSettings,
): Plan {
	const custom = policies.filter(({ action, dryRun }) => action === "CUSTOM" && !dryRun);
	if (custom.length === 0) return {};
	const meaning = { effect: "refuse", protocol } as const;
	const names = new Set(custom.map((policy) => policy.provider ?? ""));
	const [name = ""] = names;
	const rules = accessRules(
		custom,
		RBAC_Action.DENY,
		meaning,
		mesh,
		name === "" ? `${namePrefix}-` : `${namePrefix}-${name}-`,
	);
	if (!rules.enforced) return {};
	const candidates = mesh.authorizationProviders.filter((one) => one.name === name);
	const [provider] = candidates;
	if (names.size > 1 || candidates.length > 1 || !provider || providerFault(provider) !== undefined) {
		return { refused: named(rules.enforced, badSuffix) };
	}
	return { asked: rules.enforced, provider };
}

/** The name says in responses' details and in access logs why a request was refused. */
function named(rules: RBAC, suffix: string): RBAC {
	const policies = Object.entries(rules.policies).map(([name, policy]) => [`${name}${suffix}`, policy] as const);
	return create(RBACSchema, { action: RBAC_Action.DENY, policies: Object.fromEntries(policies) });
}

/** The shadow rules met the request. */
function whenMet(filter: string): MetadataMatcher | undefined {
	const key = `${shadowPrefix}shadow_effective_policy_id`;
	return metadataCondition(filter, [key], textValue(textMatcher("prefix", namePrefix))).metadataMatcher;
}
