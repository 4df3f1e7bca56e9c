// The certificates of the drill's workloads on a cluster: what their Envoys show and trust, the handshakes that they count, and how all
// of them, or the mesh's issuer or root, are replaced.

import { setTimeout as sleep } from "node:timers/promises";
import type { LocalAnswer } from "../../kubernetes/drill/peer-local.ts";
import type { DrillMesh, WorkloadCertificate } from "../../lab/drill/drill-mesh.ts";
import type { RotationAnswer } from "../api/certificate-routes.ts";
import { rowOfSecrets } from "../cli/certificate-rows.ts";
import { type EnvoyDump, sectionsOfDump } from "../cli/envoy-dump.ts";
import { ClusterControls } from "./cluster-controls.ts";
import type { DrillPlace } from "./drill-place.ts";
import { countHandshakes, handshakeStats } from "./handshakes.ts";
import type { DrillPod } from "./kubernetes-drill-pods.ts";
import type { KubernetesMeshLoad } from "./kubernetes-mesh-load.ts";

export type DrillCertificates = Pick<DrillMesh, "certificates" | "handshakes" | "renewLeaves" | "rotate">;

const adminPort = 15_000;
const rotationLimitMs = 300_000;
const lookMs = 20;
const lookAtRotationMs = 250;

export async function kubernetesCertificates(
	place: DrillPlace,
	{ client, servers }: KubernetesMeshLoad,
): Promise<DrillCertificates> {
	const { limitMs, pods } = place;
	const controls = new ClusterControls(place);
	const workloads = async (): Promise<readonly DrillPod[]> => [client, ...(await pods.ready(servers))];

	async function askEnvoy({ name, node, uid }: DrillPod, path: string): Promise<string> {
		const order = { order: "local", uid, port: adminPort, path } as const;
		const { status, text } = await pods.order<LocalAnswer>(await pods.onNode(node), order);
		if (status !== 200) throw new Error(`the Envoy of ${name} answers ${status}`);
		return text;
	}

	async function certificateOf(pod: DrillPod): Promise<WorkloadCertificate> {
		const proxy = `${pod.name}.${pods.options.namespace}`;
		const dump = JSON.parse(await askEnvoy(pod, "/config_dump")) as EnvoyDump;
		const row = rowOfSecrets(sectionsOfDump(dump).secrets, proxy, pod.node);
		if (!row) throw new Error(`the Envoy of ${proxy} has no certificate`);
		return { proxy, serial: row.serial, issuerKeyId: row.issuerKeyId, trusts: row.trusts ?? [] };
	}

	async function askAgent<Answer>({ node }: DrillPod, path: string, method: "GET" | "POST" = "GET"): Promise<Answer> {
		const { status, text } = await pods.order<LocalAnswer>(await pods.onNode(node), { order: "agent", path, method });
		if (status >= 300) throw new Error(`the agent of ${node} answers ${status}: ${text.slice(0, 200)}`);
		return JSON.parse(text === "" ? "{}" : text) as Answer;
	}

	async function renew(pod: DrillPod): Promise<void> {
		const before = await certificateOf(pod);
		const { workloads: kept } = await askAgent<{ readonly workloads: Readonly<Record<string, object>> }>(
			pod,
			"/v1/identity",
		);
		const proxyId = Object.keys(kept).find((id) => id.split("~")[2] === before.proxy);
		if (proxyId === undefined) throw new Error(`the agent of ${pod.node} keeps no certificate of ${before.proxy}`);
		await askAgent(pod, `/v1/identity/renew?proxy=${encodeURIComponent(proxyId)}`, "POST");
		const endMs = performance.now() + limitMs;
		while ((await certificateOf(pod)).serial === before.serial) {
			if (performance.now() > endMs) throw new Error(`the Envoy of ${before.proxy} keeps its certificate`);
			await sleep(lookMs);
		}
	}

	return {
		certificates: async () => Promise.all((await workloads()).map(certificateOf)),
		handshakes: async () => {
			const texts = await Promise.all((await workloads()).map((pod) => askEnvoy(pod, handshakeStats)));
			const counted = texts.map(countHandshakes);
			return {
				made: counted.reduce((sum, { made }) => sum + made, 0),
				failed: counted.reduce((sum, { failed }) => sum + failed, 0),
			};
		},
		renewLeaves: async () => {
			for (const pod of await workloads()) await renew(pod);
		},
		rotate: async (kind) => {
			const [control] = await controls.ready();
			if (!control) throw new Error("no control plane is ready");
			await controls.ask(control, `/api/v1/rotation?kind=${kind}`, "POST");
			const endMs = performance.now() + rotationLimitMs;
			for (;;) {
				const { lines, state } = await controls.ask<RotationAnswer>(control, "/api/v1/rotation");
				if (state.phase === "idle") {
					if (state.last?.outcome === "done") return;
					throw new Error(lines.join("; "));
				}
				if (performance.now() > endMs)
					throw new Error(`not done after ${rotationLimitMs / 1000} s: ${lines.join("; ")}`);
				await sleep(lookAtRotationMs);
			}
		},
	};
}
