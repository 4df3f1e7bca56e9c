// Writes TypeScript for Envoy's protobuf types, read out of an Envoy binary, so that types and binary always agree.
// Usage: node generate-envoy-types.ts ENVOY OUT-FOLDER

import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
	CodeGeneratorRequestSchema,
	CodeGeneratorResponseSchema,
	type FileDescriptorProto,
	VersionSchema,
} from "@bufbuild/protobuf/wkt";
import { extractEnvoyDescriptors } from "./extract-envoy-descriptors.ts";

const roots = ["envoy/", "opentelemetry/proto/collector/trace/", "google/rpc/status.proto", "grpc/health/"];

const [envoyPath, outFolder] = process.argv.slice(2);
if (!envoyPath || !outFolder) throw new Error("usage: generate-envoy-types.ts ENVOY OUT-FOLDER");

const descriptors = extractEnvoyDescriptors(readFileSync(envoyPath));
const wanted = inDependencyOrder(descriptors);
const request = create(CodeGeneratorRequestSchema, {
	parameter: "target=ts,import_extension=ts,erasable_syntax=true",
	protoFile: [...wanted],
	fileToGenerate: wanted.map((file) => file.name).filter((name) => !name.startsWith("google/protobuf/")),
	compilerVersion: create(VersionSchema, { major: 27 }),
});
const plugin = createRequire(import.meta.url).resolve("@bufbuild/protoc-gen-es/package.json");
const run = spawnSync(process.execPath, [join(dirname(plugin), "bin/protoc-gen-es")], {
	input: toBinary(CodeGeneratorRequestSchema, request),
	maxBuffer: 2 ** 30,
});
if (run.status !== 0) throw new Error(`protoc-gen-es failed: ${run.stderr}`);
const response = fromBinary(CodeGeneratorResponseSchema, run.stdout);
if (response.error) throw new Error(`protoc-gen-es: ${response.error}`);

rmSync(outFolder, { recursive: true, force: true });
for (const file of response.file) {
	const path = join(outFolder, file.name);
	mkdirSync(dirname(path), { recursive: true });
	writeFileSync(path, file.content);
}

function inDependencyOrder(all: ReadonlyMap<string, FileDescriptorProto>): readonly FileDescriptorProto[] {
	const order: FileDescriptorProto[] = [];
	const seen = new Set<string>();
	const visit = (name: string): void => {
		if (seen.has(name)) return;
		seen.add(name);
		const file = all.get(name);
		if (!file) throw new Error(`${envoyPath} holds no descriptor of ${name}`);
		for (const dependency of file.dependency) visit(dependency);
		order.push(file);
	};
	for (const name of [...all.keys()].sort()) if (roots.some((root) => name.startsWith(root))) visit(name);
	return order;
}
