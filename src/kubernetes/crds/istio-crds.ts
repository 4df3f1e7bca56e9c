// CustomResourceDefinitions of Istio's kinds, for clusters that have no Istio: the names, versions and fields of Istio's own, so that
// either may take the place of the other, with columns that say what became of each object.
// https://istio.io/latest/docs/reference/config/

import {
	destinationRuleShape,
	gatewayShape,
	serviceEntryShape,
	sidecarShape,
	workloadEntryShape,
} from "../../resources/shapes/networking-shapes.ts";
import {
	authorizationPolicyShape,
	peerAuthenticationShape,
	requestAuthenticationShape,
} from "../../resources/shapes/security-shapes.ts";
import type { StructShape } from "../../resources/shapes/shape.ts";
import { virtualServiceShape } from "../../resources/shapes/virtual-service-shape.ts";
import {
	type CustomResourceDefinition,
	customResourceDefinition,
	type PrinterColumn,
} from "./custom-resource-definition.ts";
import { schemaOf } from "./open-api-schema.ts";
import { acceptedColumns, appliedColumns, istioStatusSchema } from "./status-schema.ts";

export function istioCrds(): readonly CustomResourceDefinition[] {
	return [
		networking("VirtualService", virtualServiceShape, {
			shortNames: ["vs"],
			columns: [column("Gateways", ".spec.gateways"), column("Hosts", ".spec.hosts"), ...appliedColumns],
		}),
		networking("DestinationRule", destinationRuleShape, {
			shortNames: ["dr"],
			columns: [column("Host", ".spec.host"), ...appliedColumns],
		}),
		networking("Gateway", gatewayShape, { shortNames: ["gw"], columns: appliedColumns }),
		networking("ServiceEntry", serviceEntryShape, {
			plural: "serviceentries",
			shortNames: ["se"],
			specRequired: true,
			columns: [
				column("Hosts", ".spec.hosts"),
				column("Location", ".spec.location"),
				column("Resolution", ".spec.resolution"),
				...appliedColumns,
			],
		}),
		networking("WorkloadEntry", workloadEntryShape, {
			plural: "workloadentries",
			shortNames: ["we"],
			specRequired: true,
			columns: [column("Address", ".spec.address"), ...acceptedColumns],
		}),
		networking("Sidecar", sidecarShape, { columns: acceptedColumns }),
		security("PeerAuthentication", "peerauthentications", peerAuthenticationShape, {
			shortNames: ["pa"],
			columns: [column("Mode", ".spec.mtls.mode"), ...appliedColumns],
		}),
		security("RequestAuthentication", "requestauthentications", requestAuthenticationShape, {
			shortNames: ["ra"],
			columns: appliedColumns,
		}),
		security("AuthorizationPolicy", "authorizationpolicies", authorizationPolicyShape, {
			shortNames: ["ap"],
			columns: [column("Action", ".spec.action"), ...appliedColumns],
		}),
		...unread(),
	];
}

/** Kinds that Keepmesh does not read: installable, so that files that hold them can be applied; the webhook says that they do nothing. */
function unread(): readonly CustomResourceDefinition[] {
	const open = (group: string, kind: string, own: Omit<Own, "columns">): CustomResourceDefinition =>
		istioDefinition({
			group,
			kind,
			versions: ["v1"],
			storage: "v1",
			spec: { type: "object", "x-kubernetes-preserve-unknown-fields": true },
			columns: [],
			...own,
			description: `${kind}, as Istio has it. Keepmesh does not read it.`,
		});
	return [
		open("networking.istio.io", "WorkloadGroup", {
			shortNames: ["wg"],
			versions: networkingVersions,
			specRequired: true,
		}),
		open("networking.istio.io", "EnvoyFilter", { versions: ["v1alpha3"], storage: "v1alpha3" }),
		open("networking.istio.io", "ProxyConfig", { versions: ["v1beta1"], storage: "v1beta1" }),
		open("telemetry.istio.io", "Telemetry", {
			plural: "telemetries",
			shortNames: ["telemetry"],
			versions: ["v1", "v1alpha1"],
			storage: "v1alpha1",
		}),
		open("extensions.istio.io", "WasmPlugin", { versions: ["v1alpha1"], storage: "v1alpha1", specRequired: true }),
	];
}

const networkingVersions = ["v1", "v1beta1", "v1alpha3"];

interface Own {
	readonly plural?: string;
	readonly shortNames?: readonly string[];
	readonly columns: readonly PrinterColumn[];
	readonly specRequired?: boolean;
	readonly versions?: readonly string[];
	readonly storage?: string;
}

function column(name: string, jsonPath: string): PrinterColumn {
	return { name, type: "string", jsonPath };
}

function networking(kind: string, shape: StructShape, own: Own): CustomResourceDefinition {
	const versions = networkingVersions;
	const group = "networking.istio.io";
	return istioDefinition({ group, kind, versions, storage: "v1", spec: schemaOf(shape), ...own });
}

function security(kind: string, plural: string, shape: StructShape, own: Own): CustomResourceDefinition {
	const versions = ["v1", "v1beta1"];
	const group = "security.istio.io";
	return istioDefinition({ group, kind, plural, versions, storage: "v1beta1", spec: schemaOf(shape), ...own });
}

type IstioFacts = Omit<Parameters<typeof customResourceDefinition>[0], IstioDefault> &
	Partial<Pick<Parameters<typeof customResourceDefinition>[0], IstioDefault>>;

type IstioDefault = "plural" | "shortNames" | "scope" | "categories" | "description" | "specRequired" | "status";

function istioDefinition(facts: IstioFacts): CustomResourceDefinition {
	const { group, kind } = facts;
	return customResourceDefinition({
		plural: `${kind.toLowerCase()}s`,
		shortNames: [],
		scope: "Namespaced",
		categories: ["istio-io", group.replaceAll(".", "-")],
		description: `${kind}, as Istio has it: https://istio.io/latest/docs/reference/config/`,
		specRequired: false,
		status: istioStatusSchema,
		...facts,
	});
}
