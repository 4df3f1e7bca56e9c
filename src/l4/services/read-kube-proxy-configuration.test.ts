import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type KubeProxySettings, type MachineFacts, nodeFactsOf } from "./kube-proxy-settings.ts";
import { readKubeProxyConfiguration } from "./read-kube-proxy-configuration.ts";

const head = "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n";
const withPods = `${head}clusterCIDR: 10.244.0.0/16\n`;

/** As kubeadm 1.36 writes it. */
const kubeadms = `apiVersion: kubeproxy.config.k8s.io/v1alpha1
bindAddress: 0.0.0.0
bindAddressHardFail: false
clientConnection:
  acceptContentTypes: ""
  burst: 0
  contentType: ""
  kubeconfig: /var/lib/kube-proxy/kubeconfig.conf
  qps: 0
clusterCIDR: 10.244.0.0/16,fd00:244::/56
configSyncPeriod: 0s
conntrack: {maxPerCore: null, min: null, tcpBeLiberal: false, tcpCloseWaitTimeout: null, tcpEstablishedTimeout: null, udpStreamTimeout: 0s, udpTimeout: 0s}
detectLocal: {bridgeInterface: "", interfaceNamePrefix: ""}
detectLocalMode: ""
enableProfiling: false
healthzBindAddress: ""
hostnameOverride: ""
iptables: {localhostNodePorts: null, masqueradeAll: false, masqueradeBit: null, minSyncPeriod: 0s, syncPeriod: 0s}
ipvs: {excludeCIDRs: null, minSyncPeriod: 0s, scheduler: "", strictARP: false, syncPeriod: 0s, tcpFinTimeout: 0s, tcpTimeout: 0s, udpTimeout: 0s}
kind: KubeProxyConfiguration
logging: {flushFrequency: 0, options: {json: {infoBufferSize: "0"}, text: {infoBufferSize: "0"}}, verbosity: 0}
metricsBindAddress: ""
mode: ""
nftables: {masqueradeAll: false, masqueradeBit: null, minSyncPeriod: 0s, syncPeriod: 0s}
nodePortAddresses: null
oomScoreAdj: null
portRange: ""
showHiddenMetricsForVersion: ""
winkernel: {enableDSR: false, forwardHealthCheckVip: false, networkName: "", rootHnsEndpointName: "", sourceVip: ""}
`;

const machine: MachineFacts = {
	name: "worker-1",
	zone: "zone-1",
	families: ["ipv4", "ipv6"],
	primaryAddresses: ["192.0.2.1", "2001:db8::1"],
	addresses: ["127.0.0.1", "::1", "192.0.2.1", "198.51.100.9", "2001:db8::1"],
	podRanges: ["10.244.3.0/24"],
};

function settingsOf(text: string): KubeProxySettings {
	const { settings, problems } = readKubeProxyConfiguration("kube-proxy.yaml", text);
	assert.ok(settings, JSON.stringify(problems));
	return settings;
}

function problemsOf(text: string): readonly string[] {
	return readKubeProxyConfiguration("kube-proxy.yaml", text).problems.map(
		({ severity, path, message }) => `${severity} ${path}: ${message}`,
	);
}

