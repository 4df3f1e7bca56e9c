// The fields of KubeProxyConfiguration (kubeproxy.config.k8s.io/v1alpha1, kube-proxy 1.36), and those of them that do nothing
// here, each with the reason: naming one is no error, and is never passed over in silence.

import {
	any,
	choice,
	durationOrZero,
	flag,
	openStruct,
	smallCount,
	struct,
	text,
	texts,
	whole,
} from "../../resources/shapes/shape.ts";
import { schedulerNames } from "../scheduler.ts";

const bit = whole(0, 31, "a bit from 0 to 31");
const periods = { syncPeriod: durationOrZero, minSyncPeriod: durationOrZero };

export const kubeProxyShape = struct(
	{
		apiVersion: choice("kubeproxy.config.k8s.io/v1alpha1"),
		kind: choice("KubeProxyConfiguration"),
		mode: choice("", "iptables", "ipvs", "nftables"),
		ipvs: struct({
			...periods,
			scheduler: choice("", ...schedulerNames.filter((name) => name !== "random" && name !== "maglev")),
			excludeCIDRs: texts,
			strictARP: flag,
			tcpTimeout: durationOrZero,
			tcpFinTimeout: durationOrZero,
			udpTimeout: durationOrZero,
		}),
		nftables: struct({ ...periods, masqueradeAll: flag, masqueradeBit: bit }),
		iptables: struct({ ...periods, masqueradeAll: flag, masqueradeBit: bit, localhostNodePorts: flag }),
		nodePortAddresses: texts,
		clusterCIDR: text,
		detectLocalMode: choice("", "ClusterCIDR", "NodeCIDR", "BridgeInterface", "InterfaceNamePrefix"),
		detectLocal: struct({ bridgeInterface: text, interfaceNamePrefix: text }),
		healthzBindAddress: text,
		metricsBindAddress: text,
		hostnameOverride: text,
		bindAddress: text,
		conntrack: struct({
			maxPerCore: smallCount,
			min: smallCount,
			tcpEstablishedTimeout: durationOrZero,
			tcpCloseWaitTimeout: durationOrZero,
			tcpBeLiberal: flag,
			udpTimeout: durationOrZero,
			udpStreamTimeout: durationOrZero,
		}),
		portRange: text,
		bindAddressHardFail: flag,
		clientConnection: openStruct({}),
		configSyncPeriod: durationOrZero,
		enableProfiling: flag,
		featureGates: openStruct({}),
		logging: openStruct({}),
		oomScoreAdj: any,
		showHiddenMetricsForVersion: text,
		windowsRunAsService: flag,
		winkernel: openStruct({}),
	},
	"apiVersion",
	"kind",
);

const whyNot = {
	source: "Keepmesh's own control plane tells the node what there is",
	atOnce: "a change is in force at once, and several that come together are one write",
	watched: "the tables are watched: what somebody else changes in them is put right at once",
	conntrack: "`keepmesh check` says what this machine needs, `keepmesh check --fix` sets it",
	windows: "it is for Windows",
};

/** Path -> why it has no effect. What is left at nothing, zero or false is not worth a word. */
export const fieldsWithoutEffect: Readonly<Record<string, string>> = {
	"ipvs.minSyncPeriod": whyNot.atOnce,
	"nftables.minSyncPeriod": whyNot.atOnce,
	"nftables.syncPeriod": whyNot.watched,
	"iptables.minSyncPeriod": whyNot.atOnce,
	"iptables.syncPeriod": whyNot.watched,
	"iptables.localhostNodePorts": "node ports are not answered on loopback addresses",
	conntrack: whyNot.conntrack,
	portRange: "only the userspace mode had it, which is gone",
	bindAddressHardFail: "an address that cannot be bound is reported, and service goes on",
	clientConnection: whyNot.source,
	configSyncPeriod: whyNot.source,
	enableProfiling: "there is no profiling handler",
	featureGates: "what they switch in kube-proxy is always as in Kubernetes 1.36 here",
	logging: "`--log-level` says how much is logged",
	oomScoreAdj: "the service unit of the node sets it",
	showHiddenMetricsForVersion: "no metric is hidden",
	windowsRunAsService: whyNot.windows,
	winkernel: whyNot.windows,
};
