// Envoy's admin interface over its Unix socket: the agent stands outside the pod's network namespace, files know none.

import { type IncomingMessage, request } from "node:http";

export interface AdminAnswer {
	readonly status: number;
	readonly body: string;
}

export interface EnvoyAdmin {
	/** Undefined when Envoy does not answer within 2 s. */
	get(path: string): Promise<AdminAnswer | undefined>;
	post(path: string): Promise<AdminAnswer | undefined>;
	/** For answers of any length; rejects when Envoy does not answer. */
	stream(path: string, headers?: Readonly<Record<string, string>>): Promise<IncomingMessage>;
}

const timeoutMs = 2000;

export function envoyAdmin(socketPath: string): EnvoyAdmin {
	const stream = (
		path: string,
		headers: Readonly<Record<string, string>> = {},
		method: "GET" | "POST" = "GET",
	): Promise<IncomingMessage> =>
		new Promise((resolve, reject) => {
			// Envoy's admin must never see a proxy's keep-alive pool: a connection for each request.
			const outgoing = request({ socketPath, path, method, agent: false, headers: { host: "envoy", ...headers } });
			outgoing.setTimeout(timeoutMs, () => outgoing.destroy(new Error("no answer in time")));
			outgoing.on("response", resolve).on("error", reject).end();
		});
	const ask = async (path: string, method: "GET" | "POST"): Promise<AdminAnswer | undefined> => {
		try {
			const response = await stream(path, {}, method);
			let body = "";
			for await (const chunk of response.setEncoding("utf8")) body += chunk;
			return { status: response.statusCode ?? 0, body };
		} catch {
			return undefined;
		}
	};
	return { get: (path) => ask(path, "GET"), post: (path) => ask(path, "POST"), stream };
}
