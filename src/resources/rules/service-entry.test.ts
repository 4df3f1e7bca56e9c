import { describeRules, type RuleCase } from "./rules.testing.ts";

const http = "ports: [{number: 80, name: http, protocol: HTTP}]";
const entry = (fields: string): string => `hosts: [a.com]\n${http}\n${fields}`;

describeRules("ServiceEntry", [
	["a host to look up", entry("resolution: DNS")],
	["where the client goes", entry("resolution: NONE\naddresses: [10.0.0.0/8]")],
	["endpoints", entry("resolution: STATIC\nendpoints: [{address: 10.1.2.3, ports: {http: 8080}}]")],
	["no hosts", `hosts: []\n${http}`, "error spec.hosts: is empty"],
	["no host field", http, "error spec.hosts: hosts is missing"],
	["any host", `hosts: ["*"]\n${http}`, 'error spec.hosts[0]: "*" is not allowed'],
	["half a wildcard", `hosts: ["*a.com"]\n${http}`, "warning spec.hosts[0]: "],
	["a wildcard to look up", `hosts: ["*.a.com"]\n${http}\nresolution: DNS`, "error spec.hosts[0]: "],
	["a wildcard with endpoints", `hosts: ["*.a.com"]\n${http}\nresolution: DNS\nendpoints: [{address: b.com}]`],
	["a wildcard looked up on demand", `hosts: ["*.a.com"]\n${http}\nresolution: DYNAMIC_DNS`],
	["a plain host looked up on demand", entry("resolution: DYNAMIC_DNS"), "error spec.hosts[0]: "],
	["a block of addresses to look up", entry("resolution: DNS\naddresses: [1.2.3.4/16]"), "error spec.addresses[0]: "],
	["a bad block of addresses", entry("addresses: [1.2.3.4/99]"), "error spec.addresses[0]: "],
	[
		"a port twice",
		"hosts: [a.com]\nports: [{number: 1, name: a}, {number: 1, name: b}]",
		"error spec.ports[1].number: ",
	],
	[
		"a port name twice",
		"hosts: [a.com]\nports: [{number: 1, name: a}, {number: 2, name: a}]",
		"error spec.ports[1].name: ",
	],
	["a port without name", "hosts: [a.com]\nports: [{number: 1}]", "error spec.ports[0].name: "],
	["port 99999", "hosts: [a.com]\nports: [{number: 99999, name: a}]", "error spec.ports[0].number: "],
	[
		"targetPort 99999",
		"hosts: [a.com]\nports: [{number: 1, name: a, targetPort: 99999}]",
		"error spec.ports[0].targetPort: ",
	],
	[
		"an unknown protocol",
		"hosts: [a.com]\nports: [{number: 1, name: a, protocol: QUIC}]",
		"error spec.ports[0].protocol: ",
	],
	["endpoints where the client goes", entry("endpoints: [{address: 1.2.3.4}]"), "error spec.endpoints: "],
	[
		"a name as a fixed endpoint",
		entry("resolution: STATIC\nendpoints: [{address: b.com}]"),
		"error spec.endpoints[0].address: ",
	],
	["a name as an endpoint to look up", entry("resolution: DNS\nendpoints: [{address: b.com}]")],
	[
		"two endpoints in turn",
		entry("resolution: DNS_ROUND_ROBIN\nendpoints: [{address: b.com}, {address: c.com}]"),
		"error spec.endpoints: ",
	],
	[
		"a port that the entry does not have",
		entry("resolution: STATIC\nendpoints: [{address: 1.2.3.4, ports: {tcp: 1}}]"),
		"error spec.endpoints[0].ports.tcp: ",
	],
	[
		"an endpoint without address",
		entry("resolution: STATIC\nendpoints: [{labels: {a: b}}]"),
		"error spec.endpoints[0].address: ",
	],
	[
		"an endpoint in another network",
		entry("resolution: STATIC\nendpoints: [{network: b}]"),
		"warning spec.endpoints[0].address: ",
	],
	["a Unix socket", entry("resolution: STATIC\nendpoints: [{address: unix:///run/a.sock}]")],
	[
		"a Unix socket to look up",
		entry("resolution: DNS\nendpoints: [{address: unix:///run/a.sock}]"),
		"error spec.endpoints[0].address: ",
	],
	[
		"a relative Unix socket",
		entry("resolution: STATIC\nendpoints: [{address: unix://a.sock}]"),
		"error spec.endpoints[0].address: ",
	],
	[
		"selector and endpoints",
		entry("resolution: STATIC\nworkloadSelector: {labels: {a: b}}\nendpoints: [{address: 1.2.3.4}]"),
		"error spec.endpoints: ",
	],
	["an empty selector", entry("resolution: STATIC\nworkloadSelector: {}"), "warning spec.workloadSelector: "],
	[
		"a selector to look up",
		entry("resolution: DNS\nworkloadSelector: {labels: {a: b}}"),
		"warning spec.workloadSelector: ",
	],
	[
		"several hosts over TCP",
		"hosts: [a.com, b.com]\nresolution: DNS\nports: [{number: 1, name: a, protocol: TCP}]",
		"error spec.ports[0].protocol: ",
	],
	["several hosts over TLS", "hosts: [a.com, b.com]\nresolution: DNS\nports: [{number: 1, name: a, protocol: TLS}]"],
	["a service for nobody", entry('exportTo: ["~"]')],
	["nobody and somebody", entry('exportTo: ["~", a]'), "error spec.exportTo: "],
	["an unknown resolution", entry("resolution: STATC"), "error spec.resolution: must be one of"],
] satisfies readonly RuleCase[]);

describeRules("WorkloadEntry", [
	["an address", "address: 10.1.2.3\nlabels: {app: a}\nlocality: r/z/s\nweight: 1"],
	["a name", "address: vm.example.com"],
	["no address", "labels: {app: a}", "error spec.address: address is missing"],
	["a network only", "network: n1", "warning spec.address: "],
	["a bad address", "address: a_b", "error spec.address: "],
	["a bad port name", "address: 10.1.2.3\nports: {a_b: 1}", "error spec.ports.a_b: "],
	["port 0", "address: 10.1.2.3\nports: {a: 0}", "error spec.ports.a: "],
	["a Unix socket with ports", "address: unix:///a\nports: {a: 1}", "error spec.ports: "],
] satisfies readonly RuleCase[]);
