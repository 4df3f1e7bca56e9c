// A real kube-apiserver with its etcd inside a network namespace, built by scripts/build-kubernetes.sh. In: requests with JSON.
// Out: what it answered. It listens on the host's own address; the processes end with the one that started them.

import { type ChildProcess, spawn } from "node:child_process";
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { existsSync, mkdirSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { connect } from "node:tls";
import { connectInNamespace } from "../../src/lab/namespace-socket.ts";
import type { Host } from "../../src/node/namespace-rig.testing.ts";

const programs = join(import.meta.dirname, "../../.keepmesh/kubernetes");

/** Why it cannot run here; undefined when it can. */
export const notBuilt: string | undefined = existsSync(join(programs, "kube-proxy"))
	? undefined
	: "kube-proxy and its API server are not built: npm run test:kube-proxy";

const port = 6443;
const startMs = 90_000;

export interface ApiAnswer {
	readonly status: number;
	readonly body: string;
}

export class KubernetesApi {
	readonly #host: Host;
	readonly #directory: string;
	readonly #token = randomBytes(16).toString("hex");
	readonly #children: ChildProcess[] = [];

	constructor(host: Host, directory: string) {
		this.#host = host;
		this.#directory = directory;
	}

	/** Until it is ready. */
	async start(): Promise<void> {
		const at = (name: string): string => join(this.#directory, name);
		mkdirSync(this.#directory, { recursive: true });
		writeFileSync(at("tokens.csv"), `${this.#token},admin,admin,system:masters\n`, { mode: 0o600 });
		const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
		writeFileSync(at("sa.key"), privateKey.export({ type: "sec1", format: "pem" }), { mode: 0o600 });
		writeFileSync(at("sa.pub"), publicKey.export({ type: "spki", format: "pem" }));
		const etcd = `http://${this.#host.ip}:2379`;
		const peer = `http://${this.#host.ip}:2380`;
		this.#spawn("etcd", [
			...["--name", "t", "--data-dir", at("etcd"), "--log-level", "warn", "--unsafe-no-fsync"],
			...["--listen-client-urls", etcd, "--advertise-client-urls", etcd, "--listen-peer-urls", peer],
			...["--initial-advertise-peer-urls", peer, "--initial-cluster", `t=${peer}`],
		]);
		this.#spawn("kube-apiserver", [
			...["--bind-address", this.#host.ip, "--advertise-address", this.#host.ip, "--secure-port", String(port)],
			...["--etcd-servers", etcd, "--service-cluster-ip-range", "10.96.0.0/16,fd96::/108"],
			...["--authorization-mode", "RBAC", "--token-auth-file", at("tokens.csv"), "--cert-dir", at("certs")],
			...["--service-account-issuer", "https://kubernetes.default.svc", "--service-account-key-file", at("sa.pub")],
			...["--service-account-signing-key-file", at("sa.key"), "--endpoint-reconciler-type", "none"],
			...["--enable-priority-and-fairness=false", "--profiling=false", "--disable-admission-plugins", "ServiceAccount"],
		]);
		const endMs = performance.now() + startMs;
		for (;;) {
			const ready = await this.request("GET", "/readyz").catch(() => undefined);
			if (ready?.status === 200) return;
			if (performance.now() > endMs) throw new Error(`the API server is not ready\n${this.log("kube-apiserver")}`);
			await sleep(100);
		}
	}

	/** kube-proxy over that host, with `configuration` for its KubeProxyConfiguration. */
	startProxy(host: Host, configuration: object): ChildProcess {
		const kubeconfig = join(this.#directory, "proxy.kubeconfig");
		const cluster = { server: `https://${this.#host.ip}:${port}`, "insecure-skip-tls-verify": true };
		const content = {
			apiVersion: "v1",
			kind: "Config",
			clusters: [{ name: "test", cluster }],
			users: [{ name: "proxy", user: { token: this.#token } }],
			contexts: [{ name: "test", context: { cluster: "test", user: "proxy" } }],
			"current-context": "test",
		};
		writeFileSync(kubeconfig, JSON.stringify(content), { mode: 0o600 });
		const file = join(this.#directory, "kube-proxy.yaml");
		const clientConnection = { kubeconfig, qps: 1000, burst: 1000 };
		writeFileSync(file, JSON.stringify({ ...configuration, clientConnection }));
		return this.#spawn("kube-proxy", ["--config", file], host);
	}

	/** POST of a new object, its status after it. */
	async create(object: {
		readonly kind: string;
		readonly apiVersion: string;
		readonly status?: object;
	}): Promise<void> {
		const { kind, apiVersion, status, ...rest } = object;
		const metadata = (rest as { metadata?: { name?: string; namespace?: string } }).metadata ?? {};
		const group = apiVersion.includes("/") ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
		const path = `${group}${metadata.namespace ? `/namespaces/${metadata.namespace}` : ""}/${kind.toLowerCase()}s`;
		this.#demand(await this.request("POST", path, { kind, apiVersion, ...rest }), kind);
		if (status)
			this.#demand(await this.request("PATCH", `${path}/${metadata.name}/status`, { status }), `status of ${kind}`);
	}

	/** PATCH is a merge. */
	async request(method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE", path: string, body?: object): Promise<ApiAnswer> {
		const socket = await connectInNamespace(this.#host.netns, { host: this.#host.ip, port }, 5000);
		const secure = connect({ socket, rejectUnauthorized: false });
		try {
			return await new Promise((resolve, reject) => {
				secure.on("error", reject);
				const type = method === "PATCH" ? "application/merge-patch+json" : "application/json";
				const headers = { authorization: `Bearer ${this.#token}`, "content-type": type };
				const asked = request({ method, path, headers, createConnection: () => secure }, (response) => {
					let text = "";
					response.setEncoding("utf8").on("data", (chunk: string) => {
						text += chunk;
					});
					response.on("end", () => resolve({ status: response.statusCode ?? 0, body: text }));
				});
				asked.on("error", reject);
				asked.end(body === undefined ? undefined : JSON.stringify(body));
			});
		} finally {
			secure.destroy();
		}
	}

	log(program: string): string {
		const file = join(this.#directory, `${program}.log`);
		return existsSync(file) ? readFileSync(file, "utf8").slice(-4000) : "";
	}

	close(): void {
		for (const child of this.#children) child.kill("SIGKILL");
	}

	#demand(answer: ApiAnswer, what: string): void {
		if (answer.status >= 300) throw new Error(`${what}: ${answer.status} ${answer.body}`);
	}

	#spawn(program: string, args: readonly string[], host = this.#host): ChildProcess {
		const log = openSync(join(this.#directory, `${program}.log`), "a");
		const command = ["nsenter", `--net=${host.netns}`, "--", join(programs, program), ...args];
		const child = spawn("setpriv", ["--pdeathsig", "KILL", ...command], {
			stdio: ["ignore", log, log],
			env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` },
		});
		this.#children.push(child);
		return child;
	}
}
