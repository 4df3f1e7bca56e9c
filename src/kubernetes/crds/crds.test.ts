import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { lookUpKind } from "../../resources/kind-table.ts";
import type { CustomResourceDefinition } from "./custom-resource-definition.ts";
import { fieldsOf, withNotes } from "./field-notes.ts";
import { istioCrds } from "./istio-crds.ts";
import { keepmeshCrds } from "./keepmesh-crds.ts";
import { type OpenApiSchema, schemaOf } from "./open-api-schema.ts";

const own = keepmeshCrds();
const istio = istioCrds();
const nameOf = ({ metadata }: CustomResourceDefinition): string => metadata.name;

function specOf({ spec }: CustomResourceDefinition): OpenApiSchema {
	return spec.versions[0]?.schema.openAPIV3Schema.properties?.spec ?? {};
}

function fieldAt(schema: OpenApiSchema, path: string): OpenApiSchema | undefined {
	let field: OpenApiSchema | undefined = schema;
	for (const key of path.replaceAll("[]", ".[]").split("."))
		field = key === "[]" ? field?.items : field?.properties?.[key];
	return field;
}

describe("definitions of kinds", () => {
	for (const crd of own)
		it(`explain every field of ${crd.spec.names.kind}`, () => {
			const fields = [...fieldsOf(specOf(crd))].filter((path) => !path.endsWith("[]"));
			const unexplained = fields.filter((path) => !fieldAt(specOf(crd), path)?.description);
			assert.deepEqual(unexplained.filter(isNoOtherProvider), []);
		});

	for (const crd of [...own, ...istio]) {
		const { group, names, versions, scope } = crd.spec;
		it(`${nameOf(crd)} is stored in exactly one version, under its own name`, () => {
			assert.equal(nameOf(crd), `${names.plural}.${group}`);
			assert.equal(versions.filter((version) => version.storage).length, 1);
			assert.ok(versions.every((version) => version.served && version.additionalPrinterColumns.at(-1)?.name === "Age"));
		});

		it(`${nameOf(crd)} is served in the versions that are read`, () => {
			const found = lookUpKind(`${group}/${versions[0]?.name}`, names.kind);
			if (found.type === "notRead") {
				assert.ok(specOf(crd)["x-kubernetes-preserve-unknown-fields"]);
				return;
			}
			assert.equal(found.type, "known");
			if (found.type !== "known") return;
			assert.deepEqual(versions.map((version) => `${group}/${version.name}`).sort(), found.info.apiVersions.toSorted());
			assert.equal(scope === "Namespaced", found.info.namespaced);
		});

		it(`${nameOf(crd)} gives every value a type, as the API server demands`, () => {
			assert.deepEqual([...untyped(specOf(crd), "spec")], []);
		});
	}

	it("have short names that do not stand in each other's way", () => {
		const names = [...own, ...istio].flatMap(({ spec }) => [spec.names.plural, ...(spec.names.shortNames ?? [])]);
		assert.deepEqual(names, [...new Set(names)]);
	});
});

/** Traces, logs and metrics: let through as they are, and of no effect. */
function isNoOtherProvider(path: string): boolean {
	return !/^extensionProviders\[\]\.(?!name|envoyExtAuthz)/.test(path);
}

function* untyped(schema: OpenApiSchema, path: string): Generator<string> {
	const isFree = schema["x-kubernetes-preserve-unknown-fields"] || schema["x-kubernetes-int-or-string"];
	if (schema.type === undefined && !isFree) yield path;
	for (const [key, field] of Object.entries(schema.properties ?? {})) yield* untyped(field, `${path}.${key}`);
	if (schema.items) yield* untyped(schema.items, `${path}[]`);
	if (schema.additionalProperties) yield* untyped(schema.additionalProperties, `${path}{}`);
}

describe("notes on fields", () => {
	const schema = schemaOf({
		type: "struct",
		fields: new Map([["items", { type: "list", of: { type: "text" }, min: 1, max: 3 }]]),
		required: [],
		open: false,
	});

	it("stand at the field that they are about", () => {
		const noted = withNotes(schema, { items: { says: "Some.", maxItems: 2 }, "items[]": { maxLength: 5 } });
		assert.deepEqual(noted.properties?.items, {
			type: "array",
			items: { type: "string", maxLength: 5 },
			minItems: 1,
			maxItems: 2,
			description: "Some.",
		});
	});

	it("are refused when there is no such field", () => {
		assert.throws(() => withNotes(schema, { itmes: "Some." }), /no field itmes/);
		assert.throws(() => withNotes(schema, { "items[].name": "Some." }), /no field items\[\]\.name/);
	});
});
