// The tour's mesh, made of a lab: files are applied and waited for at every control plane, requests come from the client's
// namespace, crashes are signals to the application of a pod.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Lab, RunningPod } from "../../lab/lab.ts";
import type { LoadReport, LoadRequest } from "../../lab/load/load-report.ts";
import type { TourMesh } from "../../lab/tour/tour-mesh.ts";
import type { AnyObject } from "../../resources/config-object.ts";
import { readResourceFile } from "../../resources/read-resources.ts";
import type { ResourceItem } from "../api/api-types.ts";
import { askControl } from "./control-query.ts";

const tourDirectory = fileURLToPath(new URL("../../../samples/bookinfo/tour/", import.meta.url));
const senderProgram = fileURLToPath(new URL("../../lab/load/http-sender.ts", import.meta.url));
const gatewayPort = 8080;
const limitMs = 20_000;

/** Kinds whose way to the proxies the control planes count. */
const countedKinds: ReadonlySet<string> = new Set(["VirtualService", "DestinationRule", "Gateway", "ServiceEntry"]);

export function tourFile(file: string): string {
	return readFileSync(join(tourDirectory, file), "utf8");
}

export function labTourMesh(lab: Lab): TourMesh {
	return {
		apply: async (file) => {
			const text = tourFile(file);
			const outcome = await lab.apply(text, file);
			if (!outcome.ok) throw new Error(outcome.problems.map((problem) => problem.message).join("; "));
			for (const object of readResourceFile(file, text).objects) await untilApplied(lab, object);
		},
		remove: async (file) => {
			const { controls } = await lab.status();
			const [first] = controls;
			if (!first) throw new Error("the lab has no control plane");
			const { objects } = readResourceFile(file, tourFile(file));
			for (const { kind, metadata } of objects)
				await askControl(lab, first, "DELETE", `/api/v1/resources/${kind}/${metadata.namespace}/${metadata.name}`);
			for (const object of objects) await untilGone(lab, object);
		},
		podsReady: async (deployment, count) => {
			await until(`${count} pods of ${deployment} are ready`, async () => {
				const { deployments } = await lab.status();
				if (deployments.find((one) => one.name === deployment)?.complete !== true) return false;
				return (await readyPods(lab, deployment)).length === count;
			});
		},
		send: async (load) => {
			const gateway = (await readyPods(lab, "istio-ingressgateway"))[0];
			if (!gateway) throw new Error("no gateway is ready");
			const request: LoadRequest = {
				...load,
				host: gateway.address,
				port: gatewayPort,
				headers: { host: "bookinfo.example", ...load.headers },
			};
			const argv = [process.execPath, "--no-warnings", senderProgram, JSON.stringify(request)];
			const result = await lab.execIn("client", argv, { timeoutMs: 120_000 });
			if (result.code !== 0)
				throw new Error(`the sender failed: ${result.stderr.trim().split("\n").slice(-3).join("; ")}`);
			return JSON.parse(result.stdout) as LoadReport;
		},
		crash: async (deployment) => {
			const [pod] = await readyPods(lab, deployment);
			if (!pod) throw new Error(`no pod of ${deployment} is ready`);
			const before = restartsOf(pod);
			await lab.signalPod(pod.namespace, pod.name, "SIGKILL");
			await until(`${pod.name} has noticed that its process is gone`, async () => {
				const now = (await lab.pods()).find((one) => one.uid === pod.uid);
				return now === undefined || restartsOf(now) > before;
			});
		},
	};
}

async function readyPods(lab: Lab, deployment: string): Promise<readonly RunningPod[]> {
	return (await lab.pods()).filter(
		(pod) =>
			pod.owner.startsWith("Deployment/") &&
			pod.owner.endsWith(`/${deployment}`) &&
			pod.readySinceMs !== undefined &&
			pod.deletedMs === undefined,
	);
}

function restartsOf(pod: RunningPod): number {
	return pod.containers.reduce((sum, container) => sum + container.restarts, 0);
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

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
	const endMs = performance.now() + limitMs;
	while (!(await holds())) {
		if (performance.now() > endMs) throw new Error(`not within ${limitMs / 1000} s: ${what}`);
		await sleep(20);
	}
}
