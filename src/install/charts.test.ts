import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, existsSync, globSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { parse, parseAllDocuments } from "yaml";
import { completeCharts } from "../app/install/complete-charts.ts";

const checkout = join(import.meta.dirname, "../..");
const charts = join(checkout, "deploy/helm");
const built = join(checkout, ".keepmesh/kubernetes/helm");
const helm = process.env.KEEPMESH_HELM ?? (existsSync(built) ? built : "helm");
const noHelm = spawnSync(helm, ["version"]).error ? "helm is not here" : undefined;
const image = "registry.example/keepmesh:1";

interface Schema {
	readonly type?: string | readonly string[];
	readonly description?: string;
	readonly properties?: Readonly<Record<string, Schema>>;
	readonly additionalProperties?: unknown;
	readonly $ref?: string;
	readonly definitions?: Readonly<Record<string, Schema>>;
}

type Json = Readonly<Record<string, unknown>>;

const isObject = (value: unknown): value is Json =>
	typeof value === "object" && value !== null && !Array.isArray(value);

function read(chart: string): { readonly values: Json; readonly schema: Schema } {
	return {
		values: parse(readFileSync(join(charts, chart, "values.yaml"), "utf8")) as Json,
		schema: JSON.parse(readFileSync(join(charts, chart, "values.schema.json"), "utf8")) as Schema,
	};
}

const resolved = (schema: Schema, root: Schema): Schema =>
	schema.$ref === undefined ? schema : (root.definitions?.[schema.$ref.replace("#/definitions/", "")] ?? schema);

/** Paths of the schema, `control.replicas`, with what each says of itself. Where any name may be, it goes no deeper. */
function pathsOf(schema: Schema, root: Schema, above = ""): readonly (readonly [string, Schema])[] {
	const below = Object.entries(schema.properties ?? {});
	return below.flatMap(([name, part]) => {
		const path = `${above}${name}`;
		return [[path, part], ...(part.$ref === undefined ? pathsOf(part, root, `${path}.`) : [])];
	});
}

/** Paths of values that the schema knows by name. */
function valuePaths(values: Json, schema: Schema, root: Schema, above = ""): readonly string[] {
	return Object.entries(values).flatMap(([name, value]) => {
		const path = `${above}${name}`;
		const part = schema.properties?.[name];
		const isOpen = part === undefined || part.$ref !== undefined || part.properties === undefined;
		return isObject(value) && !isOpen ? [path, ...valuePaths(value, part, root, `${path}.`)] : [path];
	});
}

describe("the values of the charts", () => {
	for (const chart of ["keepmesh", "gateway", "crds"]) {
		it(`are in the schema of ${chart}, each with its type and what it is`, () => {
			const { schema, values } = read(chart);
			const known = new Map(pathsOf(schema, schema));
			const own = valuePaths(values, schema, schema);
			assert.deepEqual(
				own.filter((path) => !known.has(path)),
				[],
			);
			const without = [...known].filter(([path, part]) => {
				if (path === "global" && chart !== "keepmesh") return false;
				return (
					resolved(part, schema).type === undefined || (!part.description && !part.properties) || !own.includes(path)
				);
			});
			assert.deepEqual(
				without.map(([path]) => path),
				[],
			);
		});

		it(`refuse every name that ${chart} does not know`, { skip: noHelm }, () => {
			const { schema } = read(chart);
			const closed = pathsOf(schema, schema).filter(([, part]) => part.additionalProperties === false);
			const places = ["", ...closed.map(([path]) => `${path}.`)];
			assert.ok(chart !== "keepmesh" || places.length > 12, `${places}`);
			for (const place of places) {
				const set = ["--set", `global.image=${image}`, "--set", `${place}nosuch=1`];
				const { status, stderr } = spawnSync(helm, ["lint", join(charts, chart), ...set], { encoding: "utf8" });
				const said =
					stderr + spawnSync(helm, ["template", "x", join(charts, chart), ...set], { encoding: "utf8" }).stderr;
				assert.notEqual(status, 0, place);
				assert.match(said, /nosuch/, place);
			}
		});
	}
});