describe("a KubeProxyConfiguration", () => {
	it("is read as kubeadm writes it, and only what it really sets and Keepmesh does not heed is named", () => {
		assert.deepEqual(settingsOf(kubeadms), {
			backend: "nftables",
			nodePorts: { type: "all" },
			pods: { type: "traffic", traffic: { type: "ranges", ranges: ["10.244.0.0/16", "fd00:244::/56"] } },
			masqueradeBit: 14,
			masqueradeAll: false,
			syncPeriodMs: 30_000,
			ipvs: { strictArp: false, excludeRanges: [] },
			health: { address: "0.0.0.0", port: 10_256 },
			metrics: { address: "127.0.0.1", port: 10_249 },
		});
		assert.deepEqual(problemsOf(kubeadms), ["warning clientConnection: is accepted but has no effect"]);
	});

	it("is found among the other configurations of kubeadm's file", () => {
		const file = `apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\n---\n${withPods}mode: ipvs\n`;
		assert.equal(settingsOf(file).backend, "ipvs");
	});

	it("takes IPVS with its scheduler, time-outs, strict ARP and the ranges of other people's servers", () => {
		const settings = settingsOf(
			`${withPods}mode: ipvs\niptables: {masqueradeBit: 5, masqueradeAll: true}\nipvs: {scheduler: wlc, strictARP: true, syncPeriod: 1m, tcpTimeout: 15m0s, tcpFinTimeout: 2m, udpTimeout: 300s, excludeCIDRs: [203.0.113.7/24]}\n`,
		);
		assert.equal(settings.scheduler, "wlc");
		assert.equal(settings.masqueradeBit, 5);
		assert.equal(settings.masqueradeAll, true);
		assert.equal(settings.syncPeriodMs, 60_000);
		assert.deepEqual(settings.ipvs, {
			strictArp: true,
			excludeRanges: ["203.0.113.0/24"],
			tcpTimeoutSec: 900,
			tcpFinTimeoutSec: 120,
			udpTimeoutSec: 300,
		});
	});

	it("takes the masquerade bit of the mode that it chooses", () => {
		const bits = "iptables: {masqueradeBit: 5}\nnftables: {masqueradeBit: 6}\n";
		assert.equal(settingsOf(`${withPods}mode: nftables\n${bits}`).masqueradeBit, 6);
		assert.equal(settingsOf(`${withPods}mode: ipvs\n${bits}`).masqueradeBit, 5);
	});

	it("takes addresses to listen at with and without a port, of both families", () => {
		const settings = settingsOf(`${withPods}bindAddress: "::"\nhealthzBindAddress: 10.0.0.1\n`);
		assert.deepEqual(settings.health, { address: "10.0.0.1", port: 10_256 });
		assert.deepEqual(settings.metrics, { address: "::1", port: 10_249 });
		assert.deepEqual(settingsOf(`${withPods}metricsBindAddress: "[::]:9"\n`).metrics, { address: "::", port: 9 });
	});

	const problems: readonly (readonly [what: string, text: string, ...expected: readonly string[]])[] = [
		["another kind", "apiVersion: v1\nkind: Pod\n", "error apiVersion: must be one of", "error kind: must be one of"],
		["nothing", "# empty\n", "error : holds nothing"],
		["text that is no YAML", "a: [", "error : "],
		["a mode of Windows", `${withPods}mode: kernelspace\n`, "error mode: must be one of"],
		["the iptables mode", `${withPods}mode: iptables\n`, "warning mode: there is no iptables mode"],
		["an unknown field", `${withPods}strictARP: true\n`, "error strictARP: there is no field strictARP here"],
		["an unknown scheduler", `${withPods}ipvs: {scheduler: rrr}\n`, "error ipvs.scheduler: must be one of"],
		["a bit that is none", `${withPods}nftables: {masqueradeBit: 32}\n`, "error nftables.masqueradeBit: "],
		["a range that is none", `${head}clusterCIDR: pods\n`, 'error clusterCIDR: "pods" is not a range'],
		["two ranges of one family", `${head}clusterCIDR: 10.1.0.0/16,10.2.0.0/16\n`, "error clusterCIDR: has two ranges"],
		["pods that nothing tells from others", head, "warning clusterCIDR: is not set"],
		["a bridge without a name", `${head}detectLocalMode: BridgeInterface\n`, "error detectLocal.bridgeInterface: "],
		[
			"an unused cluster range",
			`${withPods}detectLocalMode: NodeCIDR\n`,
			"warning clusterCIDR: has no effect with detectLocalMode NodeCIDR",
		],
		[
			"primary beside a range",
			`${withPods}nodePortAddresses: [10.0.0.0/8, primary]\n`,
			"error nodePortAddresses[1]: primary stands beside ranges",
		],
		["a bad node port range", `${withPods}nodePortAddresses: [10.0.0.1]\n`, "error nodePortAddresses[0]: "],
		["an address to listen at that is none", `${withPods}healthzBindAddress: host:1\n`, "error healthzBindAddress: "],
		[
			"periods the wrong way round",
			`${withPods}mode: nftables\nnftables: {syncPeriod: 1s, minSyncPeriod: 2s}\n`,
			"error nftables.minSyncPeriod: is longer than syncPeriod",
			"warning nftables.minSyncPeriod: is accepted but has no effect",
			"warning nftables.syncPeriod: is accepted but has no effect",
		],
		[
			"settings of a mode that is not chosen",
			`${withPods}mode: nftables\nipvs: {strictARP: true}\niptables: {masqueradeAll: true, masqueradeBit: 14}\n`,
			"warning ipvs.strictARP: has no effect in mode nftables",
			"warning iptables.masqueradeAll: has no effect in mode nftables",
		],
		[
			"fields that do nothing here",
			`${withPods}portRange: 1-2\nfeatureGates: {A: true}\nconntrack: {maxPerCore: 1}\niptables: {localhostNodePorts: true}\n`,
			"warning iptables.localhostNodePorts: is accepted but has no effect",
			"warning conntrack: is accepted but has no effect",
			"warning portRange: is accepted but has no effect",
			"warning featureGates: is accepted but has no effect",
		],
	];
	for (const [what, text, ...expected] of problems)
		it(`names ${what}`, () => {
			const found = problemsOf(text);
			assert.equal(found.length, expected.length, found.join("\n"));
			for (const [index, beginning] of expected.entries())
				assert.ok(found[index]?.startsWith(beginning), `${found[index]}\nshould begin with\n${beginning}`);
		});

	it("says where the problem stands", () => {
		const { problems: found } = readKubeProxyConfiguration("f.yaml", `${head}ipvs:\n  scheduler: x\n`);
		assert.deepEqual(found[0]?.origin, { file: "f.yaml", line: 4, column: 3 });
	});
});

