import { describeRules, type RuleCase } from "./rules.testing.ts";

const ports = (text: string): string => `selector: {app: a}\nports: ${text}`;

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
