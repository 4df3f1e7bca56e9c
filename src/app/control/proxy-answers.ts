// What the xDS servers know of proxies' answers, for those who decide what spreads.

import type { XdsServer } from "../../xds/wire/config-source.ts";
import { type ProxyAnswers, stagedTypes } from "./push-safety.ts";

export function answersOf(servers: readonly XdsServer[]): ProxyAnswers {
	return {
		hasAnswered: (proxyId) => servers.every((server) => server.hasAnswered(proxyId, stagedTypes)),
		isTakenElsewhere: (typeUrl, name, version) =>
			servers.some((server) => server.appliedOn(name, typeUrl, version).applied > 0),
	};
}
