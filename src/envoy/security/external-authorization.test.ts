import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { anyUnpack } from "@bufbuild/protobuf/wkt";
import { defaultMeshSettings } from "../../model/mesh-settings.ts";
import type { AuthorizationPolicyView, AuthorizationProvider } from "../../model/security.ts";
import { authorizationProvidersOf } from "../../snapshot/authorization-providers.ts";
import { ExtAuthzSchema } from "../gen/envoy/extensions/filters/http/ext_authz/v3/ext_authz_pb.ts";
import { RBACSchema } from "../gen/envoy/extensions/filters/http/rbac/v3/rbac_pb.ts";
import { externalHttpFilters, externalTcpFilters } from "./external-authorization.ts";

const service = { service: "foo/opa.foo.svc.cluster.local", port: 9191 };
const [http, grpc] = authorizationProvidersOf([
	{ name: "h", envoyExtAuthzHttp: service },
	{ name: "g", envoyExtAuthzGrpc: service },
]) as [AuthorizationProvider, AuthorizationProvider];

const meshWith = (...authorizationProviders: readonly AuthorizationProvider[]) => ({
	...defaultMeshSettings,
	authorizationProviders,
});

function custom(provider: string | undefined, fields: Partial<AuthorizationPolicyView> = {}): AuthorizationPolicyView {
	return {
		source: "AuthorizationPolicy/foo/p",
		namespace: "foo",
		name: "p",
		action: "CUSTOM",
		...(provider !== undefined && { provider }),
		dryRun: false,
		rules: [{}],
		...fields,
	};
}

function httpConfigs(policies: readonly AuthorizationPolicyView[], ...providers: readonly AuthorizationProvider[]) {
	const configs = externalHttpFilters(policies, meshWith(...providers)).flatMap(({ configType }) =>
		configType.case === "typedConfig" ? [configType.value] : [],
	);
	const [rbac, extAuthz] = configs;
	return {
		rbac: rbac && anyUnpack(rbac, RBACSchema),
		extAuthz: extAuthz && anyUnpack(extAuthz, ExtAuthzSchema),
		count: configs.length,
	};
}

const refusals = (policies: readonly AuthorizationPolicyView[], ...providers: readonly AuthorizationProvider[]) =>
	Object.keys(httpConfigs(policies, ...providers).rbac?.rules?.policies ?? {});

describe("external authorisation", () => {
	it("asks where shadow rules met, by Istio's names", () => {
		const { rbac, extAuthz } = httpConfigs([custom("h")], http);
		assert.equal(rbac?.shadowRulesStatPrefix, "istio_ext_authz_");
		assert.equal(rbac?.rules, undefined);
		assert.deepEqual(Object.keys(rbac?.shadowRules?.policies ?? {}), ["istio-ext-authz-h-ns[foo]-policy[p]-rule[0]"]);
		const { filter, path, value } = extAuthz?.filterEnabledMetadata ?? assert.fail();
		assert.equal(filter, "envoy.filters.http.rbac");
		assert.equal(path[0]?.segment.value, "istio_ext_authz_shadow_effective_policy_id");
		assert.ok(value?.matchPattern.case === "stringMatch");
		assert.deepEqual(value.matchPattern.value.matchPattern, { case: "prefix", value: "istio-ext-authz" });
	});

	it("asks the provider's service, within ten minutes unless it says otherwise, and fails closed", () => {
		const { services, failureModeAllow, statusOnError } = httpConfigs([custom("h")], http).extAuthz ?? assert.fail();
		assert.ok(services.case === "httpService");
		const { serverUri } = services.value;
		assert.equal(serverUri?.httpUpstreamType.value, "outbound|9191||opa.foo.svc.cluster.local");
		assert.deepEqual([serverUri?.timeout?.seconds, failureModeAllow, statusOnError?.code], [600n, false, 403]);
		const over = httpConfigs([custom("g")], grpc).extAuthz?.services;
		assert.ok(over?.case === "grpcService" && over.value.targetSpecifier.case === "envoyGrpc");
		assert.equal(over.value.targetSpecifier.value.authority, "outbound_.9191_._.opa.foo.svc.cluster.local");
	});

	it("is for connections without HTTP with a gRPC provider, and closes sniffed ports with another", () => {
		const names = (provider: AuthorizationProvider, sniffed: boolean) =>
			externalTcpFilters([custom(provider.name)], meshWith(provider), sniffed).map(({ name }) => name);
		const both = ["envoy.filters.network.rbac", "envoy.filters.network.ext_authz"];
		assert.deepEqual([names(grpc, false), names(grpc, true)], [both, both]);
		assert.deepEqual([names(http, false), names(http, true)], [[], ["envoy.filters.network.rbac"]]);
	});

	it("is nothing for a dry run, and for policies of other actions", () => {
		assert.equal(httpConfigs([custom("h", { dryRun: true }), custom("h", { action: "DENY" })], http).count, 0);
	});

	it("never matches by a policy without rules", () => {
		const { shadowRules } = httpConfigs([custom("h", { rules: [] })], http).rbac ?? assert.fail();
		const [policy] = Object.values(shadowRules?.policies ?? {});
		assert.equal(policy?.permissions[0]?.rule.case, "notRule");
	});

	it("refuses what its rules meet where nobody, or more than one, could be asked", () => {
		const suffix = "-deny-due-to-bad-CUSTOM-action";
		const refused = [`istio-ext-authz-h-ns[foo]-policy[p]-rule[0]${suffix}`];
		assert.deepEqual(refusals([custom("h")]), refused);
		assert.deepEqual(refusals([custom("h")], grpc), refused);
		assert.deepEqual(refusals([custom("h")], http, { ...grpc, name: "h" }), refused);
		assert.deepEqual(refusals([custom(undefined)], http), [`istio-ext-authz-ns[foo]-policy[p]-rule[0]${suffix}`]);
		assert.equal(refusals([custom("h"), custom("g", { name: "q" })], http, grpc).length, 2);
	});

	it("refuses for providers that Envoy would refuse together with the whole listener", () => {
		const faults: readonly Partial<AuthorizationProvider>[] = [
			{ host: "" },
			{ host: "*.example" },
			{ port: 0 },
			{ port: 65536 },
			{ statusOnError: 0 },
			{ statusOnError: 299 },
			{ statusOnError: Number.NaN },
			{ pathPrefix: "check" },
			{ pathPrefix: "/a b" },
			{ includeRequestHeadersInCheck: ["*"] },
			{ headersToUpstreamOnAllow: ["*"] },
			{ includeAdditionalHeadersInCheck: { "a b": "x" } },
			{ includeAdditionalHeadersInCheck: { a: "x\r\ny: z" } },
			{ includeRequestBodyInCheck: { maxRequestBytes: 0, allowPartialMessage: false, packAsBytes: false } },
		];
		for (const fault of faults) {
			assert.equal(refusals([custom("h")], { ...http, ...fault }).length, 1, JSON.stringify(fault));
		}
		assert.equal(refusals([custom("h")], http).length, 0);
	});
});