/** Each with what it is to try: together they turn every switch. */
const matrix: readonly (readonly [string, readonly string[]])[] = [
	["as it comes", []],
	["high availability", ["--values", join(charts, "keepmesh/values-ha.yaml")]],
	[
		"everything",
		[
			"vip.enabled=true",
			"vip.pools.edge.addresses={10.0.0.1-10.0.0.9}",
			"vip.configMap=vips",
			"vip.onlyOwnClass=true",
			"node.layer4.enabled=true",
			"control.rootConfigMaps=true",
			"podMonitor.enabled=true",
			"networkPolicy.enabled=true",
			"network=net-1",
			"injection.byDefault=true",
			"global.imagePullSecrets={one,two}",
			"meshConfig.accessLogFile=/dev/stdout",
			"control.extraArgs={--log-level=debug}",
			"control.env.A=1",
			"node.env.A=true",
			"control.podLabels.a=b",
			"node.podAnnotations.a=b",
			"control.nodeSelector.a=b",
		],
	],
	["another revision", ["revision=1-1", "node.enabled=false", "meshConfig.accessLogFile=/dev/stdout"]],
	["nothing that can be left out", ["injection.enabled=false", "validation.enabled=false", "node.enabled=false"]],
	["one replica", ["control.replicas=1", "node.cni.enabled=false", "control.podDisruptionBudget.enabled=false"]],
];

const flagsOf = (set: readonly string[]): readonly string[] => [
	"--set",
	`global.image=${image}`,
	...set.flatMap((one) => (one.includes("=") && !one.startsWith("/") ? ["--set", one] : [one])),
];

interface Rendered {
	readonly kind: string;
	readonly metadata: { readonly name: string };
	readonly [field: string]: unknown;
}

describe("the charts", { skip: noHelm }, () => {
	let directory = "";
	before(() => {
		directory = mkdtempSync(join(tmpdir(), "keepmesh-charts-test-"));
		cpSync(charts, directory, { recursive: true });
		rmSync(join(directory, "crds/files"), { recursive: true, force: true });
		cpSync(completeCharts(charts).directory, directory, { recursive: true });
	});
	after(() => rmSync(directory, { recursive: true, force: true }));

	const render = (set: readonly string[]): readonly Rendered[] => {
		const args = [
			"template",
			"keepmesh",
			join(directory, "keepmesh"),
			"--namespace",
			"keepmesh-system",
			...flagsOf(set),
		];
		const text = execFileSync(helm, args, { encoding: "utf8", maxBuffer: 64 << 20 });
		return parseAllDocuments(text).flatMap((one) => {
			assert.deepEqual(one.errors, []);
			return (one.toJS() as Rendered | null) ?? [];
		});
	};
	const the = (objects: readonly Rendered[], kind: string): Rendered => {
		const found = objects.find((one) => one.kind === kind);
		assert.ok(found, kind);
		return found;
	};

	for (const [what, set] of matrix)
		it(`are without blemish: ${what}`, () => {
			const { status, stdout } = spawnSync(
				helm,
				["lint", "--strict", "--namespace", "keepmesh-system", join(directory, "keepmesh"), ...flagsOf(set)],
				{ encoding: "utf8" },
			);
			assert.equal(status, 0, stdout);
			const names = render(set).map(({ kind, metadata }) => `${kind}/${metadata.name}`);
			assert.equal(new Set(names).size, names.length, "each object once");
		});

	for (const chart of ["gateway", "crds"])
		it(`are without blemish: ${chart}`, () => {
			const { status, stdout } = spawnSync(helm, ["lint", "--strict", join(directory, chart)], { encoding: "utf8" });
			assert.equal(status, 0, stdout);
		});

	it("let through all ports of the control planes, and no other", () => {
		const objects = render(["networkPolicy.enabled=true"]);
		const policy = the(objects, "NetworkPolicy") as unknown as {
			readonly spec: { readonly ingress: readonly { readonly ports: readonly { readonly port: number }[] }[] };
		};
		const deployment = the(objects, "Deployment") as unknown as {
			readonly spec: {
				readonly template: {
					readonly spec: {
						readonly containers: readonly { readonly ports: readonly { readonly containerPort: number }[] }[];
					};
				};
			};
		};
		const open = policy.spec.ingress.flatMap(({ ports }) => ports.map(({ port }) => port));
		const served = deployment.spec.template.spec.containers.flatMap(({ ports }) =>
			ports.map(({ containerPort }) => containerPort),
		);
		assert.deepEqual(open.toSorted(), served.toSorted());
	});

	it("have each resource judged by one revision: the one that it names, else the default", () => {
		interface Validator {
			readonly webhooks: readonly {
				readonly objectSelector: {
					readonly matchExpressions: readonly {
						readonly key: string;
						readonly operator: string;
						readonly values?: readonly string[];
					}[];
				};
			}[];
		}
		const judges = (revision: string, label: string | undefined): number => {
			const { webhooks } = the(
				render([`revision=${revision}`]),
				"ValidatingWebhookConfiguration",
			) as unknown as Validator;
			return webhooks.filter(({ objectSelector }) =>
				objectSelector.matchExpressions
					.filter(({ key }) => key === "istio.io/rev")
					.every(({ operator, values = [] }) =>
						operator === "DoesNotExist" ? label === undefined : label !== undefined && values.includes(label),
					),
			).length;
		};
		const asked = [undefined, "default", "1-1", "1-2"].map((label) => [judges("default", label), judges("1-1", label)]);
		assert.deepEqual(asked, [
			[1, 0],
			[1, 0],
			[0, 1],
			[0, 0],
		]);
	});

	it("give rights by name: no verb and, outside of the mesh's own kinds, no resource stands for all", () => {
		const [, everything] = matrix.find(([what]) => what === "everything") ?? [];
		const roles = render(everything ?? []).filter(({ kind }) => kind === "ClusterRole" || kind === "Role");
		assert.equal(roles.length, 6);
		interface Rule {
			readonly apiGroups: readonly string[];
			readonly resources: readonly string[];
			readonly verbs: readonly string[];
		}
		const wide = roles
			.flatMap(({ rules }) => rules as readonly Rule[])
			.filter(
				({ apiGroups, resources, verbs }) =>
					verbs.includes("*") ||
					apiGroups.includes("*") ||
					(resources.some((one) => one.startsWith("*")) &&
						!apiGroups.every((group) => /istio\.io$|keepmesh\.io$/.test(group))) ||
					verbs.some((verb) => ["delete", "deletecollection", "bind", "escalate", "impersonate"].includes(verb)),
			);
		assert.deepEqual(wide, []);
	});

	it("scrape the control planes as the Prometheus operator wants it told", () => {
		const monitor = the(render(["podMonitor.enabled=true", "podMonitor.labels.release=prom"]), "PodMonitor");
		// Of monitoring.coreos.com/v1: the fields that are used here, and their types.
		assert.equal(monitor.apiVersion, "monitoring.coreos.com/v1");
		assert.deepEqual(monitor.spec, {
			selector: { matchLabels: { "app.kubernetes.io/name": "keepmesh-control", "istio.io/rev": "default" } },
			podMetricsEndpoints: [{ port: "http-monitoring", path: "/metrics", interval: "15s" }],
		});
		const { labels } = monitor.metadata as unknown as { readonly labels: Readonly<Record<string, string>> };
		assert.equal(labels.release, "prom");
	});
});

