// Which revisions of the control plane have a leader, by their Leases in this namespace: asked for now and then.

import type { RawObject } from "../../kubernetes/client/api-object.ts";
import { leases } from "../../kubernetes/client/api-resources.ts";
import type { KubernetesClient } from "../../kubernetes/client/kubernetes-client.ts";
import { listObjects } from "../../kubernetes/client/list-objects.ts";
import { pathOf } from "../../kubernetes/client/resource-path.ts";
import { defaultRevision } from "../../kubernetes/status/writing-revision.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";

const askEveryMs = 30_000;
/** A Lease that was not renewed for so long has no leader, whatever difference there is between the machines' clocks. */
const deadAfterMs = 60_000;
const leaseName = /^keepmesh-control(?:-(.+))?$/;

interface LeaseSpec {
	readonly holderIdentity?: string;
	readonly renewTime?: string;
}

export class LeadingRevisions {
	readonly #place: { readonly namespace: string; readonly revision: string };
	readonly #deps: { readonly client: KubernetesClient; readonly clock: Clock; readonly log: Log };
	/** Until it is known, the default revision writes. */
	#alive: ReadonlySet<string>;
	#askedMs = Number.NEGATIVE_INFINITY;

	constructor(
		place: { readonly namespace: string; readonly revision: string },
		deps: { readonly client: KubernetesClient; readonly clock: Clock; readonly log: Log },
	) {
		this.#place = place;
		this.#deps = deps;
		this.#alive = new Set([place.revision, defaultRevision]);
	}

	/** This replica's own is always among them. */
	async alive(): Promise<ReadonlySet<string>> {
		const { client, clock, log } = this.#deps;
		if (clock.monotonicMs() - this.#askedMs < askEveryMs) return this.#alive;
		this.#askedMs = clock.monotonicMs();
		const { namespace, revision } = this.#place;
		const alive = new Set([revision]);
		try {
			await listObjects(client, leases, pathOf(leases, namespace), {}, (lease) => {
				const found = revisionOf(lease, clock.wallMs());
				if (found !== undefined) alive.add(found);
			});
			this.#alive = alive;
		} catch (error) {
			log.debug({ because: (error as Error).message }, "other revisions are not known");
		}
		return this.#alive;
	}
}

/** Undefined: it has no leader, or is no control plane's. */
export function revisionOf({ metadata, spec }: RawObject, wallMs: number): string | undefined {
	const name = leaseName.exec(metadata.name);
	const { holderIdentity, renewTime } = (spec ?? {}) as LeaseSpec;
	if (!name || !holderIdentity || renewTime === undefined) return undefined;
	return wallMs - Date.parse(renewTime) < deadAfterMs ? (name[1] ?? defaultRevision) : undefined;
}
