import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { describe, it } from "node:test";
import { fromBinary, type JsonValue, toJson } from "@bufbuild/protobuf";
import { AnySchema } from "@bufbuild/protobuf/wkt";
import { encodeResource } from "../../envoy/encode-resource.ts";
import { findDanglingReferences } from "../../envoy/find-dangling-references.ts";
import { ClusterSchema } from "../../envoy/gen/envoy/config/cluster/v3/cluster_pb.ts";
import { generateProxyConfig } from "../../envoy/generate-proxy-config.ts";
import { workloadSecrets } from "../../envoy/secret/workload-secrets.ts";
import { typedConfigs } from "../../envoy/typed-configs.ts";
import { readResourceFile } from "../../resources/read-resources.ts";
import { proxyFromNode } from "../../snapshot/proxy-from-node.ts";
import { applyChanges, emptySnapshot } from "../../snapshot/snapshot.ts";
import { viewFor } from "../../snapshot/view-for.ts";
import { type EncodedResource, type ProxyConfig, typeUrls } from "../../xds/resource.ts";
import { SpareConfig } from "./spare-config.ts";

const pod = { uid: "uid-1", netns: "/run/netns/pod-1" };
const samples = globSync(join(import.meta.dirname, "../../../test/golden/cases/*.in.yaml")).sort();

/** With a workload of its own, so that there is something inbound, and its certificate. */
function generated(text: string): ProxyConfig {
	const workload = `
---
apiVersion: v1
kind: Service
metadata: { name: own, namespace: default }
spec: { clusterIP: 10.96.9.9, selector: { app: own }, ports: [{ name: http, port: 80 }, { name: tcp, port: 81 }] }
---
apiVersion: v1
kind: Pod
metadata: { name: own, namespace: default, labels: { app: own } }
spec: { serviceAccountName: own }
status: { podIP: 10.1.0.5, phase: Running, conditions: [{ type: Ready, status: "True" }] }
`;
	const { objects } = readResourceFile("case.yaml", text + workload);
	const changes = objects.map((object) => ({ type: "objectApplied" as const, object }));
	const node = proxyFromNode({
		id: "sidecar~10.1.0.5~own.default~default.svc.cluster.local",
		metadata: { NAMESPACE: "default", LABELS: { app: "own" }, KEEPMESH_SDS: "true" },
	});
	assert.ok(node.ok);
	const config = generateProxyConfig(node.proxy, viewFor(applyChanges(emptySnapshot(), changes).snapshot, node.proxy));
	const secrets = workloadSecrets({ chainPem: "chain", keyPem: "key", rootPem: "root" });
	const parts = [config, secrets].flatMap((one) => one.get(typeUrls.secret)?.parts ?? []);
	return new Map(config).set(typeUrls.secret, { typeUrl: typeUrls.secret, parts });
}

function spareOf(config: ProxyConfig, spare = new SpareConfig(pod)): ProxyConfig {
	const outcome = spare.of(config);
	assert.ok(outcome.ok, outcome.ok ? "" : outcome.because);
	return outcome.config;
}

function all(config: ProxyConfig): readonly EncodedResource[] {
	return [...config.values()].flatMap(({ parts }) => parts.flatMap(({ resources }) => [...resources.values()]));
}

function jsonOf({ any }: EncodedResource): JsonValue {
	return toJson(AnySchema, fromBinary(AnySchema, any), { registry: typedConfigs });
}

/** Texts and the fields they stand in, but for names that nothing refers to. */
function* texts(json: JsonValue, path = ""): Generator<readonly [string, string]> {
	if (typeof json === "string") yield [path, json];
	else if (Array.isArray(json)) for (const item of json) yield* texts(item, `${path}[]`);
	else if (json !== null && typeof json === "object")
		for (const [key, value] of Object.entries(json)) yield* texts(value, `${path}.${key}`);
}

/** Names of statistics, chains and services that are the same as a resource's, and refer to none. */
const noReference =
	/\.(?:statPrefix|altStatName|filterChains\[\]\.name|defaultFilterChain\.name|virtualHosts\[\]\.name|routes\[\]\.name)$|\.(?:metadata|filterMetadata)\./;

