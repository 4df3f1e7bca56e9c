// Who may open the configuration stream of a proxy on the TLS port: the workload itself, by its certificate, or the node that
// runs it. In: the proxy as it names itself, the identity that the connection proved, the resources. Out: yes, or why not.

import { type Identity, renderIdentity, type SpiffeId } from "../../identity/spiffe-id.ts";
import type { Proxy as MeshProxy } from "../../model/proxy.ts";
import { objectNamed } from "../../snapshot/object-store.ts";
import type { Snapshot } from "../../snapshot/snapshot.ts";

export type Admission =
	| { readonly ok: true }
	| { readonly ok: false; readonly grpcStatus: number; readonly because: string };

export interface AdmissionRules {
	readonly trustDomain: string;
	readonly isRegistered: (node: string) => boolean;
	/** A resource places the workload on the node, or the node's registration allows it. */
	readonly mayCertify: (node: string, workload: SpiffeId) => boolean;
}

const permissionDenied = 7;
const unavailable = 14;
const unauthenticated = 16;

export function admitProxy(
	proxy: MeshProxy,
	caller: Identity | undefined,
	snapshot: Snapshot,
	rules: AdmissionRules,
): Admission {
	const { namespace, name } = proxy;
	const { trustDomain } = rules;
	if (caller?.trustDomain !== trustDomain)
		return refused(unauthenticated, `configuration is served to certificates of ${trustDomain} only`);
	// The id is what streams are told apart by: it must not name somebody else's pod.
	const [, , named = ""] = proxy.id.split("~");
	if (named.includes(".") && !named.endsWith(`.${namespace}`))
		return refused(permissionDenied, `the node id names another namespace than ${namespace}`);
	const serviceAccount = proxy.serviceAccount === "" ? "default" : proxy.serviceAccount;
	const pod = objectNamed(snapshot.objects, "Pod", namespace, name)?.spec;
	if (pod && (pod.serviceAccountName ?? "default") !== serviceAccount)
		return refused(permissionDenied, `pod ${name} of ${namespace} does not run as ${serviceAccount}`);
	if (!("part" in caller)) {
		const isOwn = caller.namespace === namespace && caller.serviceAccount === serviceAccount;
		const because = `${renderIdentity(caller)} may not have the configuration of ${serviceAccount} in ${namespace}`;
		return isOwn ? { ok: true } : refused(permissionDenied, because);
	}
	if (caller.part !== "node") return refused(permissionDenied, `${renderIdentity(caller)} is no node`);
	const because = shutOut(caller, rules);
	if (because !== undefined) return refused(permissionDenied, because);
	if (rules.mayCertify(caller.name, { trustDomain, namespace, serviceAccount })) {
		const elsewhere = pod?.nodeName !== undefined && pod.nodeName !== caller.name;
		if (!elsewhere) return { ok: true };
		return refused(permissionDenied, `pod ${name} of ${namespace} is on ${pod.nodeName}, not on ${caller.name}`);
	}
	// The resource that says so may be a moment behind the proxy.
	return refused(
		unavailable,
		`no resource known here places a workload of ${serviceAccount} in ${namespace} on node ${caller.name}, and its registration does not allow it`,
	);
}

/** Why a node has lost its place in the mesh. */
export function shutOut(caller: Identity | undefined, { isRegistered }: Pick<AdmissionRules, "isRegistered">) {
	const isNode = caller !== undefined && "part" in caller && caller.part === "node";
	return isNode && !isRegistered(caller.name)
		? `node ${caller.name} is not registered (any more): join again`
		: undefined;
}

function refused(grpcStatus: number, because: string): Admission {
	return { ok: false, grpcStatus, because };
}
