// Rules of RemoteCluster.

import { describeRules } from "./rules.testing.ts";

const noEffect = "warning : RemoteCluster is accepted but has no effect yet";

describeRules("RemoteCluster", [
	["a cluster by its kubeconfig", "kubeconfig: {secretName: west}", noEffect],
	[
		"the whole of it",
		"clusterId: west\nkubeconfig: {secretName: west, key: config}\nnetwork: net-2\ngateways: [{address: 192.0.2.1}, {address: gw.example.com, port: 15443}]\nenabled: false",
		noEffect,
	],
	["no kubeconfig", "network: net-2", "error spec.kubeconfig: kubeconfig is missing"],
	[
		"a Secret that no Secret is called",
		"kubeconfig: {secretName: West Secret}",
		"error spec.kubeconfig.secretName",
		noEffect,
	],
	["an id with a slash", "clusterId: a/b\nkubeconfig: {secretName: a}", "error spec.clusterId", noEffect],
	["a network of nothing", "network: ''\nkubeconfig: {secretName: a}", "error spec.network", noEffect],
	[
		"a gateway that is no host",
		"kubeconfig: {secretName: a}\ngateways: [{address: 'not a host'}]",
		"error spec.gateways[0].address",
		noEffect,
	],
]);
