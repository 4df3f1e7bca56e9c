// Services of layer 4 from an API server. In: a client, the name of this machine's Node. Out: a source for a running layer 4.

import type { KubernetesClient } from "../../kubernetes/client/kubernetes-client.ts";
import { ApiServices } from "../../kubernetes/layer4/api-services.ts";
import type { LostNodesPlace } from "../../kubernetes/nodes-alive/wire/lost-nodes-object.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";
import type { OpenLayer4Source } from "../l4/fed-layer4.ts";

export interface ApiLayer4Options {
	readonly node: string;
	readonly lostNodes?: LostNodesPlace;
	/** Instead of the Node's own. */
	readonly zone?: string;
}

export function apiLayer4(
	{ lostNodes, node, zone: given }: ApiLayer4Options,
	deps: { readonly client: KubernetesClient; readonly clock: Clock; readonly log: Log },
): OpenLayer4Source {
	return ({ onChanges, onLost, onMachine }) => {
		const services = new ApiServices(
			{ node, ...(lostNodes ? { lostNodes } : {}) },
			{
				...deps,
				onChanges,
				onLost,
				onNode: ({ isEligible, name, podRanges, zone = "" }) => {
					const known = given ?? zone;
					onMachine({ name, podRanges, ...(known === "" ? {} : { zone: known }) }, isEligible);
				},
			},
		);
		services.open();
		return { ready: services.ready, problems: () => services.problems(), close: () => services.close() };
	};
}
