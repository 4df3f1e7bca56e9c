// Every command with its one line of help. A command's module is loaded only when it is run.

import type { Command } from "commander";

export interface CommandEntry {
	readonly name: string;
	readonly summary: string;
	readonly load: () => Promise<Command>;
}

export const commandList: readonly CommandEntry[] = [
	{
		name: "demo",
		summary: "bring a mesh up on this machine and show what it does, measured",
		load: async () => (await import("./demo-command.ts")).demoCommand(),
	},
	{
		name: "lab",
		summary: "nodes and pods as network namespaces on this machine: up, down, apply, exec",
		load: async () => (await import("./lab-command.ts")).labCommand(),
	},
	{
		name: "control",
		summary: "run a control plane",
		load: async () => (await import("./control-command.ts")).controlCommand(),
	},
	{
		name: "node",
		summary: "run the agent of a machine: relay, proxies, redirect",
		load: async () => (await import("./node-command.ts")).nodeCommand(),
	},
	{
		name: "restart-proxy",
		summary: "the Envoy of a pod hands over to a new one, and no connection is refused",
		load: async () => (await import("./restart-proxy-command.ts")).restartProxyCommand(),
	},
	{
		name: "token",
		summary: "join tokens: what a new node shows once to become part of the mesh",
		load: async () => (await import("./token-command.ts")).tokenCommand(),
	},
	{
		name: "node-dns",
		summary: "serve the mesh's names over DNS (the node agent starts it)",
		load: async () => (await import("./node-dns-command.ts")).nodeDnsCommand(),
	},
	{
		name: "status",
		summary: "the mesh on one screen: control plane, proxies in sync, problems",
		load: async () => (await import("./status-command.ts")).statusCommand(),
	},
	{
		name: "events",
		summary: "which pods' connections went another way (sidecar, spare, direct, closed), when, why and by whom",
		load: async () => (await import("./events-command.ts")).eventsCommand(),
	},
	{
		name: "alerts",
		summary: "print alerting rules for Prometheus",
		load: async () => (await import("./alerts-command.ts")).alertsCommand(),
	},
	{
		name: "get",
		summary: "list resources, with what became of them",
		load: async () => (await import("./get-command.ts")).getCommand(),
	},
	{
		name: "describe",
		summary: "one resource or service: what applies to it, where it is in force, and why not",
		load: async () => (await import("./describe-command.ts")).describeCommand(),
	},
	{
		name: "authz",
		summary: "may a workload send a request to another, and which rule decides: authz check SRC DST GET /",
		load: async () => (await import("./authz-command.ts")).authzCommand(),
	},
	{
		name: "certs",
		summary: "every workload's certificate, roots and issuers; rotate them, recover an expired root",
		load: async () => (await import("./certs-command.ts")).certsCommand(),
	},
	{
		name: "vip",
		summary: "virtual IPs over VRRP: run a keepalived.conf or resources; who owns what and why; move, check, import",
		load: async () => (await import("./vip-command.ts")).vipCommand(),
	},
	{
		name: "manifest",
		summary: "print a static pod: manifest vip holds the API server's address on the machines of a control plane",
		load: async () => (await import("./manifest-command.ts")).manifestCommand(),
	},
	{
		name: "l4",
		summary: "Services in the kernel: the rules of a node, who answers with which share, what a connection meets",
		load: async () => (await import("./l4-command.ts")).l4Command(),
	},
	{
		name: "bypass",
		summary: "take pods' connections off their proxies for a time: bypass POD|NODE|--all --for 10m; --list",
		load: async () => (await import("./bypass-command.ts")).bypassCommand(),
	},
	{
		name: "restore",
		summary: "end a bypass: restore POD|NODE|--all",
		load: async () => (await import("./bypass-command.ts")).restoreCommand(),
	},
	{
		name: "hotswitch",
		summary: "pods that Istio's init container redirected: save the rules, take them off, put them back",
		load: async () => (await import("./hotswitch-command.ts")).hotswitchCommand(),
	},
	{
		name: "check",
		summary: "kernel settings, limits and conflicts of this machine: what must change and why; --fix, --undo",
		load: async () => (await import("./check-command.ts")).checkCommand(),
	},
	{
		name: "install",
		summary: "install the mesh into a Kubernetes cluster",
		load: async () => (await import("./install-command.ts")).installCommand(),
	},
	{
		name: "upgrade",
		summary: "bring an installation in a Kubernetes cluster to this version",
		load: async () => (await import("./install-command.ts")).upgradeCommand(),
	},
	{
		name: "uninstall",
		summary: "take a revision, or everything, out of a Kubernetes cluster",
		load: async () => (await import("./uninstall-command.ts")).uninstallCommand(),
	},
	{
		name: "tag",
		summary: "second names of installed revisions, for upgrades by steps: set, list, remove",
		load: async () => (await import("./tag-command.ts")).tagCommand(),
	},
	{
		name: "apply",
		summary: "create or change resources",
		load: async () => (await import("./apply-command.ts")).applyCommand(),
	},
	{
		name: "delete",
		summary: "delete resources",
		load: async () => (await import("./delete-command.ts")).deleteCommand(),
	},
	{
		name: "drill",
		summary: "break or replace something for real under load, and measure what callers notice",
		load: async () => (await import("./drill-command.ts")).drillCommand(),
	},
	{
		name: "canary",
		summary: "split a service's traffic between versions: canary reviews v1=90 v2=10",
		load: async () => (await import("./canary-command.ts")).canaryCommand(),
	},
	{
		name: "validate",
		summary: "check resource files, without a control plane",
		load: async () => (await import("./validate-command.ts")).validateCommand(),
	},
	{
		name: "generate",
		summary: "print what one proxy would get from resource files, without a control plane",
		load: async () => (await import("./generate-command.ts")).generateCommand(),
	},
	{
		name: "proxy-status",
		summary: "which proxies have which configuration, and what they rejected",
		load: async () => (await import("./proxy-status-command.ts")).proxyStatusCommand(),
	},
	{
		name: "proxy-config",
		summary: "a proxy's listeners, routes, clusters, endpoints, bootstrap",
		load: async () => (await import("./proxy-config-command.ts")).proxyConfigCommand(),
	},
	{
		name: "inject",
		summary: "put proxies into the pods of manifests, offline: inject -f FILE",
		load: async () => (await import("./inject-command.ts")).injectCommand(),
	},
	{
		name: "proxy",
		summary: "what runs in the proxy's container of a pod on Kubernetes",
		load: async () => (await import("./proxy-command.ts")).proxyCommand(),
	},
	{
		name: "crds",
		summary: "print the kinds of the mesh, for kubectl apply",
		load: async () => (await import("./crds-command.ts")).crdsCommand(),
	},
	{
		name: "version",
		summary: "versions of the program and of Envoy",
		load: async () => (await import("./version-command.ts")).versionCommand(),
	},
	{
		name: "completion",
		summary: "a completion script for bash, zsh or fish",
		load: async () => (await import("./completion-command.ts")).completionCommand(),
	},
];
