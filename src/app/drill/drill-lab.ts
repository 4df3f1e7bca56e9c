// A lab of its own for drills: brought up, filled with the drills' mesh, and serving before the first drill begins.

import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Lab } from "../../lab/lab.ts";
import type { MeshStatus, ResourceItem } from "../api/api-types.ts";
import { until } from "../demo/applied-everywhere.ts";
import { askControl } from "../demo/control-query.ts";
import { startLab } from "../lab.ts";

export interface DrillLabOptions {
	readonly name: string;
	/** Default: below the checkout. */
	readonly state?: string;
	/** Changes the mesh's YAML before it is applied. */
	readonly edit?: (yaml: string) => string;
}

const meshFile = fileURLToPath(new URL("../../../samples/drill/mesh.yaml", import.meta.url));
const limitMs = 60_000;

export async function startDrillLab(options: DrillLabOptions): Promise<Lab> {
	const { name, state, edit = (yaml) => yaml } = options;
	const lab = await startLab({ name, nodes: 3, controls: 2, ...(state === undefined ? {} : { state }) });
	try {
		await serveDrillMesh(lab, edit);
		return lab;
	} catch (error) {
		await lab.down();
		throw error;
	}
}

/** In a lab that runs already. Resolves when ten requests in a row were served, one after the other. */
export async function serveDrillMesh(lab: Lab, edit: (yaml: string) => string = (yaml) => yaml): Promise<void> {
	const yaml = edit(readFileSync(meshFile, "utf8"));
	const outcome = await lab.apply(yaml, "drill-mesh.yaml");
	if (!outcome.ok) throw new Error(outcome.problems.map((problem) => problem.message).join("; "));
	const pending = await lab.untilRolledOut(limitMs);
	if (pending.length > 0) throw new Error(`not ready after ${limitMs / 1000} s: ${pending.join(", ")}`);
	await untilInForce(lab);
	const client = (await lab.pods()).find((pod) => pod.labels.app === "client" && pod.deletedMs === undefined);
	const url = "http://server.default.svc.cluster.local:8080/get";
	const endMs = performance.now() + limitMs;
	for (let good = 0; good < 10; ) {
		const { stdout } = await lab.execIn(client?.name ?? "", [
			...["curl", "-s", "-o", "/dev/null", "-D", "-", "--max-time", "5", url],
		]);
		good = /^HTTP\/1.1 200/.test(stdout) ? good + 1 : 0;
		if (performance.now() > endMs) throw new Error(`the drills' mesh does not serve: ${stdout.slice(0, 200)}`);
		if (good === 0) await sleep(100);
	}
}

/** At every control plane the policies are there, and each of its proxies has all that it should have. */
async function untilInForce(lab: Lab): Promise<void> {
	const path = "/api/v1/resources?kind=PeerAuthentication,DestinationRule";
	for (const control of (await lab.status()).controls)
		await until(`the drills' mesh is in force at ${control.name}`, async () => {
			const { items } = await askControl<{ items: readonly ResourceItem[] }>(lab, control, "GET", path);
			const { proxies } = await askControl<MeshStatus>(lab, control, "GET", "/api/v1/status");
			return items.length >= 2 && proxies.stale === 0;
		});
}
