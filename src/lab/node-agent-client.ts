// Talks to a node agent's API on its Unix socket. In: the agent's state directory and a pod. Out: a ready proxy, or why not.

import { request } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { nodePaths } from "../node/plan/pod-paths.ts";

export type AgentAnswer =
	| { readonly ok: true; readonly body: unknown }
	| { readonly ok: false; readonly because: string };

/** Tries again while the agent is not there yet, until the signal says stop. */
export async function callAgent(
	state: string,
	call: { readonly method: string; readonly path: string; readonly body?: object },
	signal: AbortSignal,
): Promise<AgentAnswer> {
	for (let pauseMs = 15; ; pauseMs = Math.min(500, pauseMs * 1.5)) {
		const answer = await callOnce(nodePaths(state).apiSocket, call, signal);
		if (answer !== "absent") return answer;
		if (signal.aborted) return { ok: false, because: "the node agent is not there" };
		await sleep(pauseMs);
	}
}

function callOnce(
	socketPath: string,
	call: { readonly method: string; readonly path: string; readonly body?: object },
	signal: AbortSignal,
): Promise<AgentAnswer | "absent"> {
	return new Promise((resolve) => {
		const outgoing = request(
			{ socketPath, method: call.method, path: call.path, headers: { "content-type": "application/json" }, signal },
			(response) => {
				let text = "";
				response.setEncoding("utf8").on("data", (chunk: string) => {
					text += chunk;
				});
				response.on("error", (error) => resolve({ ok: false, because: error.message }));
				response.on("end", () => {
					const status = response.statusCode ?? 0;
					const body = parseJson(text);
					if (status >= 200 && status < 300) resolve({ ok: true, body });
					else resolve({ ok: false, because: reasonOf(body) ?? `the node agent answered ${status}` });
				});
			},
		);
		outgoing.on("error", (error: NodeJS.ErrnoException) => {
			const absent = ["ENOENT", "ECONNREFUSED", "ECONNRESET", "EPIPE"].includes(error.code ?? "");
			resolve(absent ? "absent" : { ok: false, because: error.message });
		});
		outgoing.end(call.body ? JSON.stringify(call.body) : undefined);
	});
}

function parseJson(text: string): unknown {
	try {
		return JSON.parse(text);
	} catch {
		return {};
	}
}

function reasonOf(body: unknown): string | undefined {
	const { because, hint } = (body ?? {}) as { readonly because?: string; readonly hint?: string };
	return because === undefined ? hint : hint === undefined ? because : `${because} (${hint})`;
}
