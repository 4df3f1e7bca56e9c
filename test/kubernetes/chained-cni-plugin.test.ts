// The way in which meshes set a pod's network up: a DaemonSet puts a plug-in onto each node and chains it behind the cluster's own.
// The runtime then calls it for every new pod, before the first container of that pod runs.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { baseImage, nodeImage } from "../../cluster/images/image-names.ts";
import { noCluster, openCluster, type TestCluster, until } from "./test-cluster.ts";

/**
 * Marks the pod's network namespace with an alias of its link, notes the call, and hands on what the plug-in before it has done
 * (https://www.cni.dev/docs/spec/#add-success). The runtime writes the keys of its input in alphabetic order.
 */
const plugin = `#!/bin/sh
input=$(cat)
[ "$CNI_COMMAND" = VERSION ] && { echo '{"cniVersion":"1.0.0","supportedVersions":["1.0.0"]}'; exit 0; }
echo "$CNI_COMMAND $CNI_ARGS" >>/run/keepmesh-test-plugin.log
[ "$CNI_COMMAND" = ADD ] || exit 0
nsenter --net="$CNI_NETNS" ip link set eth0 alias marked
printf '%s' "$input" | tr -d '\\n' | sed -e 's/^.*"prevResult"://' -e 's/,"type":"[^"]*"}$//'
`;
/** Installs the plug-in, and takes it away again when it is told to end. */
const installer = `
	const { copyFileSync, readFileSync, renameSync, rmSync, writeFileSync } = require("fs");
	const list = "/host/etc/cni/net.d/10-pods.conflist", program = "/host/opt/cni/bin/keepmesh-test";
	const change = (edit) => {
		const content = JSON.parse(readFileSync(list, "utf8"));
		content.plugins = edit(content.plugins.filter(({ type }) => type !== "keepmesh-test"));
		writeFileSync(list + ".new", JSON.stringify(content));
		renameSync(list + ".new", list);
	};
	writeFileSync(program, process.env.PLUGIN, { mode: 0o755 });
	change((plugins) => [...plugins, { type: "keepmesh-test" }]);
	writeFileSync("/tmp/installed", "");
	setInterval(() => {}, 60000);
	process.on("SIGTERM", () => { change((plugins) => plugins); rmSync(program); process.exit(0); });`;
const labels = { app: "installer" };
const volumes = [
	{ name: "programs", path: "/opt/cni/bin" },
	{ name: "lists", path: "/etc/cni/net.d" },
	{ name: "run", path: "/run" },
];
const daemonSet = {
	apiVersion: "apps/v1",
	kind: "DaemonSet",
	metadata: { name: "installer" },
	spec: {
		selector: { matchLabels: labels },
		template: {
			metadata: { labels },
			spec: {
				hostNetwork: true,
				tolerations: [{ operator: "Exists" }],
				terminationGracePeriodSeconds: 10,
				containers: [
					{
						name: "installer",
						image: nodeImage,
						command: ["node", "-e", installer],
						env: [{ name: "PLUGIN", value: plugin }],
						readinessProbe: { exec: { command: ["ls", "/tmp/installed"] }, periodSeconds: 1 },
						volumeMounts: volumes.map(({ name, path }) => ({ name, mountPath: `/host${path}` })),
					},
				],
				volumes: volumes.map(({ name, path }) => ({ name, hostPath: { path } })),
			},
		},
	},
};
const podNamed = (name: string): object => ({
	apiVersion: "v1",
	kind: "Pod",
	metadata: { name },
	spec: {
		terminationGracePeriodSeconds: 0,
		containers: [
			{
				name: "main",
				image: baseImage,
				command: ["sh", "-c", 'echo "[$(cat /sys/class/net/eth0/ifalias)]"; sleep 600'],
			},
		],
	},
});

describe("a chained CNI plug-in that a DaemonSet installs", { skip: noCluster, timeout: 300_000 }, () => {
	let cluster: TestCluster;
	before(async () => {
		cluster = await openCluster();
		await cluster.apply(daemonSet);
		await cluster.kubectl("rollout", "status", "daemonset/installer", "--timeout=180s");
	});
	after(() => cluster?.close());

	const start = async (name: string): Promise<string> => {
		await cluster.apply(podNamed(name));
		await cluster.kubectl("wait", "--for=condition=Ready", `pod/${name}`, "--timeout=180s");
		let logs = "";
		await until(`${name} says what it found`, async () => {
			logs = await cluster.kubectl("logs", name);
			return logs !== "";
		});
		return logs;
	};

	it("has set the pod's network up before its first container runs", async () => {
		assert.equal(await start("marked"), "[marked]\n");
	});

	it("is told which pod it is called for", async () => {
		const node = await cluster.kubectl("get", "pod", "marked", "--output", "jsonpath={.spec.nodeName}");
		const selector = ["--selector", "app=installer", "--field-selector", `spec.nodeName=${node}`];
		const installerPod = await cluster.kubectl(
			"get",
			"pods",
			...selector,
			"--output",
			"jsonpath={.items[0].metadata.name}",
		);
		const log = await cluster.exec(installerPod, "cat", "/host/run/keepmesh-test-plugin.log");
		// The runtime gives its arguments in any order.
		const calls = log.split("\n").map((line) => {
			const [command, args = ""] = line.split(" ");
			const given = new Map(args.split(";").map((arg) => arg.split("=") as [string, string]));
			return `${command} ${given.get("K8S_POD_NAMESPACE")}/${given.get("K8S_POD_NAME")}`;
		});
		const added = `ADD ${cluster.namespace}/marked`;
		assert.deepEqual(
			calls.filter((call) => call === added),
			[added],
			log,
		);
	});

	it("is no longer called once the DaemonSet has gone", async () => {
		await cluster.kubectl("delete", "daemonset", "installer");
		await until("the installers have gone", async () => {
			const left = await cluster.kubectl("get", "pods", "--selector", "app=installer", "--output", "name");
			return left === "";
		});
		assert.equal(await start("plain"), "[]\n");
	});
});
