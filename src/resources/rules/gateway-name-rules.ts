// Names of Gateways in a VirtualService: `mesh`, `name` in the own namespace, or `namespace/name`.

import type { Findings, Path } from "../findings.ts";
import { hostnameError, isDnsLabel } from "./host-rules.ts";

export function checkGatewayNames(names: readonly string[] | undefined, path: Path, findings: Findings): void {
	for (const [index, name] of (names ?? []).entries()) {
		const slash = name.indexOf("/");
		const at = [...path, index];
		const hint = "write mesh, NAME or NAMESPACE/NAME";
		if (slash >= 0) {
			const parts = [name.slice(0, slash), name.slice(slash + 1)];
			if (!parts.every(isDnsLabel)) findings.error(at, `${JSON.stringify(name)} is not a name of a Gateway`, hint);
			continue;
		}
		const wrong = hostnameError(name);
		if (wrong) findings.error(at, `${JSON.stringify(name)} is not a name of a Gateway`, hint);
		else if (name.includes(".")) {
			const [gateway, namespace] = name.split(".");
			findings.warning(
				at,
				`${JSON.stringify(name)} is the old form of a Gateway's name`,
				`write ${namespace}/${gateway}`,
			);
		}
	}
}
