// Looks across resources: does what they refer to exist, and do two claim the same thing? Resources come in, problems with
// Istio's codes (https://istio.io/latest/docs/reference/config/analysis/) go out. Nothing is refused because of them: an
// error here means that a part of the resource does nothing or fails until the other resource is there.

import type { AnyObject } from "./config-object.ts";
import { type Path, renderPath } from "./findings.ts";
import type { Origin, Problem } from "./problem.ts";
import { checkAuthorizationPolicies } from "./references/authorization-references.ts";
import { checkClaimRoutes } from "./references/claim-references.ts";
import { checkClientNamespaces } from "./references/client-references.ts";
import { checkGatewayConflicts, checkMeshHosts, checkSidecars } from "./references/conflicts.ts";
import { checkDestinationRuleReferences } from "./references/destination-rule-references.ts";
import { guardedWorkloads } from "./references/guarded-workloads.ts";
import { newMeshIndex } from "./references/mesh-index.ts";
import { checkMtlsConflicts, checkPrecedence } from "./references/peer-authentication-references.ts";
import { checkPolicySelectors } from "./references/policy-selector-references.ts";
import { nameOf, type Report } from "./references/report.ts";
import {
	checkAddressesNeeded,
	checkAskedAddresses,
	checkCredentials,
	checkPortNames,
} from "./references/service-references.ts";
import { checkVirtualServiceReferences } from "./references/virtual-service-references.ts";

/** `locate` finds the line of a field (see newFieldFinder); without it, problems point to the start of the resource. */
export function checkReferences(
	objects: readonly AnyObject[],
	locate: (object: AnyObject, path: Path) => Origin = (object) => object.origin,
): readonly Problem[] {
	const problems: Problem[] = [];
	const report: Report = (severity, code, object, path, message, hint) => {
		const origin = locate(object, path);
		const coded = code === undefined ? {} : { code };
		problems.push({ severity, origin, resource: nameOf(object), path: renderPath(path), message, hint, ...coded });
	};
	const index = newMeshIndex(objects);
	checkVirtualServiceReferences(index, report);
	checkMeshHosts(index, report);
	checkDestinationRuleReferences(index, report);
	checkGatewayConflicts(index, report);
	checkCredentials(index, report);
	checkSidecars(index, report);
	checkPortNames(index, report);
	checkAddressesNeeded(index, report);
	checkAskedAddresses(index, report);
	const guarded = guardedWorkloads(index);
	checkPolicySelectors(index, guarded, report);
	checkPrecedence("PeerAuthentication", index, guarded, report);
	checkPrecedence("HotSwitch", index, guarded, report);
	checkMtlsConflicts(index, guarded, report);
	checkClaimRoutes(index, guarded, report);
	checkAuthorizationPolicies(index, guarded, report);
	checkClientNamespaces(index, report);
	return problems;
}
