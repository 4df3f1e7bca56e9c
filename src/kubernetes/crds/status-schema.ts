// The status of the kinds of the mesh, as the control plane writes it (src/kubernetes/status): its schema and its columns.

import type { PrinterColumn } from "./custom-resource-definition.ts";
import type { OpenApiSchema } from "./open-api-schema.ts";

const text: OpenApiSchema = { type: "string" };
const count: OpenApiSchema = { type: "integer", minimum: 0 };

const condition: OpenApiSchema = {
	type: "object",
	properties: {
		type: { ...text, description: "Accepted: it has no errors. Applied: every proxy that it concerns has it." },
		status: { ...text, enum: ["True", "False", "Unknown"] },
		reason: { ...text, description: "One word for programs." },
		message: { ...text, description: "A sentence for people." },
		observedGeneration: { type: "integer", format: "int64" },
		lastTransitionTime: { ...text, format: "date-time", description: "When the status last changed." },
	},
	required: ["type", "status"],
};

const fields = {
	observedGeneration: {
		type: "integer",
		format: "int64",
		description: "metadata.generation of what this status is about.",
	},
	applied: { ...text, description: "On how many of the proxies that it concerns it is in force: `3 of 4`." },
	proxies: {
		type: "object",
		description: "The same as numbers.",
		properties: { concerned: count, applied: count, rejected: count, withheld: count },
	},
	reason: { ...text, description: "Empty when all is well, else the reason of the condition that is not met." },
	message: { ...text, description: "The same as a sentence." },
	problems: {
		type: "array",
		items: text,
		description: "What is wrong with it, as `keepmesh validate` says it; the first ten.",
	},
} as const satisfies Readonly<Record<string, OpenApiSchema>>;

/** For kinds of the group keepmesh.io. `more`: fields that others write. */
export function statusSchema(more: Readonly<Record<string, OpenApiSchema>> = {}): OpenApiSchema {
	return {
		type: "object",
		description: "What became of it; written by the mesh.",
		properties: {
			...fields,
			conditions: {
				type: "array",
				items: condition,
				"x-kubernetes-list-type": "map",
				"x-kubernetes-list-map-keys": ["type"],
			},
			...more,
		},
	};
}

/** Istio's control plane may write beside ours: the same fields, and whatever else it knows. */
export const istioStatusSchema: OpenApiSchema = {
	...statusSchema(),
	"x-kubernetes-preserve-unknown-fields": true,
};

const accepted: PrinterColumn = {
	name: "Accepted",
	type: "string",
	jsonPath: '.status.conditions[?(@.type=="Accepted")].status',
	description: "Whether it has no errors",
};

const applied: PrinterColumn = {
	name: "Applied",
	type: "string",
	jsonPath: ".status.applied",
	description: "On how many of the proxies that it concerns it is in force",
};

const because: readonly PrinterColumn[] = [
	{ name: "Reason", type: "string", jsonPath: ".status.reason", description: "Why not, if not" },
	{ name: "Message", type: "string", jsonPath: ".status.message", priority: 1, description: "Why not, in a sentence" },
];

/** For kinds of which nobody counts the proxies. */
export const acceptedColumns: readonly PrinterColumn[] = [accepted, ...because];

/** For kinds that proxies are given. */
export const appliedColumns: readonly PrinterColumn[] = [accepted, applied, ...because];
