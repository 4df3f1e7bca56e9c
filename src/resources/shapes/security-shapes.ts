// Fields of Istio's security kinds.

import { choice, list, map, openStruct, struct, text } from "./shape.ts";

const mtls = struct({ mode: choice("UNSET", "DISABLE", "PERMISSIVE", "STRICT") });
const selector = struct({ matchLabels: map(text) });

export const peerAuthenticationShape = struct({ selector, mtls, portLevelMtls: map(mtls) });
export const requestAuthenticationShape = openStruct({ selector });
export const authorizationPolicyShape = openStruct({
	selector,
	action: choice("ALLOW", "DENY", "AUDIT", "CUSTOM"),
	rules: list(openStruct({ from: list(openStruct({})), to: list(openStruct({})) })),
	provider: struct({ name: text }),
});