describe("the facts of a node from its settings", () => {
	const facts = (text: string): ReturnType<typeof nodeFactsOf> => nodeFactsOf(settingsOf(text), machine);

	it("answers node ports at the primary addresses in mode nftables, at all but loopback in the others", () => {
		assert.deepEqual(facts(`${withPods}mode: nftables\n`).nodePortAddresses, ["192.0.2.1", "2001:db8::1"]);
		assert.deepEqual(facts(withPods).nodePortAddresses, ["192.0.2.1", "198.51.100.9", "2001:db8::1"]);
	});

	it("answers node ports in the ranges that are given", () => {
		assert.deepEqual(facts(`${withPods}nodePortAddresses: [198.51.100.0/24]\n`).nodePortAddresses, ["198.51.100.9"]);
	});

	it("knows pods by the node's own range, by a bridge, or not at all", () => {
		assert.deepEqual(facts(`${head}detectLocalMode: NodeCIDR\n`).localTraffic, {
			type: "ranges",
			ranges: ["10.244.3.0/24"],
		});
		const bridge = `${head}detectLocalMode: BridgeInterface\ndetectLocal: {bridgeInterface: cni0}\n`;
		assert.deepEqual(facts(bridge).localTraffic, { type: "interface", name: "cni0", isPrefix: false });
		const prefix = `${head}detectLocalMode: InterfaceNamePrefix\ndetectLocal: {interfaceNamePrefix: veth}\n`;
		assert.deepEqual(facts(prefix).localTraffic, { type: "interface", name: "veth", isPrefix: true });
		assert.equal(facts(head).localTraffic, undefined);
	});

	it("takes its name and its own address from the configuration when it has them", () => {
		const own = facts(`${withPods}hostnameOverride: Other\nbindAddress: 198.51.100.9\nmode: nftables\n`);
		assert.equal(own.name, "other");
		assert.deepEqual(own.nodePortAddresses, ["198.51.100.9", "2001:db8::1"]);
	});

	it("chooses at random with nftables, in turn with IPVS", () => {
		assert.equal(facts(withPods).scheduler, "random");
		assert.equal(facts(`${withPods}mode: ipvs\n`).scheduler, "rr");
	});
});
