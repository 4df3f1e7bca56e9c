import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { readResourceFile } from "../read-resources.ts";
import { describeRules, type RuleCase } from "./rules.testing.ts";

const ports = (text: string): string => `selector: {app: a}\nports: ${text}`;

const one = `${ports("[{port: 80}]")}\n`;

describeRules("Service", [
	["a port", ports("[{port: 80, targetPort: http}]")],
	["a headless service without ports", "clusterIP: None"],
	["fields that the mesh does not need", `${ports("[{port: 80}]")}\nipFamilyPolicy: SingleStack`],
	["no ports", "selector: {app: a}", "error spec.ports: has no ports"],
	["port 0", ports("[{port: 0}]"), "error spec.ports[0].port: "],
	[
		"two ports without names",
		ports("[{port: 80}, {port: 81}]"),
		"error spec.ports[0].name: ",
		"error spec.ports[1].name: ",
	],
	["a port twice", ports("[{port: 80, name: a}, {port: 80, name: b}]"), "error spec.ports[1].port: "],
	["a port for TCP and UDP", ports("[{port: 53, name: a}, {port: 53, name: b, protocol: UDP}]")],
	["a port name twice", ports("[{port: 80, name: a}, {port: 81, name: a}]"), "error spec.ports[1].name: "],
	["a target port out of range", ports("[{port: 80, targetPort: 70000}]"), "error spec.ports[0].targetPort: "],
	["an outside name that is missing", "type: ExternalName", "error spec.externalName: "],
	["a bad address", `${ports("[{port: 80}]")}\nclusterIP: 10.1.2`, "error spec.clusterIP: "],
	["both families", `${one}clusterIP: 10.0.0.1\nclusterIPs: [10.0.0.1, "fd00::1"]\nipFamilies: [IPv4, IPv6]`],
	[
		"two cluster addresses of one family",
		`${one}clusterIPs: [10.0.0.1, 10.0.0.2]`,
		"error spec.clusterIPs[1]: is a second",
	],
	[
		"families in another order",
		`${one}clusterIPs: [10.0.0.1]\nipFamilies: [IPv6]`,
		"error spec.clusterIPs[0]: must be of IPv6",
	],
	["a family twice", `${one}ipFamilies: [IPv4, IPv4]`, "error spec.ipFamilies[1]: IPv4 is there twice"],
	["a third family", `${one}ipFamilies: [IPv5]`, "error spec.ipFamilies[0]: must be one of IPv4, IPv6"],
	[
		"a first cluster address of its own",
		`${one}clusterIP: 10.0.0.1\nclusterIPs: [10.0.0.2]`,
		"error spec.clusterIPs[0]: is not",
	],
	[
		"a policy that does not exist",
		`${one}externalTrafficPolicy: Near`,
		"error spec.externalTrafficPolicy: must be one of",
	],
	[
		"an external policy without outside",
		`${one}externalTrafficPolicy: Local`,
		"warning spec.externalTrafficPolicy: does nothing",
	],
	["an internal policy", `${one}internalTrafficPolicy: Local`],
	["a node port without a number", `${one}type: NodePort`, "warning spec.type: no node port: nothing here allocates"],
	[
		"one of two node ports",
		`${ports("[{name: a, port: 1, nodePort: 30001}, {name: b, port: 2}]")}\ntype: NodePort`,
		"warning spec.type: no node port",
	],
	["a load balancer, of a mesh that may leave it to a cloud", `${one}type: LoadBalancer`],
	["two stacks without an address", `${one}ipFamilyPolicy: RequireDualStack`, "warning spec.ipFamilyPolicy: no IPv6"],
	[
		"two stacks with an address of one",
		`${one}ipFamilyPolicy: RequireDualStack\nclusterIPs: ["fd00::1"]`,
		"warning spec.ipFamilyPolicy: no IPv4 cluster address",
	],
	["two stacks", `${one}ipFamilyPolicy: RequireDualStack\nclusterIPs: ["fd00::1", 10.0.0.1]`],
	[
		"a health-check port without need",
		`${one}healthCheckNodePort: 31000`,
		"warning spec.healthCheckNodePort: does nothing",
	],
	[
		"an affinity with a time-out",
		`${one}sessionAffinity: ClientIP\nsessionAffinityConfig: {clientIP: {timeoutSeconds: 10}}`,
	],
	[
		"an affinity time-out over a day",
		`${one}sessionAffinity: ClientIP\nsessionAffinityConfig: {clientIP: {timeoutSeconds: 86401}}`,
		"error spec.sessionAffinityConfig.clientIP.timeoutSeconds: must be a number of seconds",
	],
	[
		"an affinity time-out without affinity",
		`${one}sessionAffinityConfig: {clientIP: {timeoutSeconds: 10}}`,
		"warning spec.sessionAffinityConfig: does nothing",
	],
	["a distribution", `${one}trafficDistribution: PreferSameNode`],
	[
		"a distribution that does not exist",
		`${one}trafficDistribution: PreferSameNodes`,
		"warning spec.trafficDistribution: does nothing",
	],
	["a source range with blanks", `${one}type: LoadBalancer\nloadBalancerSourceRanges: [" 198.51.100.0/24 "]`],
	[
		"a source range that is none",
		`${one}type: LoadBalancer\nloadBalancerSourceRanges: [198.51.100.1, 10.0.0.0/33]`,
		'error spec.loadBalancerSourceRanges[0]: "198.51.100.1" is not a range',
		"error spec.loadBalancerSourceRanges[1]: ",
	],
	[
		"source ranges of a node port",
		`${ports("[{port: 80, nodePort: 30080}]")}\ntype: NodePort\nloadBalancerSourceRanges: [10.0.0.0/8]`,
		"warning spec.loadBalancerSourceRanges: does nothing",
	],
	[
		"a node port twice",
		"type: NodePort\nports: [{name: a, port: 1, nodePort: 30001}, {name: b, port: 2, nodePort: 30001}]",
		"error spec.ports[1].nodePort: TCP 30001 is there twice",
	],
	[
		"a node port of TCP and UDP",
		"type: NodePort\nports: [{name: a, port: 1, nodePort: 30001}, {name: b, port: 1, nodePort: 30001, protocol: UDP}]",
	],
	["an address to ask for", "type: LoadBalancer\nloadBalancerIP: 10.0.0.1\nports: [{name: a, port: 1}]"],
	[
		"an address to ask for that is none",
		"type: LoadBalancer\nloadBalancerIP: 10.0.0.1/24\nports: [{name: a, port: 1}]",
		'warning spec.loadBalancerIP: does nothing: "10.0.0.1/24" is no address',
	],
	["a node port of a ClusterIP", ports("[{port: 80, nodePort: 30001}]"), "warning spec.ports[0].nodePort: is answered"],
] satisfies readonly RuleCase[]);

