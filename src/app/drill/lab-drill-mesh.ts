// The drills' mesh, made of a lab: a client workload sends, the client outside the mesh tries plaintext, rotations are asked
// for at the control planes, certificates are read out of the Envoys.

import { setTimeout as sleep } from "node:timers/promises";
import type { DrillMesh, DrillReport, RunningLoad, WorkloadCertificate } from "../../lab/drill/drill-mesh.ts";
import type { Lab, RunningPod } from "../../lab/lab.ts";
import { goodAnswers } from "../../lab/load/load-report.ts";
import { renewInLab } from "../../lab/renew-certificate.ts";
import { rowOfSecrets } from "../cli/certificate-rows.ts";
import { sectionsOfDump } from "../cli/envoy-dump.ts";
import { askEnvoy, dumpInPod } from "../cli/lab-pods.ts";
import { until } from "../demo/applied-everywhere.ts";
import { rotateInLab } from "../demo/lab-rotation.ts";
import { podsOf } from "./drill-pods.ts";
import { type Sender, startSender } from "./drill-senders.ts";
import { countHandshakes, handshakeStats } from "./handshakes.ts";
import { type LabLayer4, labLayer4 } from "./lab-layer4.ts";
import { labLeader } from "./lab-leader.ts";
import { labOutages } from "./lab-outages.ts";
import { type LabSidecar, labSidecar } from "./lab-sidecar.ts";
import { type LabSpare, labSpare } from "./lab-spare.ts";
import { type LabUpgrades, labUpgrades } from "./lab-upgrades.ts";
import { type LabVirtualIp, labVirtualIp } from "./lab-virtual-ip.ts";

export interface LabDrillOptions {
	/** Of the load; default 500. */
	readonly ratePerSecond?: number;
	/** See DrillMesh. */
	readonly outageMs?: number;
}

const serverHost = "server.default.svc.cluster.local";
const serverPort = 8080;
const plaintextRate = 20;

export function labDrillMesh(lab: Lab, options: LabDrillOptions = {}): DrillMesh {
	const ratePerSecond = options.ratePerSecond ?? 500;
	let address: Promise<LabVirtualIp> | undefined;
	let balanced: Promise<LabLayer4> | undefined;
	const layer4 = (): Promise<LabLayer4> => {
		balanced ??= labLayer4(lab);
		return balanced;
	};
	const virtualIp = (): Promise<LabVirtualIp> => {
		address ??= labVirtualIp(lab);
		return address;
	};
	let outages: ReturnType<typeof labOutages> | undefined;
	let switched: Promise<LabSidecar> | undefined;
	const sidecar = (): Promise<LabSidecar> => {
		switched ??= labSidecar(lab);
		return switched;
	};
	let guarded: Promise<LabSpare> | undefined;
	const spare = (): Promise<LabSpare> => {
		guarded ??= labSpare(lab);
		return guarded;
	};
	let leader: ReturnType<typeof labLeader> | undefined;
	let upgrades: Promise<LabUpgrades> | undefined;
	return {
		...(options.outageMs === undefined ? {} : { outageMs: options.outageMs }),
		virtualIp,
		layer4,
		sidecar,
		spare,
		outages: () => {
			outages ??= labOutages(lab);
			return outages;
		},
		leader: () => {
			leader ??= labLeader(lab);
			return leader;
		},
		upgrades: () => {
			upgrades ??= labUpgrades(lab);
			return upgrades;
		},
		close: () => {
			void address?.then((made) => made.close());
			void upgrades?.then((made) => made.close());
		},
		nowMs: () => performance.now(),
		sleep: (ms) => sleep(ms),
		startLoad: async (load) => {
			if (load === "virtualIp") return (await virtualIp()).startLoad();
			if (load === "sidecar") return (await sidecar()).startLoad();
			if (load === "spare") return (await spare()).startLoad();
			if (load !== "mesh") {
				const sent = await (await layer4()).loadOf(load);
				const sender = await startSender(lab, sent.from, { ...sent, ratePerSecond });
				return { stop: async () => ({ ...(await sender.stop()), plaintext: 0 }) };
			}
			const [client] = await podsOf(lab, "client");
			const servers = await podsOf(lab, "server");
			if (!client || servers.length === 0) throw new Error("the drills' mesh does not run");
			const inside = await startSender(lab, client.name, {
				host: await clusterIpOf(lab, client),
				headers: { host: `${serverHost}:${serverPort}` },
				ratePerSecond,
				countHeader: "x-client-identity",
			});
			const outside = await Promise.all(
				servers.map((server) =>
					startSender(lab, "client", { host: server.address, ratePerSecond: plaintextRate / servers.length }),
				),
			);
			return combined(inside, outside);
		},
		certificates: async () => {
			const pods = [...(await podsOf(lab, "client")), ...(await podsOf(lab, "server"))];
			return await Promise.all(pods.map(certificateOf));
		},
		handshakes: async () => {
			const pods = [...(await podsOf(lab, "client")), ...(await podsOf(lab, "server"))];
			const counted = await Promise.all(pods.map(handshakesOf));
			return {
				made: counted.reduce((sum, { made }) => sum + made, 0),
				failed: counted.reduce((sum, { failed }) => sum + failed, 0),
			};
		},
		renewLeaves: async () => {
			for (const pod of [...(await podsOf(lab, "client")), ...(await podsOf(lab, "server"))]) {
				const before = await certificateOf(pod);
				const renewed = await renewInLab(lab.name, pod);
				if (!renewed.ok) throw new Error(`${pod.name}: ${renewed.because}`);
				await until(`the Envoy of ${pod.name} uses its new certificate`, async () => {
					const now = await certificateOf(pod);
					return now.serial !== before.serial;
				});
			}
		},
		rotate: (kind) => rotateInLab(lab, kind),
	};
}

/** Looked up once: a drill of certificates is not to measure names. */
async function clusterIpOf(lab: Lab, client: RunningPod): Promise<string> {
	const { stdout } = await lab.execIn(client.name, ["getent", "ahostsv4", serverHost]);
	const [address = ""] = stdout.split(/\s/);
	if (address === "") throw new Error(`${serverHost} is no name in ${client.name}`);
	return address;
}

async function certificateOf(pod: RunningPod): Promise<WorkloadCertificate> {
	const proxy = `${pod.name}.${pod.namespace}`;
	const row = rowOfSecrets(sectionsOfDump(await dumpInPod(pod)).secrets, proxy, pod.node);
	if (!row) throw new Error(`the Envoy of ${proxy} has no certificate`);
	return { proxy, serial: row.serial, issuerKeyId: row.issuerKeyId, trusts: row.trusts ?? [] };
}

async function handshakesOf(pod: RunningPod): Promise<{ readonly made: number; readonly failed: number }> {
	return countHandshakes(await askEnvoy(pod, handshakeStats));
}

function combined(inside: Sender, outside: readonly Sender[]): RunningLoad {
	return {
		stop: async (): Promise<DrillReport> => {
			const [report, ...attempts] = await Promise.all([inside.stop(), ...outside.map((sender) => sender.stop())]);
			if (!report) throw new Error("nothing was sent");
			const served = attempts.reduce((sum, attempt) => sum + goodAnswers(attempt), 0);
			return { ...report, plaintext: (report.byVersion.plaintext ?? 0) + served };
		},
	};
}
