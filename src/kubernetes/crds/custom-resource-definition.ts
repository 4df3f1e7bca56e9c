// A CustomResourceDefinition, apiextensions.k8s.io/v1, from the few things in which ours differ.

import type { OpenApiSchema } from "./open-api-schema.ts";

/** Column of `kubectl get`. */
export interface PrinterColumn {
	readonly name: string;
	readonly type: "string" | "integer" | "date";
	readonly jsonPath: string;
	readonly description?: string;
	/** Above 0: only with `-o wide`. */
	readonly priority?: number;
}

export interface CustomResourceDefinition {
	readonly apiVersion: "apiextensions.k8s.io/v1";
	readonly kind: "CustomResourceDefinition";
	readonly metadata: {
		readonly name: string;
		readonly labels: Readonly<Record<string, string>>;
		readonly annotations: Readonly<Record<string, string>>;
	};
	readonly spec: {
		readonly group: string;
		readonly scope: "Namespaced" | "Cluster";
		readonly names: ResourceNames & { readonly kind: string; readonly listKind: string };
		readonly versions: readonly CrdVersion[];
	};
}

interface ResourceNames {
	readonly plural: string;
	readonly singular: string;
	readonly shortNames?: readonly string[];
	readonly categories: readonly string[];
}

interface CrdVersion {
	readonly name: string;
	readonly served: true;
	readonly storage: boolean;
	readonly subresources: { readonly status: Readonly<Record<string, never>> };
	readonly additionalPrinterColumns: readonly PrinterColumn[];
	readonly schema: { readonly openAPIV3Schema: OpenApiSchema };
}

export interface CrdFacts {
	readonly group: string;
	readonly kind: string;
	readonly plural: string;
	readonly scope: "Namespaced" | "Cluster";
	readonly shortNames: readonly string[];
	/** `kubectl get CATEGORY` lists them together. */
	readonly categories: readonly string[];
	readonly versions: readonly string[];
	readonly storage: string;
	readonly description: string;
	readonly spec: OpenApiSchema;
	readonly specRequired: boolean;
	readonly status: OpenApiSchema;
	/** Before `Age`, which all have. */
	readonly columns: readonly PrinterColumn[];
}

export function customResourceDefinition(facts: CrdFacts): CustomResourceDefinition {
	const { group, kind, plural, shortNames, categories, columns } = facts;
	const openAPIV3Schema: OpenApiSchema = {
		type: "object",
		description: facts.description,
		properties: {
			apiVersion: { type: "string" },
			kind: { type: "string" },
			metadata: { type: "object" },
			spec: facts.spec,
			status: facts.status,
		},
		...(facts.specRequired ? { required: ["spec"] } : {}),
	};
	const version = (name: string): CrdVersion => ({
		name,
		served: true,
		storage: name === facts.storage,
		subresources: { status: {} },
		additionalPrinterColumns: [...columns, ageColumn],
		schema: { openAPIV3Schema },
	});
	return {
		apiVersion: "apiextensions.k8s.io/v1",
		kind: "CustomResourceDefinition",
		metadata: {
			name: `${plural}.${group}`,
			labels: { "app.kubernetes.io/part-of": "keepmesh" },
			// Helm takes a definition away with its release otherwise, and every object of it.
			annotations: { "helm.sh/resource-policy": "keep" },
		},
		spec: {
			group,
			scope: facts.scope,
			names: {
				kind,
				listKind: `${kind}List`,
				plural,
				singular: kind.toLowerCase(),
				...(shortNames.length > 0 ? { shortNames } : {}),
				categories,
			},
			versions: facts.versions.map(version),
		},
	};
}

const ageColumn: PrinterColumn = { name: "Age", type: "date", jsonPath: ".metadata.creationTimestamp" };
