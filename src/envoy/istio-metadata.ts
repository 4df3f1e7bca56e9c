// Istio's filter metadata `istio`, by which telemetry and tools find the resource and the service behind an Envoy object.

import type { JsonObject } from "@bufbuild/protobuf";
import type { MeshService } from "../model/service.ts";
import type { ObjectKey } from "../resources/config-object.ts";
import type { MetadataSchema } from "./gen/envoy/config/core/v3/base_pb.ts";
import type { MessageFields } from "./message-fields.ts";

export type MetadataInit = MessageFields<typeof MetadataSchema>;

const kebabKinds: Readonly<Record<string, string>> = {
	VirtualService: "virtual-service",
	DestinationRule: "destination-rule",
	Gateway: "gateway",
};

/** `/apis/networking.istio.io/v1alpha3/namespaces/default/virtual-service/reviews` */
export function configPath(source: ObjectKey): string {
	const [kind = "", namespace = "", name = ""] = source.split("/");
	return `/apis/networking.istio.io/v1alpha3/namespaces/${namespace}/${kebabKinds[kind] ?? kind.toLowerCase()}/${name}`;
}

export function serviceMetadata(service: MeshService): JsonObject {
	return { host: service.hostname, name: service.name, namespace: service.namespace };
}

export function istioMetadata(fields: JsonObject): MetadataInit {
	return { filterMetadata: { istio: fields } };
}
