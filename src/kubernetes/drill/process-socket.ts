// Asks a process of another Pod of the node over its Unix socket, through the files of its container, wherever its directory is on the
// node. In: the Pod's uid; the socket's name in the directory that the process was given by --state. Out: its answer.

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { request } from "node:http";
import { textOf } from "./text-of.ts";

export interface ProcessSocket {
	readonly uid: string;
	readonly socket: "node.sock" | "vip.sock";
	/** Where --state is not given. */
	readonly defaultState: string;
}

/** Rejects with what the process says against it. */
export function askProcess<Answer extends object>(
	of: ProcessSocket,
	method: "GET" | "POST",
	path: string,
): Promise<Answer> {
	const socketPath = processesOf(of.uid)
		.map((pid) => `/proc/${pid}/root${stateOf(pid) ?? of.defaultState}/${of.socket}`)
		.find((one) => existsSync(one));
	if (socketPath === undefined) return Promise.reject(new Error(`nobody listens on ${of.socket} in that pod`));
	return new Promise((resolve, reject) => {
		const asked = request({ socketPath, path, method, timeout: 10_000, agent: false }, (response) => {
			textOf(response).then((text) => {
				const answer = JSON.parse(text) as Answer & { readonly because?: string };
				if (response.statusCode === 200) resolve(answer);
				else reject(new Error(answer.because ?? `${of.socket} answers ${response.statusCode}`));
			}, reject);
		});
		asked.on("timeout", () => asked.destroy(new Error(`${of.socket} does not answer`)));
		asked.on("error", reject).end();
	});
}

/** Of all containers of a Pod but the one that keeps its namespaces. */
export function processesOf(uid: string): readonly number[] {
	// systemd's slices have no hyphens in their names.
	const marks = [uid, uid.replaceAll("-", "_")];
	return readdirSync("/proc").flatMap((name) => {
		if (!/^\d+$/.test(name)) return [];
		const groups = readOf(Number(name), "cgroup");
		const isOurs = marks.some((mark) => groups.includes(mark)) && readOf(Number(name), "comm").trim() !== "pause";
		return isOurs ? [Number(name)] : [];
	});
}

function stateOf(pid: number): string | undefined {
	return /\0--state[=\0]([^\0]+)/.exec(readOf(pid, "cmdline"))?.[1];
}

/** Empty when it has ended. */
function readOf(pid: number, file: string): string {
	try {
		return readFileSync(`/proc/${pid}/${file}`, "latin1");
	} catch {
		return "";
	}
}
