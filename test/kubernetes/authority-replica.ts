// A control plane with the authority of a cluster, for tests: a process of this machine in the network of one of the cluster's
// machines, and how its API, its certificates and the command line are used from there.

import { type ChildProcess, execFile, spawn } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { createWriteStream, mkdirSync } from "node:fs";
import { connect as connectHttp2 } from "node:http2";
import { join } from "node:path";
import { connect as connectTls } from "node:tls";
import { checkout, kubeconfigPath, namespacePath, nodeProgram } from "../../cluster/cluster-paths.ts";
import type { MachineShape } from "../../cluster/plan/cluster-shape.ts";
import type { CertificatesAnswer } from "../../src/app/api/certificate-routes.ts";
import { requestFor } from "../../src/identity/authority/authority.testing.ts";
import {
	createCertificatePath,
	decodeCreateCertificateResponse,
	encodeCreateCertificateRequest,
} from "../../src/identity/certificate-service-codec.ts";
import { connectInNamespace } from "../../src/lab/namespace-socket.ts";
import { callUnary } from "../../src/xds/wire/unary-service.ts";
import { askReplica } from "./control-replica.ts";
import { type TestCluster, until } from "./test-cluster.ts";

const local = "127.0.0.1";
const apiPort = 15_014;
const xdsPort = 15_012;

export interface NodeKey {
	readonly keyPem: string;
	/** PEM. */
	readonly chain: string;
}

export class AuthorityReplica {
	readonly pod: string;
	readonly machine: MachineShape;
	/** Where commands that run beside it find it. */
	readonly api = `http://${local}:${apiPort}`;
	readonly #cluster: TestCluster;
	readonly #child: ChildProcess;

	/** Its files, and its log, are in `directory`. It is ready when `ready` resolves. */
	constructor(cluster: TestCluster, machine: MachineShape, pod: string, directory: string) {
		this.pod = pod;
		this.machine = machine;
		this.#cluster = cluster;
		const own = join(directory, pod);
		mkdirSync(own, { recursive: true });
		const flags = [
			...["--pod", pod, "--id", pod, "--data", join(own, "data"), "--rotation-settle", "2s"],
			...["--api", `${local}:${apiPort}`, "--xds", `${machine.ip}:${xdsPort}`, ...this.clusterFlags],
		];
		this.#child = spawn("nsenter", this.#command(["control", ...flags]), { stdio: ["ignore", "ignore", "pipe"] });
		this.#child.stderr?.pipe(createWriteStream(join(own, "log")));
	}

	async ready(): Promise<void> {
		await until(`${this.pod} is ready`, async () => {
			if (this.#child.exitCode !== null) throw new Error(`${this.pod} ended with ${this.#child.exitCode}`);
			return this.isReady();
		});
	}

	async isReady(): Promise<boolean> {
		return (await askReplica(this.machine, "/readyz").catch(() => ({ status: 0 }))).status === 200;
	}

	async certificates(): Promise<CertificatesAnswer> {
		const { status, text } = await askReplica(this.machine, "/api/v1/certificates");
		if (status !== 200) throw new Error(`${status}: ${text}`);
		return JSON.parse(text) as CertificatesAnswer;
	}

	/** Fingerprints. */
	async roots(): Promise<readonly string[]> {
		return (await this.certificates()).authority.flatMap(({ id, kind }) => (kind === "root" ? [id] : []));
	}

	/** Of the rotation that runs, or what became of the last. */
	async stage(): Promise<string> {
		const { state } = (await this.certificates()).rotation;
		return state.phase === "running" ? state.stage : (state.last?.outcome ?? "idle");
	}

	/** Of its /metrics: `name{label="x"}` or `name`; 0 when it is not there. */
	async metric(name: string): Promise<number> {
		const { text } = await askReplica(this.machine, "/metrics");
		const line = text.split("\n").find((one) => one.startsWith(`${name} `));
		return line === undefined ? 0 : Number(line.slice(name.length + 1));
	}

	/** Writes at the API server since it started. */
	writes(object: "secret" | "heartbeat"): Promise<number> {
		return this.metric(`keepmesh_authority_writes_total{object="${object}"}`);
	}

	/** What the command says on its standard output, run where the replica is. Rejects when it fails. */
	keepmesh(...args: readonly string[]): Promise<string> {
		return new Promise((resolve, reject) => {
			execFile("nsenter", this.#command(args), { timeout: 300_000 }, (error, stdout, stderr) =>
				error ? reject(new Error(`keepmesh ${args.join(" ")}: ${stderr}`)) : resolve(stdout),
			);
		});
	}

	/** How a command finds this cluster's API server. */
	get clusterFlags(): readonly string[] {
		const { namespace, record, shape } = this.#cluster;
		const kubeconfig = kubeconfigPath(record.size.name, shape);
		return ["--kubernetes", "--kubeconfig", kubeconfig, "--system-namespace", namespace];
	}

	/** A certificate for a node, as it joins with a token or renews the one that it has. */
	async certify(by: { readonly token?: string; readonly own?: NodeKey }): Promise<NodeKey> {
		const target = { host: this.machine.ip, port: xdsPort };
		const socket = await connectInNamespace(namespacePath(this.machine), target, 10_000);
		const proof = by.own ? { key: by.own.keyPem, cert: by.own.chain } : {};
		const tls = connectTls({ socket, rejectUnauthorized: false, ALPNProtocols: ["h2"], ...proof });
		const session = connectHttp2("https://control", { createConnection: () => tls });
		const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
		const message = encodeCreateCertificateRequest({ csr: requestFor(privateKey), validitySeconds: 0 });
		const headers: Readonly<Record<string, string>> =
			by.token === undefined ? {} : { authorization: `Bearer ${by.token}` };
		try {
			const failed = new Promise<never>((_, reject) => session.once("error", reject));
			const call = callUnary(session, createCertificatePath, message, { timeoutMs: 20_000, headers });
			const chain = decodeCreateCertificateResponse(await Promise.race([call, failed])).join("");
			return { keyPem: privateKey.export({ type: "pkcs8", format: "pem" }).toString(), chain };
		} finally {
			session.destroy();
		}
	}

	/** SIGKILL: it says nothing more. */
	kill(): Promise<void> {
		if (this.#child.exitCode !== null || this.#child.signalCode !== null) return Promise.resolve();
		return new Promise((resolve) => {
			this.#child.once("exit", () => resolve());
			this.#child.kill("SIGKILL");
		});
	}

	#command(args: readonly string[]): string[] {
		const place = `--net=${namespacePath(this.machine)}`;
		return [place, "--", nodeProgram, "--no-warnings", join(checkout, "bin/keepmesh.ts"), ...args];
	}
}
