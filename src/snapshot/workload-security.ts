// The policies in force for one proxy's workload, the same object for all workloads that the same policies are meant for.

import type { Proxy as MeshProxy } from "../model/proxy.ts";
import type { WorkloadSecurity } from "../model/security.ts";
import { permissiveMtls } from "../model/security.ts";
import { compareText } from "../resources/config-object.ts";
import { selects } from "./label-selector.ts";
import { mtlsOf, peerSelectorOf } from "./peer-mtls.ts";
import { attaches, type PolicyWorkload } from "./policy-attachment.ts";
import { type NamespacePolicies, policiesNear } from "./policy-index.ts";
import { keepIdentity } from "./same-value.ts";
import type { Snapshot } from "./snapshot.ts";

const openSidecar: WorkloadSecurity = { mtls: permissiveMtls, authorization: [], authentication: [] };
const openGateway: WorkloadSecurity = { authorization: [], authentication: [] };

/** Undefined for a sidecar that has no certificate and that no policy is meant for. */
export function inboundSecurityFor(snapshot: Snapshot, proxy: MeshProxy): WorkloadSecurity | undefined {
	const security = securityFor(snapshot, { ...proxy, gateways: new Set() }, openSidecar);
	return security === openSidecar && !proxy.workloadCertificate ? undefined : security;
}

/**
 * Undefined when no policy is meant for the gateway. A policy with one of its Gateways as target is for the whole workload,
 * whichever other Gateways that runs.
 */
export function gatewaySecurityFor(
	snapshot: Snapshot,
	proxy: MeshProxy,
	gateways: ReadonlySet<string>,
): WorkloadSecurity | undefined {
	const security = securityFor(snapshot, { ...proxy, gateways }, openGateway);
	return security === openGateway ? undefined : security;
}

function securityFor(snapshot: Snapshot, workload: PolicyWorkload, open: WorkloadSecurity): WorkloadSecurity {
	const { policies, memo } = snapshot;
	const near = policiesNear(policies, workload.namespace);
	if (near.length === 0) return open;
	const scope = `${open === openSidecar ? "sidecar" : "gateway"}|${answersOf(near, workload)}`;
	return memo.security.get(workload.namespace, scope, policies, () => {
		const authentication = near
			// In Istio's order of lookup; the sort below keeps it among rules of one issuer.
			.toReversed()
			.flatMap((one) => one.authentication.filter(({ object }) => attaches(object, workload)))
			.flatMap((policy) => policy.shown)
			.sort((a, b) => compareText(a.issuer, b.issuer));
		const authorization = near
			.flatMap((one) => one.authorization.filter(({ object }) => attaches(object, workload)))
			.map((policy) => policy.shown);
		const mtls = mtlsOf(policies, workload.namespace, workload.labels);
		return keepIdentity(open, { ...(open.mtls === undefined ? {} : { mtls }), authorization, authentication });
	});
}

/** Which of the policies are meant for the workload: workloads with equal answers are guarded in the same way. */
function answersOf(near: readonly NamespacePolicies[], workload: PolicyWorkload): string {
	let answers = "";
	for (const { peers, authorization, authentication } of near) {
		for (const peer of peers) answers += selects(peerSelectorOf(peer) ?? {}, workload.labels) ? "1" : "0";
		for (const { object } of authorization) answers += attaches(object, workload) ? "1" : "0";
		for (const { object } of authentication) answers += attaches(object, workload) ? "1" : "0";
	}
	return answers;
}
