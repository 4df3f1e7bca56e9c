// Objects for tests of virtual IPs on a real cluster: the DaemonSet with its rights, servers that answer in the host's network, and a
// client on the nodes' network that says who answers at an address, and for how long nobody did.

import { type ChildProcess, execFile, execFileSync, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { checkout, namespacePath, nodeProgram } from "../../cluster/cluster-paths.ts";
import { keepmeshImage, nodeImage } from "../../cluster/images/image-names.ts";
import { findFirstProcess } from "../../cluster/machine-processes.ts";
import type { MachineShape } from "../../cluster/plan/cluster-shape.ts";
import type { SetRecord } from "../../cluster/set-record.ts";

const readyPort = 15_112;
const watches = ["get", "list", "watch"];

/** `keepmesh vip run --kubernetes` on every node, its rights as docs/kubernetes/virtual-ips.md asks for them. */
export function vipDaemonSet(namespace: string, args: readonly string[] = []): readonly object[] {
	const name = `keepmesh-vip-${namespace}`;
	const labels = { "app.kubernetes.io/name": "keepmesh-vip" };
	const subjects = [{ kind: "ServiceAccount", name: "keepmesh-vip", namespace }];
	const role = (kind: string, of: string, rules: readonly object[]): readonly object[] => [
		{ apiVersion: "rbac.authorization.k8s.io/v1", kind, metadata: { name: of }, rules },
		{
			apiVersion: "rbac.authorization.k8s.io/v1",
			kind: `${kind}Binding`,
			metadata: { name: of },
			roleRef: { apiGroup: "rbac.authorization.k8s.io", kind, name: of },
			subjects,
		},
	];
	return [
		{ apiVersion: "v1", kind: "ServiceAccount", metadata: { name: "keepmesh-vip" } },
		...role("ClusterRole", name, [
			{ apiGroups: [""], resources: ["nodes"], verbs: watches },
			{ apiGroups: [""], resources: ["services"], verbs: [...watches, "patch"] },
			{ apiGroups: ["discovery.k8s.io"], resources: ["endpointslices"], verbs: watches },
			{ apiGroups: ["keepmesh.io"], resources: ["virtualips", "virtualippools"], verbs: watches },
			{ apiGroups: ["keepmesh.io"], resources: ["virtualips/status"], verbs: ["patch"] },
			{ apiGroups: [""], resources: ["services/status"], verbs: ["patch"] },
			{ apiGroups: [""], resources: ["events"], verbs: ["create"] },
		]),
		...role("Role", "keepmesh-vip", [
			{ apiGroups: [""], resources: ["secrets", "configmaps"], verbs: watches },
			{ apiGroups: ["coordination.k8s.io"], resources: ["leases"], verbs: ["get", "create", "update"] },
		]),
		{
			apiVersion: "apps/v1",
			kind: "DaemonSet",
			metadata: { name: "keepmesh-vip", labels },
			spec: {
				selector: { matchLabels: labels },
				template: {
					metadata: { labels },
					spec: {
						serviceAccountName: "keepmesh-vip",
						hostNetwork: true,
						tolerations: [{ operator: "Exists" }],
						terminationGracePeriodSeconds: 10,
						containers: [
							{
								name: "vip",
								image: keepmeshImage,
								imagePullPolicy: "Never",
								args: ["vip", "run", "--kubernetes", `--metrics-listen=127.0.0.1:${readyPort}`, ...args],
								readinessProbe: {
									httpGet: { host: "127.0.0.1", port: readyPort, path: "/ready" },
									periodSeconds: 1,
									failureThreshold: 1,
								},
								env: [
									{ name: "NODE_NAME", valueFrom: { fieldRef: { fieldPath: "spec.nodeName" } } },
									{ name: "POD_NAMESPACE", valueFrom: { fieldRef: { fieldPath: "metadata.namespace" } } },
								],
								securityContext: {
									runAsUser: 0,
									allowPrivilegeEscalation: false,
									readOnlyRootFilesystem: true,
									capabilities: { drop: ["ALL"], add: ["NET_ADMIN", "NET_RAW", "SYS_NICE"] },
								},
								volumeMounts: [
									{ name: "state", mountPath: "/run/keepmesh-vip" },
									{ name: "tmp", mountPath: "/tmp" },
								],
							},
						],
						volumes: [
							{ name: "state", hostPath: { path: `/var/lib/kubelet/${namespace}`, type: "DirectoryOrCreate" } },
							{ name: "tmp", emptyDir: {} },
						],
					},
				},
			},
		},
	];
}

/** On every node, or one pod on a node: says its node's name to whoever asks, by UDP in the host's network or by HTTP in a pod's. */
export function answering(name: string, port: number, { hostNetwork }: { readonly hostNetwork: boolean }): object {
	const say = hostNetwork
		? `const s=require("dgram").createSocket("udp4");s.on("message",(m,r)=>s.send(process.env.NODE+" "+m,r.port,r.address)).bind(${port})`
		: `require("http").createServer((q,r)=>r.end(process.env.NODE)).listen(${port})`;
	return {
		apiVersion: "apps/v1",
		kind: "DaemonSet",
		metadata: { name },
		spec: {
			selector: { matchLabels: { app: name } },
			template: {
				metadata: { labels: { app: name } },
				spec: {
					hostNetwork,
					terminationGracePeriodSeconds: 0,
					tolerations: [{ operator: "Exists" }],
					containers: [
						{
							name: "main",
							image: nodeImage,
							imagePullPolicy: "Never",
							command: ["node", "-e", say],
							env: [{ name: "NODE", valueFrom: { fieldRef: { fieldPath: "spec.nodeName" } } }],
						},
					],
				},
			},
		},
	};
}

/** Asks each few milliseconds from a machine, until it is stopped. */
export class AddressWatcher {
	readonly #child: ChildProcess;
	readonly #answers: { readonly atMs: number; readonly node: string }[] = [];

	constructor(from: MachineShape, address: string, port: number, everyMs = 5) {
		const script = `const s=require("dgram").createSocket("udp4");s.on("message",m=>console.log(performance.timeOrigin+performance.now(),String(m).split(" ")[0]));s.on("error",()=>{});setInterval(()=>s.send("x",${port},"${address}",()=>{}),${everyMs})`;
		this.#child = spawn("nsenter", [`--net=${namespacePath(from)}`, "--", nodeProgram, "-e", script], {
			stdio: ["ignore", "pipe", "ignore"],
		});
		let rest = "";
		this.#child.stdout?.setEncoding("utf8").on("data", (text: string) => {
			const lines = (rest + text).split("\n");
			rest = lines.pop() ?? "";
			for (const line of lines) {
				const [at = "", node = ""] = line.split(" ");
				this.#answers.push({ atMs: Number(at), node });
			}
		});
	}

	/** Who answered last, within the last second. */
	get node(): string | undefined {
		const last = this.#answers.at(-1);
		return last && performance.timeOrigin + performance.now() - last.atMs < 1000 ? last.node : undefined;
	}

	/** Longest time without an answer since then, until now. */
	longestGapMs(sinceMs: number): number {
		const times = this.#answers.map(({ atMs }) => atMs).filter((atMs) => atMs >= sinceMs - 1000);
		times.push(performance.timeOrigin + performance.now());
		let longest = 0;
		for (const [index, atMs] of times.entries())
			if (atMs >= sinceMs) longest = Math.max(longest, atMs - (times[index - 1] ?? sinceMs));
		return Math.round(longest);
	}

	stop(): void {
		this.#child.kill("SIGKILL");
	}
}

