// The status of resources in the Kubernetes API: the replica that leads writes what all replicas together know.

import { StatusWriter } from "../../kubernetes/status/writer/status-writer.ts";
import { writingRevision } from "../../kubernetes/status/writing-revision.ts";
import type { AnyObject } from "../../resources/config-object.ts";
import type { ControlPart, ControlPartContext } from "./control-part.ts";
import { LeadingRevisions } from "./leading-revisions.ts";
import { type CountsByKey, KnownCounts, proxyCounts, proxyCountsPath, proxyCountsService } from "./proxy-counts.ts";
import { kindsWithStatus, resourceFates } from "./resource-fates.ts";

const othersTimeoutMs = 2000;

export async function statusPart(context: ControlPartContext): Promise<ControlPart> {
	const { askOthers, client, clock, leadership, log, metrics, options, problems, source, statuses } = context;
	const objects = (): readonly AnyObject[] =>
		kindsWithStatus.flatMap((kind) => source.seen(kind).flatMap(({ key }) => source.current(key) ?? []));
	const known = new KnownCounts();
	const revisions = new LeadingRevisions(options, { client, clock, log });
	const writer = new StatusWriter(
		{},
		{
			client,
			clock,
			log,
			metrics,
			fates: async () => {
				const answers = (await askOthers?.<CountsByKey>(proxyCountsPath, othersTimeoutMs)) ?? [];
				const others = known.of(answers, clock.monotonicMs());
				const alive = await revisions.alive();
				const isOurs = (labels: Readonly<Record<string, string>>): boolean =>
					writingRevision(labels["istio.io/rev"], alive) === options.revision;
				return resourceFates({ source, statuses: statuses(), problems: problems(), others, isOurs });
			},
		},
	);
	const stopFollowing = leadership.follow((leads) => writer.lead(leads));
	return {
		services: (rules) =>
			new Map([[proxyCountsPath, proxyCountsService(() => proxyCounts(objects(), statuses()), rules)]]),
		close: () => {
			stopFollowing();
			writer.close();
		},
	};
}
