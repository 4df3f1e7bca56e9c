// A checked resource back as the manifest that it came from. Values of Secrets, and keys that are not public, never leave
// the control plane this way.

import { type AnyObject, compareText, type Kind } from "../../resources/config-object.ts";
import { redactedText, redactKeySet } from "../control/redact-key-set.ts";
import type { Manifest } from "./api-types.ts";

export const redacted = redactedText;

/** kubectl keeps the whole resource there as it was applied. */
const lastApplied = "kubectl.kubernetes.io/last-applied-configuration";
const kindsWithSecrets: readonly Kind[] = ["Secret", "RequestAuthentication"];

export function manifestOf(object: AnyObject): Manifest {
	const { name, namespace, labels, createdMs } = object.metadata;
	const annotations = kindsWithSecrets.includes(object.kind)
		? withoutCopy(object.metadata.annotations)
		: object.metadata.annotations;
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
		case "RequestAuthentication": {
			const { jwtRules, ...spec } = object.spec;
			const shown = jwtRules?.map((rule) =>
				rule.jwks === undefined ? rule : { ...rule, jwks: redactKeySet(rule.jwks) },
			);
			return { spec: shown === undefined ? spec : { ...spec, jwtRules: shown } };
		}
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

function withoutCopy(annotations: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
	return Object.hasOwn(annotations, lastApplied) ? { ...annotations, [lastApplied]: redacted } : annotations;
}

function sorted(record: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
	return Object.fromEntries(Object.entries(record).sort((a, b) => compareText(a[0], b[0])));
}
