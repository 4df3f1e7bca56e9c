// Who may open the configuration stream of a proxy on the TLS port: the workload itself, by its certificate, or the node that
// runs it. In: the proxy as it names itself, the identity that the connection proved, the resources. Out: yes, or why not.

import { type Identity, renderIdentity, type SpiffeId } from "../../identity/spiffe-id.ts";
import type { Proxy as MeshProxy } from "../../model/proxy.ts";
import { objectNamed, objectsOf } from "../../snapshot/object-store.ts";
import type { Snapshot } from "../../snapshot/snapshot.ts";
import { nodeAnnotation } from "../../snapshot/workload-facts.ts";

export type Admission =
	| {
			readonly ok: true;
			/** As the resources have them, where one stands for the proxy: what it says of itself selects no policies and no keys. */
			readonly labels?: MeshProxy["labels"];
			/** Private keys of Secrets may be served to it. */
			readonly keys: boolean;
	  }
	| { readonly ok: false; readonly grpcStatus: number; readonly because: string };

export interface AdmissionRules {
	readonly trustDomain: string;
	readonly isRegistered: (node: string) => boolean;
	/** A resource places the workload on the node, or the node's registration allows it. */
	readonly mayCertify: (node: string, workload: SpiffeId) => boolean;
	/** The node's registration allows it: an administrator vouches for what the node says of it. */
	readonly isGranted: (node: string, workload: SpiffeId) => boolean;
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
	if (named.includes(".") && named !== `${name}.${namespace}`)
		return refused(permissionDenied, `the node id names another workload than ${name}`);
	const serviceAccount = proxy.serviceAccount === "" ? "default" : proxy.serviceAccount;
	const pod = objectNamed(snapshot.objects, "Pod", namespace, name)?.spec;
	if (pod && (pod.serviceAccountName ?? "default") !== serviceAccount)
		return refused(permissionDenied, `pod ${name} of ${namespace} does not run as ${serviceAccount}`);
	const labels = labelsOf(snapshot, proxy, serviceAccount, caller);
	if (!("part" in caller)) {
		const isOwn = caller.namespace === namespace && caller.serviceAccount === serviceAccount;
		const because = `${renderIdentity(caller)} may not have the configuration of ${serviceAccount} in ${namespace}`;
		return isOwn ? admitted(labels, false) : refused(permissionDenied, because);
	}
	if (caller.part !== "node") return refused(permissionDenied, `${renderIdentity(caller)} is no node`);
	const because = shutOut(caller, rules);
	if (because !== undefined) return refused(permissionDenied, because);
	const workload = { trustDomain, namespace, serviceAccount };
	if (rules.mayCertify(caller.name, workload)) {
		const elsewhere = pod?.nodeName !== undefined && pod.nodeName !== caller.name;
		const isGranted = rules.isGranted(caller.name, workload);
		if (proxy.type === "router" && !labels && !isGranted)
			return refused(unavailable, `no resource known here stands for gateway ${name} of ${namespace}`);
		if (!elsewhere) return admitted(labels, isGranted);
		return refused(permissionDenied, `pod ${name} of ${namespace} is on ${pod.nodeName}, not on ${caller.name}`);
	}
	// The resource that says so may be a moment behind the proxy.
	return refused(
		unavailable,
		`no resource known here places a workload of ${serviceAccount} in ${namespace} on node ${caller.name}, and its registration does not allow it`,
	);
}

/** Of the Pod or WorkloadEntry that stands for the proxy; undefined when none does. */
function labelsOf({ objects }: Snapshot, { namespace, name }: MeshProxy, serviceAccount: string, caller: Identity) {
	const pod = objectNamed(objects, "Pod", namespace, name);
	if (pod) return pod.metadata.labels;
	const node = "part" in caller ? caller.name : undefined;
	for (const { metadata, spec } of objectsOf(objects, "WorkloadEntry").values()) {
		if (metadata.namespace !== namespace || (spec.serviceAccount ?? "default") !== serviceAccount) continue;
		const isOnNode = node !== undefined && metadata.annotations[nodeAnnotation] === node;
		if (metadata.name === name || isOnNode) return { ...metadata.labels, ...spec.labels };
	}
	return undefined;
}

/** `isGranted`: it gets keys although no resource stands for it. */
function admitted(labels: MeshProxy["labels"] | undefined, isGranted: boolean): Admission {
	return labels ? { ok: true, labels, keys: true } : { ok: true, keys: isGranted };
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
