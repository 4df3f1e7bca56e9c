// A checked resource back as the manifest that it came from. Values of Secrets never leave the control plane this way.

import { type AnyObject, compareText } from "../../resources/config-object.ts";
import type { Manifest } from "./api-types.ts";

export const redacted = "[redacted]";

export function manifestOf(object: AnyObject): Manifest {
	const { name, namespace, labels, annotations, createdMs } = object.metadata;
	return {
		apiVersion: object.apiVersion,
		kind: object.kind,
		metadata: {
			name,
			...(namespace === "" ? {} : { namespace }),
			...(Object.keys(labels).length === 0 ? {} : { labels: sorted(labels) }),
			...(Object.keys(annotations).length === 0 ? {} : { annotations: sorted(annotations) }),
			...(createdMs === 0 ? {} : { creationTimestamp: new Date(createdMs).toISOString().replace(".000Z", "Z") }),
		},
		...bodyOf(object),
	};
}

function bodyOf(object: AnyObject): Readonly<Record<string, unknown>> {
	switch (object.kind) {
		case "Secret":
			return {
				...object.spec,
				data: Object.fromEntries(Object.keys(object.spec.data).map((key) => [key, redacted])),
			};
		case "EndpointSlice":
			return { ...object.spec };
		case "Namespace":
		case "ServiceAccount":
			return {};
		case "Pod": {
			const { status, ...spec } = object.spec;
			return { spec, ...(status ? { status } : {}) };
		}
		default:
			return { spec: object.spec };
	}
}

function sorted(record: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
	return Object.fromEntries(Object.entries(record).sort((a, b) => compareText(a[0], b[0])));
}
