// The meaning of each kind's fields, beyond their types: picks the rules of a kind.

import type { AnyObject } from "../config-object.ts";
import type { Findings } from "../findings.ts";
import { checkAuthorizationPolicy } from "./authorization-policy-rules.ts";
import { checkDeployment, checkEndpointSlice, checkService } from "./core-rules.ts";
import { checkDestinationRule } from "./destination-rule-rules.ts";
import { checkGateway } from "./gateway-rules.ts";
import { checkHotSwitch } from "./hot-switch-rules.ts";
import { checkMeshConfig } from "./mesh-config-rules.ts";
import { checkPeerAuthentication } from "./peer-authentication-rules.ts";
import { checkRemoteCluster } from "./remote-cluster-rules.ts";
import { checkRequestAuthentication } from "./request-authentication-rules.ts";
import { checkServiceEntry, checkWorkloadEntry } from "./service-entry-rules.ts";
import { checkSidecar } from "./sidecar-rules.ts";
import { checkVirtualIpPool } from "./virtual-ip-pool-rules.ts";
import { checkVirtualIp } from "./virtual-ip-rules.ts";
import { checkVirtualService } from "./virtual-service-rules.ts";

/** Adds an error for what Istio refuses, a warning for what it accepts with a warning. */
export function checkRules(object: AnyObject, findings: Findings): void {
	switch (object.kind) {
		case "VirtualService":
			checkVirtualService(object, findings);
			return;
		case "DestinationRule":
			checkDestinationRule(object, findings);
			return;
		case "Gateway":
			checkGateway(object, findings);
			return;
		case "ServiceEntry":
			checkServiceEntry(object, findings);
			return;
		case "WorkloadEntry":
			checkWorkloadEntry(object, findings);
			return;
		case "Sidecar":
			checkSidecar(object, findings);
			return;
		case "PeerAuthentication":
			checkPeerAuthentication(object, findings);
			return;
		case "RequestAuthentication":
			checkRequestAuthentication(object, findings);
			return;
		case "AuthorizationPolicy":
			checkAuthorizationPolicy(object, findings);
			return;
		case "MeshConfig":
			checkMeshConfig(object, findings);
			return;
		case "VirtualIP":
			checkVirtualIp(object, findings);
			return;
		case "VirtualIPPool":
			checkVirtualIpPool(object, findings);
			return;
		case "HotSwitch":
			checkHotSwitch(object, findings);
			return;
		case "RemoteCluster":
			checkRemoteCluster(object, findings);
			return;
		case "Service":
			checkService(object, findings);
			return;
		case "EndpointSlice":
			checkEndpointSlice(object, findings);
			return;
		case "Deployment":
			checkDeployment(object, findings);
			return;
		case "Namespace":
		case "ServiceAccount":
		case "Pod":
		case "Secret":
			return;
		default:
			object satisfies never;
	}
}
