import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { checkReferences } from "./check-references.ts";
import { newFieldFinder } from "./find-field.ts";
import { readResources } from "./read-resources.ts";
import { type ReferenceCase, testReferences } from "./references/references.testing.ts";

const service = (name: string, ports = "{port: 80, name: http}"): string =>
	`Service default/${name} {selector: {app: ${name}}, ports: [${ports}]}`;
const rule = (name: string, destination: string, more = ""): string =>
	`VirtualService default/${name} {hosts: [${name}], http: [{route: [{destination: ${destination}}]}]${more}}`;
const gateway = (name: string, host: string, more = ""): string =>
	`Gateway default/${name} {selector: {istio: gw}, servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["${host}"]${more}}]}`;

const cases: readonly ReferenceCase[] = [
	["a short host of the own namespace", [service("a"), rule("a", "{host: a}")]],
	[
		"a host that does not exist",
		[service("reviews"), rule("a", "{host: reviewz}")],
		"IST0101 error VirtualService default/a spec.http[0].route[0].destination.host: there is no service reviewz.default.svc.cluster.local",
	],
	[
		"a short host of another namespace",
		[service("a"), "VirtualService prod/a {hosts: [a], http: [{route: [{destination: {host: a}}]}]}"],
		"IST0101 error VirtualService prod/a",
	],
	[
		"a full host of another namespace",
		[
			service("a"),
			"VirtualService prod/a {hosts: [a], http: [{route: [{destination: {host: a.default.svc.cluster.local}}]}]}",
		],
	],
	[
		"a host under a wildcard ServiceEntry",
		[
			'ServiceEntry prod/e {hosts: ["*.a.com"], ports: [{number: 443, name: tls, protocol: TLS}]}',
			rule("a", "{host: b.a.com}"),
		],
	],
	[
		"a ServiceEntry kept in its namespace",
		[
			'ServiceEntry prod/e {hosts: [b.a.com], exportTo: ["."], ports: [{number: 443, name: tls, protocol: TLS}]}',
			rule("a", "{host: b.a.com}"),
		],
		"IST0101 error VirtualService default/a",
	],
	[
		"a mirror that does not exist",
		[
			service("a"),
			"VirtualService default/a {hosts: [a], http: [{route: [{destination: {host: a}}], mirror: {host: b}}]}",
		],
		"IST0101 error VirtualService default/a spec.http[0].mirror.host: ",
	],
	[
		"a subset",
		[service("a"), rule("a", "{host: a, subset: v1}"), "DestinationRule default/a {host: a, subsets: [{name: v1}]}"],
	],
	[
		"a subset that does not exist",
		[service("a"), rule("a", "{host: a, subset: v2}"), "DestinationRule default/a {host: a, subsets: [{name: v1}]}"],
		"IST0101 error VirtualService default/a spec.http[0].route[0].destination.subset: no DestinationRule gives",
	],
	[
		"a subset of another namespace's private rule",
		[
			service("a"),
			rule("a", "{host: a, subset: v1}"),
			'DestinationRule prod/a {host: a.default.svc.cluster.local, exportTo: ["."], subsets: [{name: v1}]}',
		],
		"IST0101 error VirtualService default/a",
	],
	[
		"a port that does not exist",
		[service("a"), rule("a", "{host: a, port: {number: 81}}")],
		"IST0101 error VirtualService default/a spec.http[0].route[0].destination.port.number: a has no port 81",
	],
	[
		"a service with two ports",
		[service("a", "{port: 80, name: http}, {port: 81, name: http2}"), rule("a", "{host: a}")],
		"IST0112 error VirtualService default/a spec.http[0].route[0].destination: a has several ports (80, 81)",
	],
	[
		"a service with two ports, one chosen",
		[service("a", "{port: 80, name: http}, {port: 81, name: http2}"), rule("a", "{host: a, port: {number: 81}}")],
	],
	[
		"a gateway that does not exist",
		[service("a"), rule("a", "{host: a}", ", gateways: [prod/gw, mesh]")],
		"IST0101 error VirtualService default/a spec.gateways[0]: there is no Gateway prod/gw",
	],
	[
		"a host that the gateway serves",
		[
			service("a"),
			gateway("gw", "*.com"),
			"VirtualService default/v {hosts: [a.com], gateways: [gw], http: [{route: [{destination: {host: a}}]}]}",
		],
	],
	[
		"a host that the gateway does not serve",
		[
			service("a"),
			gateway("gw", "*.com"),
			"VirtualService default/v {hosts: [a.org], gateways: [gw], http: [{route: [{destination: {host: a}}]}]}",
		],
		"IST0132 warning VirtualService default/v spec.gateways[0]: ",
	],
	[
		"a host that the gateway keeps for another namespace",
		[
			service("a"),
			gateway("gw", "prod/a.com"),
			"VirtualService default/v {hosts: [a.com], gateways: [gw], http: [{route: [{destination: {host: a}}]}]}",
		],
		"IST0132 warning VirtualService default/v",
	],
	[
		"a delegate",
		[
			service("a"),
			"VirtualService default/v {hosts: [a], http: [{delegate: {name: d}}]}",
			"VirtualService default/d {http: [{route: [{destination: {host: a}}]}]}",
		],
	],
	[
		"a delegate that does not exist",
		["VirtualService default/v {hosts: [a], http: [{delegate: {name: d}}]}"],
		"IST0101 error VirtualService default/v spec.http[0].delegate: there is no VirtualService default/d",
	],
	[
		"a delegate with hosts, in a circle",
		["VirtualService default/v {hosts: [a], http: [{delegate: {name: v}}]}"],
		"IST0101 error VirtualService default/v spec.http[0].delegate: VirtualService default/v has hosts",
	],
	[
		"a missing secret",
		[
			gateway("gw", "a.com", "")
				.replace("HTTP}", "HTTPS}")
				.replace('"]', '"], tls: {mode: SIMPLE, credentialName: cert}'),
		],
		"IST0101 error Gateway default/gw spec.servers[0].tls: there is no Secret cert",
	],
	[
		"a secret",
		[
			"Secret istio/cert {data: {}}",
			gateway("gw", "a.com", "")
				.replace("HTTP}", "HTTPS}")
				.replace('"]', '"], tls: {mode: SIMPLE, credentialName: cert}'),
		],
	],

	[
		"one host in two VirtualServices",
		[
			service("a"),
			"VirtualService default/b {hosts: [a], http: [{route: [{destination: {host: a}}]}]}",
			"VirtualService default/a {hosts: [x.com, a.default.svc.cluster.local], http: [{route: [{destination: {host: a}}]}]}",
		],
		"IST0109 error VirtualService default/a spec.hosts[1]: VirtualService default/b, which is older, has the host a.default.svc.cluster.local",
	],
	[
		"one host under two names in one VirtualService",
		[
			service("a"),
			"VirtualService default/a {hosts: [a, a.default.svc.cluster.local], http: [{route: [{destination: {host: a}}]}]}",
		],
	],
	[
		"one host in VirtualServices that nobody sees both of",
		[
			service("a"),
			"VirtualService prod/a {hosts: [a.com], exportTo: [.], http: [{redirect: {uri: /}}]}",
			"VirtualService default/a {hosts: [a.com], exportTo: [.], http: [{redirect: {uri: /}}]}",
		],
	],
	[
		"one host at a gateway and in the mesh",
		[
			service("a"),
			gateway("gw", "a.com"),
			"VirtualService default/b {hosts: [a.com], gateways: [gw], http: [{redirect: {uri: /}}]}",
			"VirtualService default/a {hosts: [a.com], http: [{redirect: {uri: /}}]}",
		],
	],
	[
		"two Sidecars without selector",
		['Sidecar default/b {egress: [{hosts: ["./*"]}]}', 'Sidecar default/a {egress: [{hosts: ["*/*"]}]}'],
		"IST0111 error Sidecar default/a spec: Sidecar default/b, which is older",
	],
	[
		"Sidecars of different namespaces",
		['Sidecar default/b {egress: [{hosts: ["./*"]}]}', 'Sidecar prod/a {egress: [{hosts: ["*/*"]}]}'],
	],
	[
		"two Sidecars for one pod",
		[
			"Pod default/a1 {}",
			'Sidecar default/b {workloadSelector: {labels: {app: a}}, egress: [{hosts: ["./*"]}]}',
			'Sidecar default/c {workloadSelector: {labels: {version: v1}}, egress: [{hosts: ["*/*"]}]}',
		],
		"IST0110 error Sidecar default/c spec.workloadSelector: Sidecar default/b, which is older, selects a1 too",
	],
	[
		"two Gateways for one host and port",
		[gateway("b", "a.com"), gateway("a", "a.com")],
		"IST0145 error Gateway default/a spec.servers[0].hosts[0]: Gateway default/b, which is older, serves a.com on port 80",
	],
	["two Gateways for two hosts", [gateway("b", "a.com"), gateway("a", "b.com")]],
	[
		"a DestinationRule of an unknown host",
		[service("reviews"), "DestinationRule default/a {host: review}"],
		"IST0174 warning DestinationRule default/a spec.host: there is no service review.default.svc.cluster.local",
	],
	["a DestinationRule of a wildcard", [service("a"), 'DestinationRule default/a {host: "*.local"}']],
	[
		"a subset that selects nothing",
		[
			service("a"),
			"Pod default/a1 {}",
			"DestinationRule default/a {host: a, subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]}",
		],
		"IST0173 warning DestinationRule default/a spec.subsets[1]: subset v2 selects nothing",
	],
	[
		"a port whose name says nothing",
		[service("a", "{port: 80, name: web}")],
		'IST0118 warning Service default/a spec.ports[0]: port name "web" does not say what it speaks',
	],
	[
		"a port without name",
		[service("a", "{port: 80}")],
		"IST0118 warning Service default/a spec.ports[0]: port 80 has no name to say what it speaks",
	],
	["a port with appProtocol", [service("a", "{port: 80, name: web, appProtocol: http}")]],
	["a database's port without name", [service("a", "{port: 3306}")]],
	[
		"plain TCP without an address, wherever it goes",
		["ServiceEntry default/a {hosts: [a.com], ports: [{number: 9000, name: tcp, protocol: TCP}]}"],
		"IST0134 warning ServiceEntry default/a spec.ports[0]: ",
	],
	[
		"plain TCP that gets an address",
		["ServiceEntry default/a {hosts: [a.com], resolution: DNS, ports: [{number: 9000, name: tcp, protocol: TCP}]}"],
	],
	[
		"an address of a load balancer that a VirtualIP has, and one that somebody else gives",
		[
			"Service default/a {type: LoadBalancer, loadBalancerIP: 192.0.2.7, ports: [{port: 80, name: http}]}",
			"VirtualIP default/edge {addresses: [192.0.2.7/24], virtualRouterId: 51}",
			"Service default/b {type: LoadBalancer, loadBalancerClass: x.example/y, loadBalancerIP: 192.0.2.8, ports: [{port: 80, name: http}]}",
		],
	],
	[
		"an address of a load balancer that nothing gives it",
		[
			"Service default/a {type: LoadBalancer, loadBalancerIP: 192.0.2.8, ports: [{port: 80, name: http}]}",
			"VirtualIP default/edge {addresses: [192.0.2.7/24], virtualRouterId: 51}",
		],
		"warning Service default/a spec.loadBalancerIP: no VirtualIP here has 192.0.2.8",
	],
];

