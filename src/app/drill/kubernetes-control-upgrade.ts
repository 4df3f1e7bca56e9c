// The control planes of a cluster replaced under load, as an upgrade does it: their Deployments are rolled out anew, with the image that
// they have.

import { controlLabel } from "../../install/release-names.ts";
import type { ApiResource } from "../../kubernetes/client/resource-path.ts";
import { pathOf } from "../../kubernetes/client/resource-path.ts";
import type { Upgraded } from "../../lab/drill/drill-upgrades.ts";
import { ClusterControls } from "./cluster-controls.ts";
import type { DrillPlace } from "./drill-place.ts";

const deployments: ApiResource = {
	...{ group: "apps", version: "v1", plural: "deployments", kind: "Deployment", namespaced: true },
};
const limitMs = 300_000;

interface RawDeployment {
	readonly metadata: { readonly name: string; readonly generation: number };
	readonly spec: { readonly replicas: number };
	readonly status?: Readonly<Record<string, number>>;
}

/** What `kubectl rollout restart` writes stays in their templates, as that does. */
export async function upgradeControlPlanes(place: DrillPlace): Promise<Upgraded> {
	const { pods, systemNamespace } = place;
	const controls = new ClusterControls(place);
	const before = await controls.ready();
	const proxies = await controls.proxiesInSync(before);
	const query = { labelSelector: controlLabel };
	const list = await pods.ask("GET", pathOf(deployments, systemNamespace), { query });
	const startedMs = performance.now();
	for (const { metadata } of (list as { readonly items: readonly RawDeployment[] }).items) {
		const path = pathOf(deployments, systemNamespace, metadata.name);
		const annotations = { "kubectl.kubernetes.io/restartedAt": new Date().toISOString() };
		await pods.ask("PATCH", path, { body: { spec: { template: { metadata: { annotations } } } } });
		await pods.until(
			`deployment ${metadata.name} is rolled out`,
			async () => isRolledOut((await pods.ask("GET", path)) as RawDeployment) || undefined,
			limitMs,
		);
	}
	await controls.untilInSync(proxies, before.length);
	const tookMs = performance.now() - startedMs;
	const old = new Set(before.map(({ uid }) => uid));
	const kept = (await controls.ready()).filter(({ uid }) => old.has(uid));
	return { tookMs, wrong: kept.map(({ name }) => `${name} is the one that was there before`) };
}

/** Also the old pods have gone. */
function isRolledOut({ metadata, spec, status }: RawDeployment): boolean {
	const counts = ["updatedReplicas", "availableReplicas", "replicas"].map((name) => status?.[name]);
	return counts.every((count) => count === spec.replicas) && (status?.observedGeneration ?? 0) >= metadata.generation;
}
