// The tour's mesh, made of a lab: files are applied and waited for at every control plane, requests come from the client's
// namespace, crashes are signals to the application of a pod.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { openLinuxHostNetwork } from "../../kernel/linux/linux-host-network.ts";
import { crashVirtualIpNode, setPort } from "../../lab/crash-node.ts";
import type { Lab, RunningPod } from "../../lab/lab.ts";
import { type LoadReport, type LoadRequest, summarise } from "../../lab/load/load-report.ts";
import { netnsPath } from "../../lab/network.ts";
import type { TourMesh } from "../../lab/tour/tour-mesh.ts";
import type { MeshStatus } from "../api/api-types.ts";
import { restartsOf } from "../drill/drill-pods.ts";
import { applyEverywhere, removeEverywhere, until } from "./applied-everywhere.ts";
import { askControl } from "./control-query.ts";
import { rotateRoot } from "./lab-rotation.ts";
import { labTourOutages } from "./lab-tour-outages.ts";

const tourDirectory = fileURLToPath(new URL("../../../samples/bookinfo/tour/", import.meta.url));
const senderProgram = fileURLToPath(new URL("../../lab/load/http-sender.ts", import.meta.url));
/** Of a gateway's pod, and of its Service. */
const gatewayPort = 8080;
const servicePort = 80;
/** Of every service of the sample. */
const applicationPort = 9080;

export function tourFile(file: string): string {
	return readFileSync(join(tourDirectory, file), "utf8");
}

export function labTourMesh(lab: Lab): TourMesh {
	return {
		...labTourOutages(lab, (deployment) => readyPod(lab, deployment)),
		apply: (file) => applyEverywhere(lab, tourFile(file), file),
		remove: (file) => removeEverywhere(lab, tourFile(file), file),
		podsReady: async (deployment, count) => {
			await until(`${count} pods of ${deployment} are ready`, async () => {
				const { deployments } = await lab.status();
				if (deployments.find((one) => one.name === deployment)?.complete !== true) return false;
				return (await readyPods(lab, deployment)).length === count;
			});
		},
		send: async (load, address) => {
			const host = address ?? (await readyPods(lab, "istio-ingressgateway"))[0]?.address;
			if (host === undefined) throw new Error("no gateway is ready");
			return sendFromClient(lab, {
				...load,
				host,
				port: address === undefined ? gatewayPort : servicePort,
				headers: { host: "bookinfo.example", ...load.headers },
			});
		},
		sendPast: async (deployment, load) => {
			const pod = await readyPod(lab, deployment);
			return sendFromClient(lab, { ...load, host: pod.address, port: applicationPort });
		},
		sendLayer4: async (service, load) => {
			const name = `${service}.default.svc.cluster.local`;
			const { stdout } = await lab.execIn("plain-caller", ["getent", "ahostsv4", name]);
			const [host = ""] = stdout.split(/\s/);
			// Its name comes a moment after the Service: who asks may ask again.
			if (host === "") return summarise([], 0);
			return sendFrom(lab, "plain-caller", { ...load, host, port: 80, newConnections: true });
		},
		rotateRoot: () => rotateRoot(lab),
		sleep: (ms) => sleep(ms),
		ownerOf: (address) => ownerOf(lab, address),
		crashNode: (node) => crashVirtualIpNode(lab, node),
		repairNode: async (node) => {
			await setPort(lab, node, "up");
			await until(`${node} and its proxies are back`, async () => {
				const { controls } = await lab.status();
				const states = await Promise.all(
					controls.map((control) => askControl<MeshStatus>(lab, control, "GET", "/api/v1/status")),
				);
				return states.every(({ proxies }) => proxies.stale === 0);
			});
		},
		crash: async (deployment) => {
			const pod = await readyPod(lab, deployment);
			const before = restartsOf(pod);
			await lab.signalPod(pod.namespace, pod.name, "SIGKILL");
			await until(`${pod.name} has noticed that its process is gone`, async () => {
				const now = (await lab.pods()).find((one) => one.uid === pod.uid);
				return now === undefined || restartsOf(now) > before;
			});
		},
	};
}

function sendFromClient(lab: Lab, request: LoadRequest): Promise<LoadReport> {
	return sendFrom(lab, "client", request);
}

async function sendFrom(lab: Lab, place: string, request: LoadRequest): Promise<LoadReport> {
	const argv = [process.execPath, "--no-warnings", senderProgram, JSON.stringify(request)];
	const result = await lab.execIn(place, argv, { timeoutMs: 120_000 });
	if (result.code !== 0) throw new Error(`the sender failed: ${result.stderr.trim().split("\n").slice(-3).join("; ")}`);
	return JSON.parse(result.stdout) as LoadReport;
}

async function readyPod(lab: Lab, deployment: string): Promise<RunningPod> {
	const [pod] = await readyPods(lab, deployment);
	if (!pod) throw new Error(`no pod of ${deployment} is ready`);
	return pod;
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

/** A node whose cable is pulled holds nothing that a client could reach. */
async function ownerOf(lab: Lab, address: string): Promise<string | undefined> {
	const { nodes } = await lab.status();
	const owners = nodes.filter(({ netns }) => {
		const network = openLinuxHostNetwork({ netns: netnsPath(netns) });
		const holds = network.addresses("eth0").some((one) => one.address === address);
		const reaches = network.link("eth0")?.running === true;
		network.close();
		return holds && reaches;
	});
	return owners.length === 1 ? owners[0]?.name : undefined;
}
