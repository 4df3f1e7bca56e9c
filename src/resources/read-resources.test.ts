import assert from "node:assert/strict";
import { existsSync, globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { readResourceFile, readResources } from "./read-resources.ts";

const service = (name: string): string =>
	`apiVersion: v1\nkind: Service\nmetadata:\n  name: ${name}\nspec:\n  ports:\n  - port: 80\n`;

/** `line:column severity resource path: message` */
function read(
	text: string,
	path = "a.yaml",
): { readonly names: readonly string[]; readonly problems: readonly string[] } {
	const { objects, problems } = readResourceFile(path, text);
	return {
		names: objects.map((object) => object.metadata.name),
		problems: problems.map(
			({ origin, severity, resource, path: at, message }) =>
				`${origin.line}:${origin.column} ${severity} ${resource} ${at}: ${message}`,
		),
	};
}

describe("readResourceFile", () => {
	it("reads a resource into its normal form", () => {
		const { objects, problems } = readResourceFile("a.yaml", `# first\n${service("reviews")}`);
		assert.deepEqual(problems, []);
		assert.deepEqual(objects, [
			{
				kind: "Service",
				apiVersion: "v1",
				metadata: { name: "reviews", namespace: "default", labels: {}, annotations: {}, createdMs: 0 },
				spec: { ports: [{ port: 80 }] },
				origin: { file: "a.yaml", line: 2, column: 1 },
			},
		]);
	});

	it("takes metadata as the API server writes it", () => {
		const text =
			"apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: b, uid: x, generation: 3, labels: {app: a}, " +
			"creationTimestamp: 2026-01-31T12:00:00Z, deletionTimestamp: '2026-01-31T12:00:01Z', resourceVersion: '7'}\n" +
			"spec: {containers: []}\nstatus: {podIP: 10.1.2.3, phase: Running, hostIP: 10.0.0.1}\n";
		const { objects } = readResourceFile("a.yaml", text);
		assert.deepEqual(objects[0]?.metadata, {
			name: "a",
			namespace: "b",
			labels: { app: "a" },
			annotations: {},
			createdMs: Date.UTC(2026, 0, 31, 12),
			deletedMs: Date.UTC(2026, 0, 31, 12, 0, 1),
			uid: "x",
			generation: 3,
		});
		assert.deepEqual(objects[0]?.spec, {
			containers: [],
			status: { podIP: "10.1.2.3", phase: "Running" },
		});
	});

	it("reads kinds that have no spec by their own fields", () => {
		const { objects, problems } = readResourceFile(
			"a.yaml",
			"apiVersion: v1\nkind: Namespace\nmetadata: {name: prod}\n---\n" +
				"apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: a}\nsecrets: []\n---\n" +
				"apiVersion: v1\nkind: Secret\nmetadata: {name: a}\ntype: kubernetes.io/tls\ndata: {tls.key: aMOpbGxv}\nstringData: {b: c}\n---\n" +
				"apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\naddressType: IPv4\nendpoints: null\n" +
				"metadata: {name: a, labels: {kubernetes.io/service-name: a}}\n",
		);
		assert.deepEqual(problems, []);
		assert.deepEqual(
			objects.map(({ kind, metadata, spec }) => ({ kind, namespace: metadata.namespace, spec })),
			[
				{ kind: "Namespace", namespace: "", spec: {} },
				{ kind: "ServiceAccount", namespace: "default", spec: {} },
				{
					kind: "Secret",
					namespace: "default",
					spec: { type: "kubernetes.io/tls", data: { "tls.key": "héllo", b: "c" } },
				},
				{ kind: "EndpointSlice", namespace: "default", spec: { addressType: "IPv4", endpoints: [], ports: [] } },
			],
		);
	});

	it("never prints a secret's value", () => {
		const text = "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\ndata: {tls.key: 'not base64 $ecret'}\n";
		const { objects, problems } = readResourceFile("a.yaml", text);
		assert.equal(objects.length, 0);
		assert.equal(problems.length, 1);
		assert.doesNotMatch(JSON.stringify(problems), /ecret'|\$ecret/);
		const wrongType = readResourceFile("a.yaml", text.replace("'not base64 $ecret'", "12345678"));
		assert.doesNotMatch(JSON.stringify(wrongType.problems), /12345678/);
	});

	it("uses the default namespace that it was given", () => {
		const { objects } = readResourceFile("a.yaml", service("a"), { defaultNamespace: "prod" });
		assert.equal(objects[0]?.metadata.namespace, "prod");
	});

	it("names line, column and path of the field", () => {
		const text = `${service("a")}---\n# b\n\n${service("b").replace("80", "80000").replace("  name: b", "  name: b\n  labels: {version: 1}")}`;
		assert.deepEqual(read(text), {
			names: ["a"],
			problems: [
				"15:12 error Service default/b metadata.labels.version: must be a text, found 1",
				"18:5 error Service default/b spec.ports[0].port: must be a port number from 1 to 65535, found 80000",
			],
		});
	});

	it("says which versions a kind is served in", () => {
		const { problems } = readResourceFile("a.yaml", service("a").replace("Service", "Deployment"));
		assert.equal(problems[0]?.message, "Deployment is not served as v1");
		assert.equal(problems[0]?.hint, "served as apps/v1");
		assert.equal(problems[0]?.severity, "error");
	});

	it("reads every served version of Istio's kinds", () => {
		for (const version of ["v1", "v1beta1", "v1alpha3"]) {
			const text = `apiVersion: networking.istio.io/${version}\nkind: WorkloadEntry\nmetadata: {name: a}\nspec: {address: 10.1.2.3}\n`;
			assert.deepEqual(read(text), { names: ["a"], problems: [] });
		}
	});

	it("warns of kinds that it does not read, and skips them", () => {
		const { names, problems } = read(
			"apiVersion: telemetry.istio.io/v1\nkind: Telemetry\nmetadata: {name: a}\nspec: {}\n---\n" +
				"apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: a}\nspec: {}\n",
		);
		assert.deepEqual(names, []);
		assert.deepEqual(problems, [
			"2:1 warning Telemetry default/a kind: Keepmesh does not read Telemetry (telemetry.istio.io/v1): it is skipped",
			"7:1 warning Gateway default/a kind: Keepmesh does not read Gateway (gateway.networking.k8s.io/v1): it is skipped",
		]);
	});

	it("says of such a kind whether the mesh misses it", () => {
		const hintOf = (apiVersion: string, kind: string): string | undefined =>
			readResourceFile("a.yaml", `apiVersion: ${apiVersion}\nkind: ${kind}\nmetadata: {name: a}\n`).problems[0]?.hint;
		for (const [apiVersion, kind] of [
			["telemetry.istio.io/v1", "Telemetry"],
			["extensions.istio.io/v1alpha1", "WasmPlugin"],
			["networking.istio.io/v1alpha3", "EnvoyFilter"],
			["gateway.networking.k8s.io/v1", "HTTPRoute"],
		] as const)
			assert.equal(hintOf(apiVersion, kind), "what it asks for is not done", kind);
		for (const [apiVersion, kind] of [
			["v1", "ConfigMap"],
			["cert-manager.io/v1", "Certificate"],
			["networking.k8s.io/v1", "Ingress"],
		] as const)
			assert.equal(hintOf(apiVersion, kind), "nothing in the mesh depends on it", kind);
	});

	it("refuses a kind that is misspelt", () => {
		const { problems } = readResourceFile(
			"a.yaml",
			"apiVersion: networking.istio.io/v1\nkind: VirtualSerivce\nmetadata: {name: a}\nspec: {}\n",
		);
		assert.deepEqual([problems[0]?.severity, problems[0]?.hint], ["error", "did you mean VirtualService?"]);
	});

	it("reads lists, typed ones and those of JSON", () => {
		const yaml = `apiVersion: v1\nkind: List\nitems:\n- ${service("a").replaceAll("\n", "\n  ")}\n- ${service("b").replaceAll("\n", "\n  ").replace("80", "x")}`;
		assert.deepEqual(read(yaml), {
			names: ["a"],
			problems: ['18:7 error Service default/b spec.ports[0].port: must be a port number from 1 to 65535, found "x"'],
		});
		const item = (name: string, port: unknown): unknown => ({ metadata: { name }, spec: { ports: [{ port }] } });
		const json = JSON.stringify(
			{ kind: "ServiceList", apiVersion: "v1", items: [item("a", 80), item("b", "x")] },
			null,
			2,
		);
		const { names, problems } = read(json, "a.json");
		assert.deepEqual(names, ["a"]);
		assert.equal(
			problems[0],
			`24:13 error Service default/b spec.ports[0].port: must be a port number from 1 to 65535, found "x"`,
		);
		assert.match(json.split("\n")[23] ?? "", /^ {12}"port": "x"/);
	});

	it("says where the second definition of a resource is, which wins", () => {
		const files = [
			{ path: "a.yaml", text: service("a") },
			{ path: "b.yaml", text: service("a").replace("80", "81") },
		];
		const { objects, problems } = readResources(files);
		assert.deepEqual(
			objects.map((object) => object.origin.file),
			["b.yaml"],
		);
		assert.equal(problems[0]?.message, "is defined again in b.yaml:1, which wins");
		assert.equal(problems[0]?.origin.file, "a.yaml");
	});
});

/** Anchors that each hold ten of the one before: 10^9 texts when written out. */
const aliasBomb = [
	"apiVersion: v1\nkind: Service\nmetadata: {name: bomb}\nl0: &l0 [x, x, x, x, x, x, x, x, x, x]",
	...Array.from(
		{ length: 9 },
		(_, index) => `l${index + 1}: &l${index + 1} [${Array(10).fill(`*l${index}`).join(", ")}]`,
	),
].join("\n");

describe("bad input", () => {
	/** What is wrong in the middle one of three documents; the first and the last are good. */
	const middle = (text: string): ReturnType<typeof read> => read(`${service("a")}---\n${text}\n---\n${service("z")}`);

	const cases: readonly (readonly [what: string, text: string, expected: RegExp])[] = [
		["an alias bomb", aliasBomb, /^9:1 error {2}: repeats its aliases too often$/],
		[
			"a name that stands twice",
			"apiVersion: v1\nkind: Service\nkind: Pod",
			/^11:1 error {2}: is not valid YAML: Map keys must be unique/,
		],
		["a tab as indentation", "apiVersion: v1\nmetadata:\n\tname: a", /^1[12]:\d error {2}: is not valid YAML: /],
		["a quote that is not closed", 'apiVersion: "v1\nkind: Service', /^\d+:\d+ error {2}: is not valid YAML: /],
		["an unknown alias", "apiVersion: *v1", /^9:13 error {2}: has no anchor for the alias \*v1$/],
		["a NUL character", "apiVersion: v1\nkind: Ser\0vice", /^10:10 error {2}: holds a NUL character$/],
		["a text", "hello", /^9:1 error {2}: is not a resource, found "hello"$/],
		["a list", "- 1\n- 2", /^9:1 error {2}: is not a resource, found a list of 2$/],
		[
			"a half-written document",
			"apiVersion: v1\nkind: Service\nmetadata:\n  name: b\nspec:\n  por",
			/^13:1 error Service default\/b spec: must be a mapping with fields, found "por"$/,
		],
		["no kind", "apiVersion: v1\nmetadata: {name: a}", /^9:1 error {2}kind: kind is missing or no text$/],
		["no metadata", "apiVersion: v1\nkind: Service\nspec: {ports: [{port: 80}]}", / metadata: metadata is missing$/],
		[
			"a name with capitals",
			service("Reviews"),
			/^12:3 error Service default\/Reviews metadata.name: "Reviews" is not a valid name$/,
		],
		[
			"a label named __proto__",
			`${service("b").replace("  name: b", '  name: b\n  labels: {"__proto__": {polluted: "yes"}}')}`,
			/ metadata.labels.__proto__: is a reserved name$/,
		],
		[
			"a field named __proto__",
			`${service("b")}  __proto__: {polluted: yes}`,
			/ spec.__proto__: there is no field __proto__ here$/,
		],
		["merge keys that make a bomb of names", "a: &a {<<: *a}", /error {2}: /],
	];
	for (const [what, text, expected] of cases)
		it(`reports ${what} once and keeps the other documents`, () => {
			const { names, problems } = middle(text);
			assert.deepEqual(names, ["a", "z"]);
			assert.equal(problems.length, 1, problems.join("\n"));
			assert.match(problems[0] ?? "", expected);
			assert.equal(({} as Record<string, unknown>).polluted, undefined);
		});

	for (const [what, text] of [
		["brackets", `a: ${"[".repeat(200_000)}`],
		["lists of mappings", `${"[{a: ".repeat(1_500)}1${"}]".repeat(1_500)}`],
		["braces and names", `${'{"a":'.repeat(200_000)}1${"}".repeat(200_000)}`],
		["indented names", Array.from({ length: 3_000 }, (_, depth) => `${" ".repeat(depth)}a:`).join("\n")],
	] as const)
		it(`survives ${what} nested very deep`, () => {
			const { names, problems } = middle(text);
			assert.deepEqual(names, ["a", "z"]);
			assert.match(problems[0] ?? "", /is nested too deep|kind is missing/);
			assert.equal(read(text, "a.json").names.length, 0);
		});

	it("refuses a file that is too large, without looking into it", () => {
		assert.deepEqual(read("#".repeat(17 * 1024 * 1024)).problems, [
			"1:1 error  : has 17 MiB of text; the limit for one file is 16 MiB",
		]);
	});

	it("takes no offence at a byte order mark, Windows line ends, comments, and documents that are empty", () => {
		const text = `\uFEFF# only a comment\n---\n---\n%YAML 1.2\n---\n${service("a")}...\n---\n# nothing\n---\n${service("b")}---\n`;
		assert.deepEqual(read(text), { names: ["a", "b"], problems: [] });
		assert.deepEqual(read(text.replaceAll("\n", "\r\n")), { names: ["a", "b"], problems: [] });
		assert.deepEqual(read(""), { names: [], problems: [] });
		const windows = read(service("a").replace("80", "0").replaceAll("\n", "\r\n"));
		assert.deepEqual(windows.problems, [
			"7:5 error Service default/a spec.ports[0].port: must be a port number from 1 to 65535, found 0",
		]);
	});

	it("reports a name that stands twice in JSON, which JSON.parse would not", () => {
		const text =
			'{"apiVersion":"v1","kind":"Service","metadata":{"name":"a","name":"b"},"spec":{"ports":[{"port":80}]}}';
		assert.deepEqual(read(text, "a.json").names, []);
		assert.match(read(text, "a.json").problems[0] ?? "", /^1:60 error {2}: is not valid YAML: Map keys must be unique/);
	});

	it("reads JSON texts full of quotes, colons and brackets", () => {
		const value = '"}]:{[\\": \\\\"';
		const text = JSON.stringify({
			apiVersion: "v1",
			kind: "ServiceAccount",
			metadata: { name: "a", annotations: { a: value, "b\\": "x" } },
		});
		assert.deepEqual(read(text, "a.json"), { names: ["a"], problems: [] });
	});

	it("says where broken JSON is broken", () => {
		assert.match(read('{"apiVersion": "v1",\n "kind": }', "a.json").problems[0] ?? "", /^[12]:\d+ error /);
	});
});

const inputs = join(import.meta.dirname, "../../../shared/inputs/istio");

describe("files from the field", { skip: !existsSync(inputs) }, () => {
	const unreadKinds = new Set<string>();
	for (const path of existsSync(inputs) ? globSync(join(inputs, "**/*.yaml")).sort() : [])
		it(`reads ${path.slice(inputs.length + 1)}`, () => {
			const { objects, problems } = readResourceFile(path, readFileSync(path, "utf8"));
			assert.deepEqual(
				problems.filter((problem) => problem.severity === "error"),
				[],
			);
			const skipped = problems.filter((problem) => problem.path === "kind");
			for (const { resource } of skipped) unreadKinds.add(resource.split(" ")[0] ?? "");
			assert.ok(objects.length + skipped.length > 0);
		});
	it("skips only kinds that the mesh does not read", () => {
		assert.deepEqual([...unreadKinds].sort(), ["Certificate", "ClusterIssuer", "Gateway", "HTTPRoute", "Ingress"]);
	});
});

describe("time", () => {
	it("reads 3,000 documents", (context) => {
		const documents = Array.from({ length: 3_000 }, (_, index) => service(`s${index}`)).join("---\n");
		const before = process.cpuUsage();
		const { objects, problems } = readResourceFile("a.yaml", documents);
		const { user, system } = process.cpuUsage(before);
		assert.deepEqual([objects.length, problems.length], [3_000, 0]);
		context.diagnostic(`3,000 documents: ${((user + system) / 1000).toFixed(0)} ms of CPU`);
	});
});
