// Objects of the node agents' tests: a control plane and agents as the charts install them, with more rights; pods with a proxy as the
// webhook would make them; and the programs that run in them.

import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { parse } from "yaml";
import { checkout, nodeProgram } from "../../cluster/cluster-paths.ts";
import { keepmeshImage, nodeImage } from "../../cluster/images/image-names.ts";

/** Says who calls, as its Envoy knows it. */
export const server = `require("http").createServer((request, response) =>
	response.end(String(request.headers["x-forwarded-client-cert"]))).listen(8080)`;
/** Calls the server with the first thing that it does, then waits to be told to. */
export const client = `const call = (url) => new Promise((resolve) => require("http")
		.get(url, { agent: false, timeout: 5000 }, (response) => {
			let from = "";
			response.on("data", (chunk) => (from += chunk)).on("end", () => resolve({ status: response.statusCode, from }));
		}).on("error", (error) => resolve({ status: 0, from: error.message })));
	call("http://" + process.env.SERVER).then((first) => console.log(JSON.stringify(first)));
	setInterval(() => {}, 1e6);`;
/**
 * Every 20 ms a request on a new connection, for as long as the argument says; prints those not answered with 200: what came instead,
 * when; and how many were under way when the first of them failed, with that one.
 */
export const load = `const { get } = require("http"), bad = [];
	const [url, ms] = process.argv.slice(1), startMs = performance.now();
	const sinceStartMs = () => Math.round(performance.now() - startMs);
	let open = 0, underWay = 0;
	const call = () => {
		const sentMs = sinceStartMs();
		const lose = (why) => {
			underWay ||= open;
			bad.push("sent " + sentMs + " ms, " + sinceStartMs() + " ms: " + why);
		};
		open++;
		get(url, { agent: false, timeout: 5000 }, (response) => {
			if (response.statusCode === 200) return void response.resume();
			let body = "";
			response.on("data", (chunk) => (body += chunk)).on("end", () => lose(response.statusCode + " " + body));
		}).on("timeout", function () {
			this.destroy(new Error("no answer within 5 s"));
		}).on("error", (error) => lose(error.message)).on("close", () => open--);
	};
	const timer = setInterval(() => {
		if (sinceStartMs() < Number(ms)) return void call();
		clearInterval(timer);
		setTimeout(() => console.log(JSON.stringify({ bad, underWay })), 5500);
	}, 20);`;

/** Every 10 ms a request to a host of a gateway; prints how many were sent, and when those were that got no answer within 2 s, or a bad one. */
export const gatewayLoad = `const { get } = require("http"), lost = [];
	const [url, host, ms] = process.argv.slice(1), startMs = performance.now();
	let sent = 0, open = 0;
	const call = () => {
		const atMs = Math.round(performance.now() - startMs);
		const lose = (why) => lost.push([atMs, why]);
		sent++, open++;
		const asked = get(url, { agent: false, headers: { host } }, (response) => {
			response.resume().on("close", () => open--);
			if (response.statusCode !== 200) lose(response.statusCode);
		}).on("error", (error) => (open--, lose(error.code ?? error.message)));
		setTimeout(() => asked.destroy(), 2000).unref();
	};
	const timer = setInterval(() => {
		if (performance.now() - startMs < Number(ms)) return call();
		clearInterval(timer);
		setInterval(() => open === 0 && (console.log(JSON.stringify({ sent, lost })), process.exit()), 50);
	}, 10);`;

