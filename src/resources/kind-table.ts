// Which kinds Keepmesh reads, by API group: an apiVersion and a kind come in, what to do with it goes out.

import type { Kind } from "./config-object.ts";
import {
	deploymentShape,
	emptyShape,
	endpointSliceShape,
	podSpecShape,
	secretShape,
	serviceShape,
} from "./shapes/core-shapes.ts";
import { hotSwitchShape } from "./shapes/hot-switch-shape.ts";
import { meshConfigShape } from "./shapes/mesh-config-shape.ts";
import {
	destinationRuleShape,
	gatewayShape,
	serviceEntryShape,
	sidecarShape,
	workloadEntryShape,
} from "./shapes/networking-shapes.ts";
import { remoteClusterShape } from "./shapes/remote-cluster-shape.ts";
import {
	authorizationPolicyShape,
	peerAuthenticationShape,
	requestAuthenticationShape,
} from "./shapes/security-shapes.ts";
import type { StructShape } from "./shapes/shape.ts";
import { virtualIpPoolShape } from "./shapes/virtual-ip-pool-shape.ts";
import { virtualIpShape } from "./shapes/virtual-ip-shape.ts";
import { virtualServiceShape } from "./shapes/virtual-service-shape.ts";
import { nearestName } from "./text/nearest-name.ts";

export interface KindInfo {
	readonly kind: Kind;
	/** Served versions, the preferred one first. */
	readonly apiVersions: readonly string[];
	readonly namespaced: boolean;
	/** Where the fields are: under `spec` (which must be there, may be left out) or at the top level. */
	readonly fields: "spec" | "optionalSpec" | "topLevel";
	readonly shape: StructShape;
}

const istio = ["networking.istio.io/v1", "networking.istio.io/v1beta1", "networking.istio.io/v1alpha3"];

const istioSecurity = ["security.istio.io/v1", "security.istio.io/v1beta1"];

const kinds: readonly KindInfo[] = [
	info("Namespace", ["v1"], "optionalSpec", emptyShape, false),
	info("ServiceAccount", ["v1"], "topLevel", emptyShape),
	info("Service", ["v1"], "spec", serviceShape),
	info("Pod", ["v1"], "spec", podSpecShape),
	info("Secret", ["v1"], "topLevel", secretShape),
	info("EndpointSlice", ["discovery.k8s.io/v1"], "topLevel", endpointSliceShape),
	info("Deployment", ["apps/v1"], "spec", deploymentShape),
	info("VirtualService", istio, "spec", virtualServiceShape),
	info("DestinationRule", istio, "spec", destinationRuleShape),
	info("Gateway", istio, "spec", gatewayShape),
	info("ServiceEntry", istio, "spec", serviceEntryShape),
	info("WorkloadEntry", istio, "spec", workloadEntryShape),
	info("Sidecar", istio, "spec", sidecarShape),
	info("PeerAuthentication", istioSecurity, "optionalSpec", peerAuthenticationShape),
	info("RequestAuthentication", istioSecurity, "optionalSpec", requestAuthenticationShape),
	info("AuthorizationPolicy", istioSecurity, "optionalSpec", authorizationPolicyShape),
	info("MeshConfig", ["keepmesh.io/v1alpha1"], "optionalSpec", meshConfigShape),
	info("VirtualIP", ["keepmesh.io/v1alpha1"], "spec", virtualIpShape),
	info("VirtualIPPool", ["keepmesh.io/v1alpha1"], "spec", virtualIpPoolShape, false),
	info("HotSwitch", ["keepmesh.io/v1alpha1"], "optionalSpec", hotSwitchShape),
	info("RemoteCluster", ["keepmesh.io/v1alpha1"], "spec", remoteClusterShape),
];

const byName: ReadonlyMap<string, KindInfo> = new Map(kinds.map((item) => [item.kind, item]));

/** Groups in which a known kind with another version or group can only be a mistake. */
const ownGroups = new Set([
	"",
	"apps",
	"extensions",
	"discovery.k8s.io",
	"networking.istio.io",
	"security.istio.io",
	"keepmesh.io",
]);

/** Kinds of the networking.istio.io group that exist and are not read. */
const otherIstioKinds = new Set(["EnvoyFilter", "WorkloadGroup", "ProxyConfig"]);

export type KindLookup =
	| { readonly type: "known"; readonly info: KindInfo }
	| { readonly type: "wrongVersion"; readonly info: KindInfo }
	| { readonly type: "misspelt"; readonly near: string }
	| { readonly type: "notRead" };

export function lookUpKind(apiVersion: string, kind: string): KindLookup {
	const found = byName.get(kind);
	if (found?.apiVersions.includes(apiVersion)) return { type: "known", info: found };
	const group = groupOf(apiVersion);
	if (found && (ownGroups.has(group) || group.endsWith("istio.io"))) return { type: "wrongVersion", info: found };
	const near = group.endsWith("istio.io") || group === "keepmesh.io" ? nearestName(kind, byName.keys()) : undefined;
	if (near !== undefined && near !== kind && !otherIstioKinds.has(kind)) return { type: "misspelt", near };
	return { type: "notRead" };
}

/** `networking.istio.io/v1` -> `networking.istio.io`; `v1` -> empty. */
function groupOf(apiVersion: string): string {
	const slash = apiVersion.indexOf("/");
	return slash < 0 ? "" : apiVersion.slice(0, slash);
}

function info(
	kind: Kind,
	apiVersions: readonly string[],
	fields: KindInfo["fields"],
	shape: StructShape,
	namespaced = true,
): KindInfo {
	return { kind, apiVersions, namespaced, fields, shape };
}