describe("the configuration of a pod in the spare", () => {
	for (const sample of samples) {
		it(`holds no name without the pod's prefix: ${basename(sample)}`, () => {
			const config = generated(readFileSync(sample, "utf8"));
			const names = new Set(all(config).map(({ name }) => name));
			const spare = spareOf(config);
			const left = all(spare).flatMap((resource) =>
				[...texts(jsonOf(resource))]
					.filter(([path, text]) => names.has(text) && !noReference.test(path))
					.map(([path, text]) => `${resource.name}${path}: ${text}`),
			);
			assert.deepEqual(left, []);
			assert.deepEqual(findDanglingReferences(spare), findDanglingReferences(config));
			assert.ok(all(spare).every(({ name }) => name.startsWith("uid-1|")));
		});
	}

	it("takes the workload's certificate by a name of the pod's, from where the node serves it", () => {
		const text = JSON.stringify(all(spareOf(generated(readFileSync(samples[0] ?? "", "utf8")))).map(jsonOf));
		assert.match(text, /"name":"uid-1\|default","sdsConfig":\{"apiConfigSource":.*?"clusterName":"sds-grpc"/);
		assert.match(text, /"name":"uid-1\|ROOTCA"/);
	});

	it("listens at two ports in the pod's namespace, and connects from there", () => {
		const spare = spareOf(generated(readFileSync(samples[0] ?? "", "utf8")));
		const of = (typeUrl: string) => [...(spare.get(typeUrl)?.parts[0]?.resources.values() ?? [])].map(jsonOf);
		const listeners = of(typeUrls.listener) as unknown as { address: { socketAddress: object } }[];
		assert.deepEqual(
			listeners.map(({ address }) => address.socketAddress),
			[15_106, 15_101].map((portValue) => ({
				address: "0.0.0.0",
				portValue,
				networkNamespaceFilepath: "/run/netns/pod-1",
			})),
		);
		const sources = of(typeUrls.cluster).map((cluster) => {
			const { sourceAddress } = (cluster as unknown as { upstreamBindConfig: { sourceAddress: { address: string } } })
				.upstreamBindConfig;
			return sourceAddress as { address: string; networkNamespaceFilepath?: string };
		});
		assert.ok(sources.every(({ networkNamespaceFilepath }) => networkNamespaceFilepath === "/run/netns/pod-1"));
		assert.deepEqual(new Set(sources.map(({ address }) => address)), new Set(["0.0.0.0", "127.0.0.6"]));
	});

	it("keeps what did not change, object for object", () => {
		const config = generated(readFileSync(samples[0] ?? "", "utf8"));
		const spare = new SpareConfig(pod);
		const before = all(spareOf(config, spare));
		const endpoints = config.get(typeUrls.endpoints);
		assert.ok(endpoints);
		const [part] = endpoints.parts;
		const [first, ...rest] = part?.resources ?? [];
		assert.ok(first);
		const fewer = new Map(config).set(typeUrls.endpoints, { ...endpoints, parts: [{ resources: new Map(rest) }] });
		const after = all(spareOf(fewer, spare));
		assert.equal(after.length, before.length - 1);
		assert.ok(after.every((resource) => before.includes(resource)));
	});

	it("is refused with the resource that cannot be taken over", () => {
		const config = generated(readFileSync(samples[0] ?? "", "utf8"));
		const typedConfig = { typeUrl: "type.googleapis.com/x.Odd", value: new Uint8Array() };
		const cluster = encodeResource(ClusterSchema, "odd", {
			name: "odd",
			transportSocket: { name: "odd", configType: { case: "typedConfig", value: typedConfig } },
		});
		const parts = [{ resources: new Map([["odd", cluster]]) }];
		assert.deepEqual(
			new SpareConfig(pod).of(new Map(config).set(typeUrls.cluster, { typeUrl: typeUrls.cluster, parts })),
			{
				ok: false,
				because: "odd holds a x.Odd, which is not known here",
			},
		);
	});
});
