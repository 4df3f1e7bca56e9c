// Manifests brought to a lab and taken away again, each time until it is so everywhere: at every control plane, and at every
// proxy that is connected to one.

import { setTimeout as sleep } from "node:timers/promises";
import type { Lab } from "../../lab/lab.ts";
import type { AnyObject } from "../../resources/config-object.ts";
import { readResourceFile } from "../../resources/read-resources.ts";
import type { MeshStatus, ResourceItem } from "../api/api-types.ts";
import { askControl } from "./control-query.ts";

const limitMs = 20_000;

/** Kinds whose way to the proxies the control planes count. */
const countedKinds: ReadonlySet<string> = new Set([
	"VirtualService",
	"DestinationRule",
	"Gateway",
	"ServiceEntry",
	"PeerAuthentication",
	"AuthorizationPolicy",
	"RequestAuthentication",
]);

/** Rejects when the file is refused, when a proxy rejects what became of it, and after 20 s. */
export async function applyEverywhere(lab: Lab, text: string, file: string): Promise<void> {
	const outcome = await lab.apply(text, file);
	if (!outcome.ok) throw new Error(outcome.problems.map((problem) => problem.message).join("; "));
	for (const object of readResourceFile(file, text).objects) await untilApplied(lab, object);
}

/** Deletes every resource of the file; resolves when no proxy has anything of them any more. */
export async function removeEverywhere(lab: Lab, text: string, file: string): Promise<void> {
	const { controls } = await lab.status();
	const [first] = controls;
	if (!first) throw new Error("the lab has no control plane");
	const { objects } = readResourceFile(file, text);
	for (const { kind, metadata } of objects)
		await askControl(lab, first, "DELETE", `/api/v1/resources/${kind}/${metadata.namespace}/${metadata.name}`);
	for (const object of objects) await untilGone(lab, object);
	for (const control of controls)
		await until(`every proxy of ${control.name} is in sync`, async () => {
			const { proxies } = await askControl<MeshStatus>(lab, control, "GET", "/api/v1/status");
			return proxies.stale === 0;
		});
}

/** Every proxy of the lab is connected to a control plane and has all that it should have. */
export async function untilInSync(lab: Lab): Promise<void> {
	const { controls } = await lab.status();
	const proxied = (await lab.pods()).filter(({ proxy }) => proxy === "ready").length;
	await until("every proxy is connected and in sync", async () => {
		const asked = controls.map((control) => askControl<MeshStatus>(lab, control, "GET", "/api/v1/status"));
		const statuses = await Promise.all(asked).catch(() => []);
		const connected = statuses.reduce((sum, { proxies }) => sum + proxies.connected, 0);
		return connected >= proxied && statuses.every(({ proxies }) => proxies.stale === 0);
	});
}

/** At every control plane: it has this very content, and each of its proxies confirmed it. */
async function untilApplied(lab: Lab, object: AnyObject): Promise<void> {
	await everyControl(lab, `${object.kind} ${object.metadata.name} is applied`, object, (item) => {
		if (!item || JSON.stringify(item.manifest.spec) !== JSON.stringify(object.spec)) return false;
		const { proxies } = item.status;
		const [rejection] = proxies?.rejected ?? [];
		if (rejection) throw new Error(`${rejection.proxy} rejects it: ${rejection.message}`);
		return !countedKinds.has(object.kind) || proxies === undefined || proxies.applied === proxies.concerned;
	});
}

async function untilGone(lab: Lab, object: AnyObject): Promise<void> {
	await everyControl(lab, `${object.kind} ${object.metadata.name} is gone`, object, (item) => item === undefined);
}

async function everyControl(
	lab: Lab,
	what: string,
	{ kind, metadata }: AnyObject,
	holds: (item: ResourceItem | undefined) => boolean,
): Promise<void> {
	const path = `/api/v1/resources?kind=${kind}&namespace=${metadata.namespace}&name=${metadata.name}`;
	const { controls } = await lab.status();
	for (const control of controls)
		await until(`${what} at ${control.name}`, async () => {
			const { items } = await askControl<{ items: readonly ResourceItem[] }>(lab, control, "GET", path);
			return holds(items[0]);
		});
}

/** Asks every 20 ms, for at most 20 s. */
export async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
	const endMs = performance.now() + limitMs;
	while (!(await holds())) {
		if (performance.now() > endMs) throw new Error(`not within ${limitMs / 1000} s: ${what}`);
		await sleep(20);
	}
}