/** On every node: what an API server answers at /livez, in the host's network. */
export function aliveServer(name: string, port: number): object {
	const directory = mkdtempSync(join(tmpdir(), "keepmesh-livez-"));
	const [key, cert] = [join(directory, "key"), join(directory, "cert")];
	const subject = ["-subj", "/CN=kubernetes", "-days", "2"];
	execFileSync(
		"openssl",
		[..."req -x509 -newkey rsa:2048 -nodes".split(" "), "-keyout", key, "-out", cert, ...subject],
		{
			stdio: "ignore",
		},
	);
	const env = [
		{ name: "KEY", value: readFileSync(key, "utf8") },
		{ name: "CERT", value: readFileSync(cert, "utf8") },
	];
	rmSync(directory, { recursive: true });
	const say = `require("https").createServer({key:process.env.KEY,cert:process.env.CERT},(q,r)=>{r.statusCode=q.url==="/livez"?200:404;r.end()}).listen(${port})`;
	const command = ["node", "-e", say];
	const main = { name: "main", image: nodeImage, imagePullPolicy: "Never", command, env };
	return {
		apiVersion: "apps/v1",
		kind: "DaemonSet",
		metadata: { name },
		spec: {
			selector: { matchLabels: { app: name } },
			template: {
				metadata: { labels: { app: name } },
				spec: { hostNetwork: true, terminationGracePeriodSeconds: 0, containers: [main] },
			},
		},
	};
}

/** Standard output of a command of this checkout. */
export async function keepmeshSays(...args: readonly string[]): Promise<string> {
	const command = ["--no-warnings", join(checkout, "bin/keepmesh.ts"), ...args];
	return (await promisify(execFile)(nodeProgram, command)).stdout;
}

/** A manifest in the directory that a node's kubelet reads. */
export class StaticPodFile {
	readonly #path: string;

	constructor(record: SetRecord, node: MachineShape, name: string) {
		const pid = findFirstProcess(node, record.hierarchies);
		if (pid === undefined) throw new Error(`${node.name} is off`);
		this.#path = `/proc/${pid}/root/etc/kubernetes/manifests/${name}.yaml`;
	}

	write(text: string): void {
		mkdirSync(dirname(this.#path), { recursive: true });
		writeFileSync(this.#path, text);
	}

	remove(): void {
		rmSync(this.#path, { force: true });
	}
}
