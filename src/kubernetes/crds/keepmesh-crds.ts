// CustomResourceDefinitions of Keepmesh's own kinds, group keepmesh.io: from the tables that `validate` uses.

import { hotSwitchShape } from "../../resources/shapes/hot-switch-shape.ts";
import { meshConfigShape } from "../../resources/shapes/mesh-config-shape.ts";
import { remoteClusterShape } from "../../resources/shapes/remote-cluster-shape.ts";
import type { StructShape } from "../../resources/shapes/shape.ts";
import { virtualIpPoolShape } from "../../resources/shapes/virtual-ip-pool-shape.ts";
import { virtualIpShape } from "../../resources/shapes/virtual-ip-shape.ts";
import {
	type CrdFacts,
	type CustomResourceDefinition,
	customResourceDefinition,
	type PrinterColumn,
} from "./custom-resource-definition.ts";
import { type FieldNotes, withNotes } from "./field-notes.ts";
import { hotSwitchNotes } from "./hot-switch-notes.ts";
import { meshConfigNotes } from "./mesh-config-notes.ts";
import { type OpenApiSchema, schemaOf } from "./open-api-schema.ts";
import { remoteClusterNotes } from "./remote-cluster-notes.ts";
import { acceptedColumns, statusSchema } from "./status-schema.ts";
import { virtualIpNotes } from "./virtual-ip-notes.ts";
import { virtualIpPoolNotes } from "./virtual-ip-pool-notes.ts";

export function keepmeshCrds(): readonly CustomResourceDefinition[] {
	return [
		definition("VirtualIP", virtualIpShape, virtualIpNotes, {
			shortNames: ["vip"],
			specRequired: true,
			status: statusSchema(virtualIpStatus),
			columns: [
				column("Addresses", ".spec.addresses"),
				{ ...column("VRID", ".spec.virtualRouterId"), type: "integer", priority: 1 },
				column("Owner", ".status.owner"),
			],
		}),
		definition("VirtualIPPool", virtualIpPoolShape, virtualIpPoolNotes, {
			plural: "virtualippools",
			shortNames: ["vippool"],
			scope: "Cluster",
			specRequired: true,
			columns: [column("Addresses", ".spec.addresses"), column("AutoAssign", ".spec.autoAssign")],
		}),
		definition("HotSwitch", hotSwitchShape, hotSwitchNotes, {
			plural: "hotswitches",
			shortNames: ["hs"],
			columns: [column("FailOpen", ".spec.failOpen"), column("Steps", ".spec.steps")],
		}),
		definition("MeshConfig", meshConfigShape, meshConfigNotes, {
			shortNames: ["mc"],
			columns: [
				column("TrustDomain", ".spec.trustDomain"),
				column("Outbound", ".spec.outboundTrafficPolicy.mode"),
				column("RootNamespace", ".spec.rootNamespace", 1),
			],
		}),
		definition("RemoteCluster", remoteClusterShape, remoteClusterNotes, {
			shortNames: ["rcl"],
			specRequired: true,
			columns: [column("Cluster", ".spec.clusterId"), column("Network", ".spec.network")],
		}),
	];
}

/** What nodes write: who holds the addresses. */
const virtualIpStatus: Readonly<Record<string, OpenApiSchema>> = {
	owner: { type: "string", description: "The node that holds the addresses." },
	ownedSince: { type: "string", format: "date-time", description: "Since when." },
};

function column(name: string, jsonPath: string, priority = 0): PrinterColumn {
	return { name, type: "string", jsonPath, ...(priority > 0 ? { priority } : {}) };
}

type Own = Pick<CrdFacts, "shortNames" | "columns"> & Partial<CrdFacts>;

function definition(kind: string, shape: StructShape, notes: FieldNotes, own: Own): CustomResourceDefinition {
	const description = typeof notes[""] === "string" ? notes[""] : (notes[""]?.says ?? "");
	return customResourceDefinition({
		group: "keepmesh.io",
		kind,
		plural: `${kind.toLowerCase()}s`,
		scope: "Namespaced",
		categories: ["keepmesh"],
		versions: ["v1alpha1"],
		storage: "v1alpha1",
		description,
		spec: withNotes(schemaOf(shape), notes),
		specRequired: false,
		status: statusSchema(),
		...own,
		columns: [...own.columns, ...acceptedColumns],
	});
}
