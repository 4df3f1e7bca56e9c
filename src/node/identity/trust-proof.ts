// Whether a trust bundle is in force for a proxy: the node's own certificate and the workload's come from its issuer, and the
// Envoy has confirmed certificate and roots. In: what is known at this moment. Out: what is lacking, in words.

import type { TrustBundle } from "../../identity/trust-bundle.ts";
import type { EnvoyAdmin } from "../envoy-admin.ts";
import type { CertifiedKey } from "./certified-key.ts";
import type { SecretUse } from "./secret-server.ts";

export interface WorkloadTrust {
	readonly key: CertifiedKey | undefined;
	/** Of the secrets that carry exactly the bundle's roots. */
	readonly use: SecretUse | undefined;
	/** Of the workload's Envoy. */
	readonly admin: EnvoyAdmin | undefined;
	/** Of the node's spare Envoy, where it serves the workload or could; asked once the workload's own lacks nothing. */
	readonly lackOfSpare?: () => Promise<string | undefined>;
}

/** `nodeKey`: undefined where the node has no certificate by design. `workload`: undefined for the node itself. */
export async function lackOfTrust(
	{ issuerKeyId }: TrustBundle,
	nodeKey: { readonly issuerKeyId: string | undefined } | undefined,
	workload: WorkloadTrust | undefined,
): Promise<string | undefined> {
	if (nodeKey && nodeKey.issuerKeyId !== issuerKeyId) return "the node's own certificate comes from another issuer";
	if (!workload) return undefined;
	const lack = await lackOfWorkload(issuerKeyId, workload);
	return lack ?? workload.lackOfSpare?.();
}

async function lackOfWorkload(issuerKeyId: string, { admin, key, use }: WorkloadTrust): Promise<string | undefined> {
	if (!key) return "it has no certificate yet";
	if (key.issuerKeyId !== issuerKeyId) return "its certificate comes from another issuer";
	if (!use || use.state === "waiting") return "its Envoy has not confirmed the secrets yet";
	if (use.state === "refused") return "its Envoy has refused the secrets";
	if (use.unasked.length === 0) return undefined;
	// Nobody asks: right for an Envoy that needs none. One that has some from before must ask again first.
	const has = await hasSecret(admin, use.unasked);
	return has === false ? undefined : `its Envoy does not ask for ${use.unasked.join(", ")}`;
}

/** Whether an Envoy holds one of these secrets; undefined when it does not answer. */
export async function hasSecret(admin: EnvoyAdmin | undefined, names: readonly string[]): Promise<boolean | undefined> {
	const answer = await admin?.get("/config_dump?resource=dynamic_active_secrets");
	if (answer?.status !== 200) return undefined;
	const { configs = [] } = JSON.parse(answer.body) as { readonly configs?: readonly { readonly name?: string }[] };
	return configs.some(({ name }) => name !== undefined && names.includes(name));
}
