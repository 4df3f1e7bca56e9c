// Protobuf types by name, loaded when they are met: Envoy has thousands, a configuration uses a few dozen.

import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import {
	createMutableRegistry,
	type DescMessage,
	fromBinary,
	type JsonValue,
	type MutableRegistry,
	type Registry,
	toJson,
} from "@bufbuild/protobuf";
import type { GenFile } from "@bufbuild/protobuf/codegenv2";
import { AnySchema } from "@bufbuild/protobuf/wkt";

const generated = fileURLToPath(new URL("../../envoy/gen/", import.meta.url));

export class AnyRegistry {
	readonly #known: MutableRegistry = createMutableRegistry(AnySchema);
	readonly #folders = new Set<string>();

	/** An encoded google.protobuf.Any as canonical JSON, with an `@type` at every Any. */
	async toJson(any: Uint8Array): Promise<JsonValue> {
		return await this.messageToJson(AnySchema, any);
	}

	async messageToJson(schema: DescMessage, bytes: Uint8Array): Promise<JsonValue> {
		const message = fromBinary(schema, bytes);
		for (;;) {
			let missing: string | undefined;
			const registry: Registry = {
				kind: "registry",
				[Symbol.iterator]: () => this.#known[Symbol.iterator](),
				get: (name) => this.#known.get(name),
				getEnum: (name) => this.#known.getEnum(name),
				getExtension: (name) => this.#known.getExtension(name),
				getExtensionFor: (extendee, number) => this.#known.getExtensionFor(extendee, number),
				getService: (name) => this.#known.getService(name),
				getMessage: (name) => {
					const found = this.#known.getMessage(name);
					if (!found) missing = name;
					return found;
				},
			};
			try {
				return toJson(schema, message, { registry });
			} catch (error) {
				if (missing === undefined || !(await this.#load(missing))) throw error;
			}
		}
	}

	/** `envoy.config.cluster.v3.Cluster` is in one of the files of `envoy/config/cluster/v3`. */
	async #load(typeName: string): Promise<boolean> {
		const folder = typeName.split(".").slice(0, -1).join("/");
		if (this.#folders.has(folder) || !/^[\w/]+$/.test(folder)) return false;
		this.#folders.add(folder);
		for (const file of filesOf(folder)) {
			const module = (await import(new URL(`../../envoy/gen/${folder}/${file}`, import.meta.url).href)) as object;
			for (const exported of Object.values(module)) if (isFile(exported)) addFile(this.#known, exported);
		}
		return this.#known.getMessage(typeName) !== undefined;
	}
}

function filesOf(folder: string): readonly string[] {
	try {
		return readdirSync(generated + folder).filter((name) => name.endsWith("_pb.ts"));
	} catch {
		return [];
	}
}

function isFile(value: unknown): value is GenFile {
	return typeof value === "object" && value !== null && (value as { kind?: unknown }).kind === "file";
}

function addFile(registry: MutableRegistry, file: GenFile): void {
	for (const message of file.messages) registry.add(message);
	for (const enumeration of file.enums) registry.add(enumeration);
}
