// The pods of the running lab that a command is about, and what their Envoys have, when this user may enter their namespaces.

import type { RunningPod } from "../../lab/lab.ts";
import type { LabRecord } from "../../lab/lab-record.ts";
import type { EnvoyDump } from "./envoy-dump.ts";
import { type ApiOption, chosenLab } from "./find-control-planes.ts";

/** A port of every proxy of a pod, on its loopback. */
const adminPort = 15_000;
export const dumpPath = "/config_dump?include_eds";

/** Undefined outside a lab: an address that was given comes first. */
export async function podsOfLab(
	options: ApiOption,
): Promise<{ readonly record: LabRecord; readonly pods: readonly RunningPod[] } | undefined> {
	if ((options.api?.length ?? 0) > 0 || process.getuid?.() !== 0) return undefined;
	if (process.env.KEEPMESH_API && options.lab === undefined && options.name === undefined) return undefined;
	const record = chosenLab(options);
	if (!record) return undefined;
	const { Lab } = await import("../../lab/lab.ts");
	return { record, pods: await new Lab(record.name).pods() };
}

export async function dumpInPod(pod: Pick<RunningPod, "netns">): Promise<EnvoyDump> {
	return JSON.parse(await askEnvoy(pod, dumpPath)) as EnvoyDump;
}

/** What the admin interface of the pod's Envoy says; rejects on anything but 200. */
export async function askEnvoy({ netns }: Pick<RunningPod, "netns">, path: string): Promise<string> {
	const { requestInNamespace } = await import("../demo/namespace-request.ts");
	const { status, text } = await requestInNamespace({ netns, host: "127.0.0.1", port: adminPort }, path);
	if (status !== 200) throw new Error(`it answers ${status}`);
	return text;
}
