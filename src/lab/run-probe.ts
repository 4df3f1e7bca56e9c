// Asks one probe once, from inside the pod's namespace, so that neither redirect nor mutual TLS is in its way.

import { get } from "node:http";
import { connect as connectTls } from "node:tls";
import { connectInNamespace } from "./namespace-socket.ts";
import { netnsPath } from "./network.ts";
import type { PlannedProbe } from "./plan/probe-plan.ts";
import { type PodPlace, spawnInPod } from "./pod-process.ts";

export interface ProbeOutcome {
	readonly ok: boolean;
	readonly message: string;
}

export interface ProbedPod {
	readonly place: PodPlace;
	readonly address: string;
	readonly env: NodeJS.ProcessEnv;
}

export async function runProbe(probe: PlannedProbe, pod: ProbedPod): Promise<ProbeOutcome> {
	const { check, timeoutMs } = probe;
	try {
		switch (check.kind) {
			case "tcp":
				(
					await connectInNamespace(netnsPath(pod.place.netns), { host: pod.address, port: check.port }, timeoutMs)
				).destroy();
				return { ok: true, message: "" };
			case "http":
				return await askHttp(check, pod, timeoutMs);
			case "exec":
				return await runCheck(check.command, pod, timeoutMs);
			default:
				return check satisfies never;
		}
	} catch (error) {
		return { ok: false, message: error instanceof Error ? error.message : String(error) };
	}
}

async function askHttp(
	check: { readonly port: number; readonly path: string; readonly tls: boolean },
	pod: ProbedPod,
	timeoutMs: number,
): Promise<ProbeOutcome> {
	const plain = await connectInNamespace(
		netnsPath(pod.place.netns),
		{ host: pod.address, port: check.port },
		timeoutMs,
	);
	// As the kubelet: a probe does not judge certificates.
	const socket = check.tls ? connectTls({ socket: plain, rejectUnauthorized: false }) : plain;
	return new Promise((resolve) => {
		const done = (outcome: ProbeOutcome): void => {
			resolve(outcome);
			request.destroy();
			plain.destroy();
		};
		const request = get({
			createConnection: () => socket,
			path: check.path,
			headers: { host: `${pod.address}:${check.port}`, "user-agent": "kube-probe/keepmesh", connection: "close" },
			timeout: timeoutMs,
		});
		request.on("response", ({ statusCode = 0 }) => {
			done({ ok: statusCode >= 200 && statusCode < 400, message: `HTTP status ${statusCode}` });
		});
		request.on("timeout", () => done({ ok: false, message: `no answer within ${timeoutMs} ms` }));
		request.on("error", (error) => done({ ok: false, message: error.message }));
	});
}

function runCheck(command: readonly string[], pod: ProbedPod, timeoutMs: number): Promise<ProbeOutcome> {
	return new Promise((resolve) => {
		const child = spawnInPod(pod.place, command, {
			stdio: "ignore",
			env: pod.env,
			timeout: timeoutMs,
			killSignal: "SIGKILL",
		});
		child.once("error", (error) => resolve({ ok: false, message: error.message }));
		child.once("exit", (code) => resolve({ ok: code === 0, message: `the command ended with ${code ?? "a signal"}` }));
	});
}