/** A gateway on each of these nodes, behind one Service, that leads to the server. */
export function gateways(nodes: readonly string[]): readonly object[] {
	const labels = { app: "gateway", "sidecar.istio.io/inject": "true" };
	const pods = nodes.map((nodeName) => ({
		apiVersion: "v1",
		kind: "Pod",
		metadata: {
			name: `gateway-${nodeName}`,
			labels,
			annotations: { "inject.istio.io/templates": "gateway" },
		},
		spec: { nodeName, terminationGracePeriodSeconds: 1, containers: [{ name: "istio-proxy", image: "auto" }] },
	}));
	return [
		...pods.map(injected),
		{
			apiVersion: "v1",
			kind: "Service",
			metadata: { name: "gateway" },
			spec: { selector: { app: "gateway" }, ports: [{ name: "http", port: 80, targetPort: 8080 }] },
		},
		{
			apiVersion: "networking.istio.io/v1",
			kind: "Gateway",
			metadata: { name: "gateway" },
			spec: {
				selector: { app: "gateway" },
				servers: [{ port: { number: 80, name: "http", protocol: "HTTP" }, hosts: [gatewayHost] }],
			},
		},
		{
			apiVersion: "networking.istio.io/v1",
			kind: "VirtualService",
			metadata: { name: "gateway" },
			spec: {
				hosts: [gatewayHost],
				gateways: ["gateway"],
				http: [{ route: [{ destination: { host: "server" } }] }],
			},
		},
	];
}

export const gatewayHost = "shop.example.com";

/** As the webhook would, by the same code. */
export function injected(pod: object): object {
	const args = ["--no-warnings", join(checkout, "bin/keepmesh.ts"), "inject", "-f", "-", "--image", keepmeshImage];
	return parse(execFileSync(nodeProgram, args, { input: JSON.stringify(pod), encoding: "utf8" })) as object;
}

export const podOf = (name: string, nodeName: string, program: string, address: string, annotations = {}): object => ({
	apiVersion: "v1",
	kind: "Pod",
	metadata: { name, labels: { app: name }, annotations },
	spec: {
		nodeName,
		terminationGracePeriodSeconds: 1,
		containers: [
			{
				name: "app",
				image: nodeImage,
				command: ["node", "-e", program],
				env: [{ name: "SERVER", value: address }],
				ports: [{ containerPort: 8080, name: "http" }],
			},
		],
	},
});

export const listLook = (): object => ({
	apiVersion: "v1",
	kind: "Pod",
	metadata: { name: "look" },
	spec: {
		nodeName: "n2",
		restartPolicy: "Never",
		terminationGracePeriodSeconds: 0,
		containers: [
			{
				name: "look",
				image: nodeImage,
				command: ["sh", "-c", "cat /lists/*; ls /programs"],
				volumeMounts: [
					{ name: "lists", mountPath: "/lists" },
					{ name: "programs", mountPath: "/programs" },
				],
			},
		],
		volumes: [
			{ name: "lists", hostPath: { path: "/etc/cni/net.d" } },
			{ name: "programs", hostPath: { path: "/opt/cni/bin" } },
		],
	},
});

/** Sends signals to a node's processes where there is no agent that could. */
export const signaller = (nodeName: string): object => ({
	apiVersion: "v1",
	kind: "Pod",
	metadata: { name: "signaller" },
	spec: {
		nodeName,
		hostPID: true,
		terminationGracePeriodSeconds: 0,
		containers: [
			{
				name: "signaller",
				image: nodeImage,
				command: ["sleep", "1000"],
				securityContext: { privileged: true },
			},
		],
	},
});