describe("checkReferences", () => {
	testReferences(cases);

	it("points to the field when it has the files, else to the resource", () => {
		const text =
			"# x\napiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata:\n  name: a\nspec:\n  host: b\n";
		const files = [{ path: "a.yaml", text }];
		const { objects } = readResources(files);
		assert.deepEqual(checkReferences(objects, newFieldFinder(files))[0]?.origin, {
			file: "a.yaml",
			line: 7,
			column: 3,
		});
		assert.deepEqual(checkReferences(objects)[0]?.origin, { file: "a.yaml", line: 2, column: 1 });
	});

	it("names a field of a list's entry by its own line", () => {
		const text =
			"apiVersion: v1\nkind: List\nitems:\n- apiVersion: networking.istio.io/v1\n  kind: DestinationRule\n  metadata: {name: a}\n  spec:\n    host: b\n";
		const files = [{ path: "a.yaml", text }];
		assert.equal(checkReferences(readResources(files).objects, newFieldFinder(files))[0]?.origin.line, 8);
	});

	it("takes time that grows with the number of resources only", (context) => {
		const text = Array.from({ length: 2_000 }, (_, index) => [
			`{apiVersion: v1, kind: Service, metadata: {name: s${index}}, spec: {ports: [{port: 80, name: http}]}}`,
			`{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: v${index}}, spec: {hosts: [s${index}], http: [{route: [{destination: {host: s${index}}}]}]}}`,
		])
			.flat()
			.join("\n---\n");
		const { objects } = readResources([{ path: "a.yaml", text }]);
		const before = process.cpuUsage();
		assert.deepEqual(checkReferences(objects), []);
		const { user, system } = process.cpuUsage(before);
		context.diagnostic(`4,000 resources: ${((user + system) / 1000).toFixed(0)} ms of CPU`);
	});

	it("has nothing to say of a thousand policies for a thousand workloads each", (context) => {
		const count = 1_000;
		const text = Array.from({ length: count }, (_, index) => [
			`{apiVersion: v1, kind: Service, metadata: {name: s${index}}, spec: {selector: {app: a${index}}, ports: [{port: 80, name: http}]}}`,
			`{apiVersion: v1, kind: Pod, metadata: {name: p${index}, labels: {app: a${index}}}, spec: {containers: []}}`,
			`{apiVersion: security.istio.io/v1, kind: PeerAuthentication, metadata: {name: m${index}}, spec: {selector: {matchLabels: {app: a${index}}}, mtls: {mode: STRICT}}}`,
			`{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {name: z${index}}, spec: {rules: [{from: [{source: {namespaces: [x]}}], to: [{operation: {methods: [GET]}}]}]}}`,
		])
			.flat()
			.join("\n---\n");
		const { objects } = readResources([{ path: "a.yaml", text }]);
		assert.equal(objects.length, 4 * count);
		const before = process.cpuUsage();
		assert.deepEqual(checkReferences(objects), []);
		const { user, system } = process.cpuUsage(before);
		const cpuMs = (user + system) / 1000;
		context.diagnostic(`4,000 resources: ${cpuMs.toFixed(0)} ms of CPU`);
	});
});