describeRules("Deployment", [
	[
		"a template",
		"selector: {matchLabels: {app: a}}\ntemplate: {metadata: {labels: {app: a}}, spec: {containers: [{name: a, image: b}]}}",
	],
	["no template", "replicas: 1", "error spec.template: template is missing"],
	[
		"a selector that misses",
		"selector: {matchLabels: {app: a}}\ntemplate: {metadata: {labels: {app: b}}, spec: {}}",
		"error spec.selector.matchLabels.app: ",
	],
	[
		"a replica count as text",
		'replicas: "2"\ntemplate: {spec: {}}',
		'error spec.replicas: must be a whole number from 0, found "2"',
	],
] satisfies readonly RuleCase[]);

describe("what stands outside a Service's spec", () => {
	const problems = (head: string, tail = ""): readonly string[] => {
		const text = `apiVersion: v1\nkind: Service\n${head}\nspec: {type: LoadBalancer, ports: [{port: 80}], loadBalancerSourceRanges: [10.0.0.0/8]}\n${tail}`;
		return readResourceFile("a.yaml", text).problems.map(
			({ severity, path, message }) => `${severity} ${path}: ${message}`,
		);
	};
	const annotated = (annotations: string): readonly string[] =>
		problems(`metadata: {name: a, annotations: ${annotations}}`);
	const balanced = (ingress: string): readonly string[] =>
		problems("metadata: {name: a}", `status: {loadBalancer: {ingress: [${ingress}]}}`);

	it("accepts addresses and names that a load balancer gave", () => {
		assert.deepEqual(balanced("{ip: 10.0.0.1, ipMode: VIP}, {hostname: a.example}"), []);
	});

	it("refuses an address of a load balancer that is none, and a mode that does not exist", () => {
		assert.deepEqual(balanced("{ip: a.example}"), [
			'error status.loadBalancer.ingress[0].ip: "a.example" is not an address',
		]);
		assert.match(
			balanced("{ip: 10.0.0.1, ipMode: Vip}")[0] ?? "",
			/^error status.loadBalancer.ingress\[0\].ipMode: must be/,
		);
	});

	it("warns when source ranges leave an address of the other family open", () => {
		assert.deepEqual(balanced('{ip: "2001:db8::7"}'), [
			"warning spec.loadBalancerSourceRanges: has no range of IPv6: everybody may come to 2001:db8::7",
		]);
	});

	it("warns of annotations with unknown values, and of a scheduler that the backend cannot do", () => {
		assert.deepEqual(annotated("{keepmesh.io/l4-scheduler: maglev, keepmesh.io/l4-backend: nftables}"), []);
		assert.deepEqual(annotated("{keepmesh.io/l4-scheduler: maglew, keepmesh.io/l4-backend: iptables}"), [
			'warning metadata.annotations["keepmesh.io/l4-scheduler"]: "maglew" is unknown: the node\'s own is taken',
			'warning metadata.annotations["keepmesh.io/l4-backend"]: "iptables" is unknown: the node\'s own is taken',
		]);
		assert.deepEqual(annotated("{keepmesh.io/l4-scheduler: wlc, keepmesh.io/l4-backend: nftables}"), [
			'warning metadata.annotations["keepmesh.io/l4-scheduler"]: wlc counts connections, which nftables cannot',
		]);
	});

	it("warns of addresses to ask for that are none", () => {
		assert.deepEqual(annotated('{keepmesh.io/load-balancer-ips: "10.0.0.1, 2001:db8::7, edge"}'), [
			'warning metadata.annotations["keepmesh.io/load-balancer-ips"]: "edge" is no address: it is passed over',
		]);
	});

	it("takes no status from inside the spec", () => {
		const text = "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {ports: [{port: 80}], status: 5}\n";
		const [object] = readResourceFile("a.yaml", text).objects;
		assert.deepEqual(object?.spec, { ports: [{ port: 80 }] });
	});
});

