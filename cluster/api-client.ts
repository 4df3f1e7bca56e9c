// Requests to a cluster's API server from outside its network namespace, as its administrator. Out: status and parsed JSON.

import { readFileSync } from "node:fs";
import { request } from "node:http";
import { connect } from "node:tls";
import { connectInNamespace } from "../src/lab/namespace-socket.ts";
import { kubeconfigPath, namespacePath } from "./cluster-paths.ts";
import { apiPort, type ClusterShape } from "./plan/cluster-shape.ts";
import type { KubernetesObject } from "./plan/core-dns.ts";

export interface ApiAnswer {
	readonly status: number;
	/** Parsed when it is JSON, else the text. */
	readonly body: unknown;
}

export type ApiMethod = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

interface Credentials {
	readonly ca: Buffer;
	readonly cert: Buffer;
	readonly key: Buffer;
}

export class ApiClient {
	readonly #cluster: ClusterShape;
	readonly #credentials: Credentials;

	constructor(set: string, cluster: ClusterShape) {
		this.#cluster = cluster;
		this.#credentials = readCredentials(kubeconfigPath(set, cluster));
	}

	/** PATCH is a merge patch. Rejects when no connection is had, or no answer within `timeoutMs`. */
	async request(method: ApiMethod, path: string, body?: object, timeoutMs = 10_000): Promise<ApiAnswer> {
		const { controlPlane } = this.#cluster;
		const target = { host: controlPlane.ip, port: apiPort };
		const socket = await connectInNamespace(namespacePath(controlPlane), target, timeoutMs);
		const secure = connect({ socket, ...this.#credentials, servername: "kubernetes" });
		const timer = setTimeout(() => secure.destroy(new Error(`${method} ${path}: no answer`)), timeoutMs);
		try {
			return await new Promise((resolve, reject) => {
				secure.on("error", reject);
				const type = method === "PATCH" ? "application/merge-patch+json" : "application/json";
				const headers = { host: controlPlane.ip, "content-type": type, accept: "application/json" };
				const asked = request({ method, path, headers, createConnection: () => secure }, (response) => {
					let text = "";
					response.setEncoding("utf8").on("data", (chunk: string) => {
						text += chunk;
					});
					response.on("error", reject);
					response.on("end", () => resolve({ status: response.statusCode ?? 0, body: parse(text) }));
				});
				asked.on("error", reject);
				asked.end(body === undefined ? undefined : JSON.stringify(body));
			});
		} finally {
			clearTimeout(timer);
			secure.destroy();
		}
	}

	/** Throws unless it is made, or was there. */
	async create(object: KubernetesObject): Promise<void> {
		const { apiVersion, kind, metadata } = object;
		const group = apiVersion.includes("/") ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
		const place = metadata.namespace ? `/namespaces/${metadata.namespace}` : "";
		const { status, body } = await this.request("POST", `${group}${place}/${kind.toLowerCase()}s`, object);
		if (status >= 300 && status !== 409) throw new Error(`${kind} ${metadata.name}: ${status} ${JSON.stringify(body)}`);
	}
}

function parse(text: string): unknown {
	try {
		return JSON.parse(text);
	} catch {
		return text;
	}
}

function readCredentials(kubeconfig: string): Credentials {
	const { clusters, users } = JSON.parse(readFileSync(kubeconfig, "utf8"));
	const bytes = (text: string): Buffer => Buffer.from(text, "base64");
	return {
		ca: bytes(clusters[0].cluster["certificate-authority-data"]),
		cert: bytes(users[0].user["client-certificate-data"]),
		key: bytes(users[0].user["client-key-data"]),
	};
}