/** A control plane, and rights for it and the agents; what the charts give is less. */
export function installation(namespace: string): readonly object[] {
	const accounts = ["keepmesh-control", "keepmesh-node"];
	const labels = { app: "keepmesh-control" };
	return [
		...accounts.map((name) => ({ apiVersion: "v1", kind: "ServiceAccount", metadata: { name } })),
		{
			apiVersion: "rbac.authorization.k8s.io/v1",
			kind: "ClusterRoleBinding",
			metadata: { name: namespace },
			roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "cluster-admin" },
			subjects: accounts.map((name) => ({ kind: "ServiceAccount", name, namespace })),
		},
		{
			apiVersion: "v1",
			kind: "Service",
			metadata: { name: "keepmesh-control" },
			spec: {
				selector: labels,
				publishNotReadyAddresses: true,
				ports: [
					{ name: "grpc", port: 15_012 },
					{ name: "http-api", port: 15_014 },
				],
			},
		},
		{
			apiVersion: "apps/v1",
			kind: "Deployment",
			metadata: { name: "keepmesh-control" },
			spec: {
				selector: { matchLabels: labels },
				template: {
					metadata: { labels },
					spec: {
						serviceAccountName: "keepmesh-control",
						terminationGracePeriodSeconds: 2,
						containers: [
							{
								name: "control",
								image: keepmeshImage,
								args: [
									"control",
									"--kubernetes",
									`--system-namespace=${namespace}`,
									"--id=$(POD_NAME)",
									"--xds=0.0.0.0:15012",
									"--advertise=$(POD_IP):15012",
									"--data=/data",
									"--api=0.0.0.0:15014",
								],
								env: fieldsOf({ POD_NAME: "metadata.name", POD_IP: "status.podIP" }),
								readinessProbe: { httpGet: { path: "/readyz", port: 15_014 }, periodSeconds: 1 },
								volumeMounts: [{ name: "data", mountPath: "/data" }],
							},
						],
						volumes: [{ name: "data", emptyDir: {} }],
					},
				},
			},
		},
	];
}

export function daemonSet(namespace: string, args: readonly string[] = []): object {
	const labels = { app: "keepmesh-node" };
	const directories = {
		state: { path: "/var/lib/keepmesh-test", mountPath: "/var/lib/keepmesh-test" },
		run: { path: "/run/keepmesh-test", mountPath: "/run/keepmesh-test" },
		programs: { path: "/opt/cni/bin", mountPath: "/host/opt/cni/bin" },
		lists: { path: "/etc/cni/net.d", mountPath: "/host/etc/cni/net.d" },
		netns: { path: "/var/run/netns", mountPath: "/var/run/netns", mountPropagation: "HostToContainer" },
	};
	const token = { serviceAccountToken: { audience: "istio-ca", expirationSeconds: 3600, path: "istio-token" } };
	return {
		apiVersion: "apps/v1",
		kind: "DaemonSet",
		metadata: { name: "keepmesh-node" },
		spec: {
			selector: { matchLabels: labels },
			template: {
				metadata: { labels },
				spec: {
					serviceAccountName: "keepmesh-node",
					hostNetwork: true,
					hostPID: true,
					dnsPolicy: "ClusterFirstWithHostNet",
					tolerations: [{ operator: "Exists" }],
					terminationGracePeriodSeconds: 20,
					containers: [
						{
							name: "node",
							image: keepmeshImage,
							args: [
								"node",
								"--kubernetes",
								"--state=/var/lib/keepmesh-test",
								"--run=/run/keepmesh-test",
								`--control=keepmesh-control.${namespace}.svc:15012`,
								"--layer4=off",
								...args,
							],
							env: fieldsOf({
								NODE_NAME: "spec.nodeName",
								POD_NAME: "metadata.name",
								POD_NAMESPACE: "metadata.namespace",
							}),
							securityContext: { privileged: true },
							volumeMounts: [
								...Object.entries(directories).map(([name, { path: _, ...mount }]) => ({ name, ...mount })),
								{ name: "tokens", mountPath: "/var/run/secrets/tokens" },
							],
						},
						{
							name: "spare",
							image: keepmeshImage,
							command: ["/bin/sh", "/opt/keepmesh/src/kubernetes/node/spare-holder.sh"],
							securityContext: { runAsUser: 65_534, capabilities: { drop: ["ALL"] } },
						},
					],
					volumes: [
						...Object.entries(directories).map(([name, { path }]) => ({
							name,
							hostPath: { path, type: "DirectoryOrCreate" },
						})),
						{ name: "tokens", projected: { sources: [token] } },
					],
				},
			},
		},
	};
}

const fieldsOf = (fields: Readonly<Record<string, string>>): readonly object[] =>
	Object.entries(fields).map(([name, fieldPath]) => ({ name, valueFrom: { fieldRef: { fieldPath } } }));
