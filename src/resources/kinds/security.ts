// Istio's security kinds (security.istio.io v1, v1beta1), with Istio's field names in JSON form.

type Labels = Readonly<Record<string, string>>;

export interface SecuritySpecs {
	PeerAuthentication: PeerAuthenticationSpec;
	RequestAuthentication: RequestAuthenticationSpec;
	AuthorizationPolicy: AuthorizationPolicySpec;
}

/** UNSET, or absent: what the next wider level says (namespace, mesh, else PERMISSIVE). */
export type MtlsMode = "UNSET" | "DISABLE" | "PERMISSIVE" | "STRICT";

export interface PeerAuthenticationSpec {
	/** Absent: the whole namespace; in the root namespace the whole mesh. */
	readonly selector?: WorkloadLabelSelector;
	readonly mtls?: { readonly mode?: MtlsMode };
	/** By port of the workload (not of a service). Only together with a selector. */
	readonly portLevelMtls?: Readonly<Record<string, { readonly mode?: MtlsMode }>>;
}

export interface WorkloadLabelSelector {
	readonly matchLabels?: Labels;
}

/** What a policy is attached to, in place of a selector: a gateway, a Service. */
export interface PolicyTargetReference {
	readonly group?: string;
	readonly kind: string;
	readonly name: string;
	readonly namespace?: string;
}

interface Targets {
	readonly selector?: WorkloadLabelSelector;
	readonly targetRef?: PolicyTargetReference;
	readonly targetRefs?: readonly PolicyTargetReference[];
}

export interface RequestAuthenticationSpec extends Targets {
	readonly jwtRules?: readonly JwtRule[];
}

export interface JwtRule {
	readonly issuer: string;
	readonly audiences?: readonly string[];
	readonly jwksUri?: string;
	/** JSON text of a key set. */
	readonly jwks?: string;
	readonly fromHeaders?: readonly { readonly name: string; readonly prefix?: string }[];
	readonly fromParams?: readonly string[];
	readonly fromCookies?: readonly string[];
	/** Header for the verified payload, base64url. */
	readonly outputPayloadToHeader?: string;
	readonly outputClaimToHeaders?: readonly { readonly header: string; readonly claim: string }[];
	readonly forwardOriginalToken?: boolean;
	/** Duration text for the fetch of `jwksUri`, default `5s`. */
	readonly timeout?: string;
	/** Claims split at spaces into lists besides `scope` and `permission`. */
	readonly spaceDelimitedClaims?: readonly string[];
}

export interface AuthorizationPolicySpec extends Targets {
	/** Absent or empty: matches no request. An ALLOW policy without rules therefore denies everything. */
	readonly rules?: readonly AuthorizationRule[];
	/** Default ALLOW. */
	readonly action?: "ALLOW" | "DENY" | "AUDIT" | "CUSTOM";
	/** For CUSTOM: a name in MeshConfig's extensionProviders. */
	readonly provider?: { readonly name?: string };
}

/** All three parts must hold; of a list one entry is enough; an absent part always holds. */
export interface AuthorizationRule {
	readonly from?: readonly { readonly source?: AuthorizationSource }[];
	readonly to?: readonly { readonly operation?: AuthorizationOperation }[];
	readonly when?: readonly AuthorizationCondition[];
}

export interface AuthorizationSource {
	/** `cluster.local/ns/default/sa/reviews`, without `spiffe://`; `*` alone, at the start or at the end. */
	readonly principals?: readonly string[];
	readonly notPrincipals?: readonly string[];
	/** `ISSUER/SUBJECT` of a verified token. */
	readonly requestPrincipals?: readonly string[];
	readonly notRequestPrincipals?: readonly string[];
	readonly namespaces?: readonly string[];
	readonly notNamespaces?: readonly string[];
	/** `NAMESPACE/NAME`, or a name in the policy's own namespace. */
	readonly serviceAccounts?: readonly string[];
	readonly notServiceAccounts?: readonly string[];
	readonly trustDomains?: readonly string[];
	readonly notTrustDomains?: readonly string[];
	/** Of the connection. Addresses or ranges. */
	readonly ipBlocks?: readonly string[];
	readonly notIpBlocks?: readonly string[];
	/** Of the original client, by X-Forwarded-For or the PROXY protocol. */
	readonly remoteIpBlocks?: readonly string[];
	readonly notRemoteIpBlocks?: readonly string[];
}

export interface AuthorizationOperation {
	readonly hosts?: readonly string[];
	readonly notHosts?: readonly string[];
	readonly ports?: readonly string[];
	readonly notPorts?: readonly string[];
	readonly methods?: readonly string[];
	readonly notMethods?: readonly string[];
	/** Exact, `prefix*`, `*suffix`, `*`, or templates with `{*}` and `{**}`. */
	readonly paths?: readonly string[];
	readonly notPaths?: readonly string[];
}

export interface AuthorizationCondition {
	/** `request.headers[x]`, `source.ip`, `source.namespace`, `request.auth.claims[x]`, `connection.sni`... */
	readonly key: string;
	readonly values?: readonly string[];
	readonly notValues?: readonly string[];
}
