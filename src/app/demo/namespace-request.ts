// An HTTP request from inside another network namespace: a control plane's API of a lab, an Envoy's admin in its pod.

import { type IncomingHttpHeaders, request } from "node:http";
import { resolve as resolvePath } from "node:path";
import { connectInNamespace } from "../../lab/namespace-socket.ts";
import { netnsDirectory } from "../../lab/network.ts";

export interface NamespaceTarget {
	/** Name of the namespace, `km-lab-client`, or an absolute path to it. */
	readonly netns: string;
	readonly host: string;
	readonly port: number;
}

export interface HttpCall {
	/** Default GET. */
	readonly method?: string;
	readonly body?: string;
	/** Default 5 s. */
	readonly timeoutMs?: number;
}

export interface HttpAnswer {
	readonly status: number;
	readonly text: string;
}

/** Resolves to any status; rejects when nothing answers, or the connection breaks before the answer is whole. */
export async function requestInNamespace(
	target: NamespaceTarget,
	path: string,
	call: HttpCall = {},
): Promise<HttpAnswer & { readonly headers: IncomingHttpHeaders }> {
	const { host, port } = target;
	const { method = "GET", body, timeoutMs = 5000 } = call;
	const socket = await connectInNamespace(resolvePath(netnsDirectory, target.netns), { host, port }, timeoutMs);
	return new Promise((resolve, reject) => {
		// The request's own `timeout` does nothing for a socket that it did not make.
		const timer = setTimeout(() => outgoing.destroy(new Error(`no answer in ${timeoutMs / 1000} s`)), timeoutMs);
		const outgoing = request(
			{
				method,
				path,
				host,
				port,
				createConnection: () => socket,
				...(body === undefined
					? {}
					: { headers: { "content-type": "application/yaml", "content-length": Buffer.byteLength(body) } }),
			},
			(response) => {
				let text = "";
				response.setEncoding("utf8").on("data", (chunk: string) => {
					text += chunk;
				});
				response.on("error", reject);
				response.on("end", () => {
					socket.destroy();
					resolve({ status: response.statusCode ?? 500, text, headers: response.headers });
				});
			},
		);
		outgoing.on("error", (error) => {
			reject(new Error(`${method} ${path} at ${host}:${port}: ${error.message}`, { cause: error }));
		});
		outgoing.on("close", () => clearTimeout(timer));
		outgoing.end(body);
	});
}