describe("rules of EndpointSlice", () => {
	const problems = (rest: string): readonly string[] => {
		const head =
			"apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: a, labels: {kubernetes.io/service-name: a}}\n";
		return readResourceFile("a.yaml", `${head}${rest}`).problems.map(
			({ severity, path, message }) => `${severity} ${path}: ${message}`,
		);
	};
	const cases: readonly (readonly [what: string, rest: string, ...expected: readonly string[]])[] = [
		[
			"accepts hints",
			"addressType: IPv4\nendpoints: [{addresses: [10.0.0.1], hints: {forZones: [{name: z}], forNodes: [{name: n}]}}]",
		],
		["accepts a slice without ports", "addressType: IPv4\nendpoints: [{addresses: [10.0.0.1]}]\nports: null"],
		[
			"refuses a hint without a name",
			"addressType: IPv4\nendpoints: [{addresses: [10.0.0.1], hints: {forZones: [{}]}}]",
			"error endpoints[0].hints.forZones[0].name: name is missing",
		],
		[
			"refuses an endpoint without addresses",
			"addressType: IPv4\nendpoints: [{addresses: []}]",
			"error endpoints[0].addresses: is empty",
		],
		[
			"refuses an unknown protocol",
			"addressType: IPv4\nendpoints: []\nports: [{port: 1, protocol: ICMP}]",
			"error ports[0].protocol: must be one of",
		],
		[
			"refuses a port name twice",
			"addressType: IPv4\nendpoints: []\nports: [{port: 1}, {port: 2}]",
			"error ports[1].name: two ports are named",
		],
		[
			"refuses an address of the other family",
			'addressType: IPv4\nendpoints: [{addresses: ["::1"]}]',
			"error endpoints[0].addresses[0]: ",
		],
	];
	for (const [what, rest, ...expected] of cases)
		it(what, () => {
			const found = problems(rest);
			assert.equal(found.length, expected.length, found.join("\n"));
			for (const [index, beginning] of expected.entries())
				assert.ok(found[index]?.startsWith(beginning), found.join("\n"));
		});
});
