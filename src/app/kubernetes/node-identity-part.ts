// How nodes prove themselves to a control plane on Kubernetes: the agents' projected tokens are reviewed, nodes that the API server
// knows are registered, and the leader writes the mesh's roots down for those that have not joined yet.

import { join } from "node:path";
import { nodes as nodeResource } from "../../kubernetes/client/api-resources.ts";
import { watchResource } from "../../kubernetes/client/watch-resource.ts";
import { writeRoots } from "../../kubernetes/identity/root-certificates.ts";
import { TokenReviews } from "../../kubernetes/identity/token-reviews.ts";
import type { Cancel } from "../../runtime/clock.ts";
import { keptNames } from "../../runtime/kept-names.ts";
import type { ControlPartContext, StartControlPart } from "./control-part.ts";

const audience = "istio-ca";
/** Of the DaemonSet; those of other revisions have the revision's name behind it. */
const nodeAccount = /^keepmesh-node(?:-[a-z0-9-]+)?$/;
const writeAgainMs = 5_000;
/** Without the nodes' names none of them would be let in. */
const firstNodesMs = 10_000;

export const startNodeIdentity: StartControlPart = async (context) => {
	const { certificates, client, clock, dataDirectory, log, options, source } = context;
	if (!certificates) return { close: () => {} };
	const isNodeAccount = (namespace: string, serviceAccount: string): boolean =>
		namespace === options.namespace && nodeAccount.test(serviceAccount);
	const reviews = new TokenReviews({ audiences: [audience], isNodeAccount }, { client, clock });
	certificates.reviewTokens((token) => reviews.review(token));
	// Of the process before this one, for the time in which the API server cannot be asked.
	const kept = dataDirectory === undefined ? undefined : keptNames(join(dataDirectory, "nodes.json"), log);
	let nodes = new Set(source.isRestored ? kept?.load() : []);
	const known = Promise.withResolvers<void>();
	const watch = watchResource(
		client,
		{ resource: nodeResource, keep: ({ metadata }) => ({ name: metadata.name }) },
		{
			clock,
			log,
			onEvent: (event) => {
				if (event.type === "stale" || event.type === "fresh") return;
				if (event.type === "synced") nodes = new Set(event.objects.map(({ name }) => name));
				if (event.type === "synced") known.resolve();
				if (event.type === "applied" && nodes.has(event.object.name)) return;
				if (event.type === "applied") nodes.add(event.object.name);
				if (event.type === "removed") nodes.delete(event.name);
				kept?.save(nodes);
			},
		},
	);
	certificates.service.registrations.vouchedBy((node) => nodes.has(node));
	if (source.isRestored) known.resolve();
	const cancelFirst = clock.after(firstNodesMs, () => known.resolve());
	await known.promise;
	cancelFirst();
	const roots = keepRoots(context, () => certificates.authority.bundle().roots);
	const unfollow = certificates.authority.onChange(roots.write);
	return {
		close: () => {
			watch.close();
			unfollow();
			roots.close();
		},
	};
};

/** Only the leader writes, again after each change and until it is done. */
function keepRoots(
	{ client, clock, leadership, log, options }: ControlPartContext,
	roots: () => readonly string[],
): { readonly write: () => void; close(): void } {
	let isClosed = false;
	let cancel: Cancel = () => {};
	const write = (): void => {
		cancel();
		if (isClosed || !leadership.isLeader) return;
		writeRoots(client, options.namespace, roots()).catch((error: unknown) => {
			log.warn(
				{ because: error instanceof Error ? error.message : String(error) },
				"the mesh's roots were not written",
			);
			if (!isClosed) cancel = clock.after(writeAgainMs, write);
		});
	};
	const unfollow = leadership.follow(write);
	return {
		write,
		close: () => {
			isClosed = true;
			unfollow();
			cancel();
		},
	};
}