describe("the Dockerfile", () => {
	const text = readFileSync(join(checkout, "deploy/images/Dockerfile"), "utf8");
	const ignored = readFileSync(join(checkout, ".dockerignore"), "utf8").split("\n").filter(Boolean);

	it("copies what is there, and nothing that is kept from the build", () => {
		const lines = [...text.matchAll(/^COPY (?!--from)(?:--chmod=\d+ )?(.+)$/gm)].map(([, words = ""]) =>
			words.split(" "),
		);
		assert.ok(lines.length >= 6);
		for (const source of lines.flatMap((words) => words.slice(0, -1))) {
			assert.ok(existsSync(join(checkout, source)), source);
			assert.ok(!ignored.includes(source), `${source} is in .dockerignore`);
		}
	});

	it("has all that the program reads of its checkout", () => {
		const own = globSync("src/**/*.ts", { cwd: checkout }).filter(
			(path) => !/\.(?:test|testing)\.ts$|^src\/envoy\/gen/.test(path),
		);
		const outside = own.flatMap((path) => {
			const found = readFileSync(join(checkout, path), "utf8").matchAll(
				/new URL\("((?:\.\.\/)+[^"]+)", import\.meta\.url\)/g,
			);
			return [...found].map(([, target = ""]) => new URL(target, `file:///${path}`).pathname.slice(1));
		});
		assert.ok(outside.length > 0);
		const copied = [...text.matchAll(/^COPY (?!--from)(?:--chmod=\d+ )?(.+)$/gm)].flatMap(([, words = ""]) =>
			words.split(" ").slice(0, -1),
		);
		const missing = outside.filter(
			(path) => path !== "" && !copied.some((source) => path === source || path.startsWith(`${source}/`)),
		);
		assert.deepEqual([...new Set(missing)].sort(), ["deploy/helm"], "only who installs reads the charts");
	});

	it("builds with a Node that the set-up takes", () => {
		const [, major = "0"] = /^FROM node:(\d+)-bookworm-slim AS build$/m.exec(text) ?? [];
		const { engines } = JSON.parse(readFileSync(join(checkout, "package.json"), "utf8")) as {
			readonly engines: { readonly node: string };
		};
		assert.ok(Number(major) >= Number(engines.node.replace(">=", "")), `${major} ${engines.node}`);
		assert.match(text, /^RUN sh scripts\/setup\.sh run /m, "Node and Envoy themselves come by the set-up");
	});
});
