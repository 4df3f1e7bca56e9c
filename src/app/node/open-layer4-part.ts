// The node's layer 4 put together: the services that its own stream tells of, and the rules in the kernel.

import { ServiceSubscription } from "../../node/layer4/service-subscription.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";
import { type NodeLayer4Options, openNodeLayer4 } from "../l4/node-layer4.ts";

/** Undefined, with a word in the log, where it cannot be or is not to be. */
export async function openLayer4Part(
	options: Omit<NodeLayer4Options, "otherProblems">,
	deps: { readonly clock: Clock; readonly log: Log },
) {
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
	return { balancing, services };
}
