// Has the certificate of a pod in a lab renewed now, by asking its node's agent, and waits until the pod's proxy has another.

import { setTimeout as sleep } from "node:timers/promises";
import { runDirectory } from "./lab-record.ts";
import { callAgent } from "./node-agent-client.ts";

export type RenewedInLab = { readonly ok: true } | { readonly ok: false; readonly because: string };

interface Identity {
	readonly workloads: Readonly<Record<string, { readonly serial?: string; readonly because?: string }>>;
}

const limitMs = 15_000;

export async function renewInLab(
	lab: string,
	pod: { readonly name: string; readonly namespace: string; readonly node: string },
): Promise<RenewedInLab> {
	const state = `${runDirectory(lab)}/${pod.node}`;
	const signal = AbortSignal.timeout(limitMs);
	const look = async (): Promise<readonly (readonly [string, Identity["workloads"][string]])[]> => {
		const answer = await callAgent(state, { method: "GET", path: "/v1/identity" }, signal);
		if (!answer.ok) throw new Error(answer.because);
		return Object.entries((answer.body as Identity).workloads);
	};
	try {
		const found = (await look()).find(([id]) => id.split("~")[2] === `${pod.name}.${pod.namespace}`);
		if (!found) return { ok: false, because: `its node's agent keeps no certificate of ${pod.name}.${pod.namespace}` };
		const [proxyId, before] = found;
		const path = `/v1/identity/renew?proxy=${encodeURIComponent(proxyId)}`;
		const asked = await callAgent(state, { method: "POST", path }, signal);
		if (!asked.ok) return asked;
		for (;;) {
			const now = (await look()).find(([id]) => id === proxyId)?.[1];
			if (now?.serial !== undefined && now.serial !== before.serial) return { ok: true };
			if (signal.aborted) return { ok: false, because: now?.because ?? "no other certificate came in time" };
			await sleep(20);
		}
	} catch (error) {
		return { ok: false, because: error instanceof Error ? error.message : String(error) };
	}
}
