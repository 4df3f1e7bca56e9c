// The node's layer 4 put together: Services that its own stream tells of, or on Kubernetes the API server, and the rules in the kernel.

import { ServiceSubscription } from "../../node/layer4/service-subscription.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";
import { type OpenLayer4Source, openFedLayer4 } from "../l4/fed-layer4.ts";
import { type NodeLayer4, type NodeLayer4Options, openNodeLayer4 } from "../l4/node-layer4.ts";

export interface Layer4Part {
	readonly balancing: NodeLayer4;
	/** Absent: Services do not come from control planes. */
	readonly services?: ServiceSubscription;
	close(closing: { readonly keepRules: boolean }): void;
}

export interface Layer4PartOptions {
	readonly layer4: Omit<NodeLayer4Options, "otherProblems">;
	/** Services come from there: without them no control plane of a cluster can be reached by its Service. */
	readonly source?: OpenLayer4Source;
}

/** Undefined, with a word in the log, where it cannot be or is not to be. */
export async function openLayer4Part(
	{ layer4: options, source }: Layer4PartOptions,
	deps: { readonly clock: Clock; readonly log: Log },
): Promise<Layer4Part | undefined> {
	if (source) {
		const fed = await openFedLayer4(options, source, deps);
		if (fed.ok) return fed.value;
		deps.log.warn({ because: fed.because }, "layer 4 is off");
		return undefined;
	}
	const opened = await openNodeLayer4({ ...options, otherProblems: () => services.problems() }, deps);
	if (!opened.ok) {
		deps.log.warn({ because: opened.because }, "layer 4 is off");
		return undefined;
	}
	const balancing = opened.value;
	const services: ServiceSubscription = new ServiceSubscription({
		...deps,
		onServices: (changed) => balancing.update(changed),
	});
	return {
		balancing,
		services,
		close: (closing) => {
			services.close();
			balancing.close(closing);
		},
	};
}
