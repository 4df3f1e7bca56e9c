// One parsed document in, one accepted resource out, checked and in its normal form; or nothing, and findings that say why.

import type { AnyObject, ObjectMeta } from "./config-object.ts";
import { type Findings, newFindings, type Path, renderValue } from "./findings.ts";
import { type KindInfo, lookUpKind } from "./kind-table.ts";
import { withCurrentNames } from "./older-names.ts";
import type { Origin } from "./problem.ts";
import { checkRules } from "./rules/check-rules.ts";
import { checkNames } from "./rules/metadata-rules.ts";
import { checkShape, isMapping, withoutNulls } from "./shapes/check-shape.ts";
import { metadataShape, podStatusShape, serviceStatusShape } from "./shapes/core-shapes.ts";
import { warnOfUnsupportedFields } from "./unsupported-fields.ts";

type Mapping = Readonly<Record<string, unknown>>;

export interface ReadObject {
	/** `VirtualService default/reviews`; empty when the document does not say what it is. */
	readonly resource: string;
	/** Absent when an error was found, or the kind is not read. */
	readonly object?: AnyObject;
	readonly findings: Findings["all"];
}

export interface ObjectDefaults {
	/** For namespaced kinds that name no namespace. */
	readonly namespace: string;
	/** For entries of a typed list (`ServiceList`), which do not repeat their own. */
	readonly apiVersion?: string;
	readonly kind?: string;
}

export function readObject(document: unknown, defaults: ObjectDefaults, origin: Origin): ReadObject {
	const findings = newFindings();
	if (!isMapping(document)) {
		const hint = "a resource begins with apiVersion, kind and metadata";
		findings.error([], `is not a resource, found ${renderValue(document)}`, hint);
		return { resource: "", findings: findings.all };
	}
	const apiVersion = document.apiVersion ?? defaults.apiVersion;
	const kind = document.kind ?? defaults.kind;
	const resource = nameOf(document, kind, defaults.namespace);
	if (typeof apiVersion !== "string" || typeof kind !== "string") {
		if (typeof kind !== "string")
			findings.error(["kind"], `kind is missing or no text`, "add kind: VirtualService, Service, ...");
		if (typeof apiVersion !== "string")
			findings.error(
				["apiVersion"],
				"apiVersion is missing or no text",
				"add apiVersion: networking.istio.io/v1, v1, apps/v1, ...",
			);
		return { resource, findings: findings.all };
	}
	const info = knownKind(apiVersion, kind, findings);
	if (!info) return { resource, findings: findings.all };

	const metadata = readMetadata(document.metadata, info, defaults.namespace, findings);
	const spec = readFields(document, info, findings);
	if (!metadata || spec === undefined || findings.all.some(isError)) return { resource, findings: findings.all };

	// The shape of the kind was checked just now: from here on the value has the type of its kind.
	const object = { kind: info.kind, apiVersion, metadata, spec, origin } as unknown as AnyObject;
	checkRules(object, findings);
	if (findings.all.some(isError)) return { resource, findings: findings.all };
	warnOfUnsupportedFields(object, findings);
	return { resource, object, findings: findings.all };
}

const isError = (finding: Findings["all"][number]): boolean => finding.severity === "error";

function nameOf(document: Mapping, kind: unknown, defaultNamespace: string): string {
	const metadata = isMapping(document.metadata) ? document.metadata : {};
	const name = typeof metadata.name === "string" ? metadata.name : "(no name)";
	if (typeof kind !== "string") return "";
	if (kind === "Namespace" || kind === "VirtualIPPool") return `${kind} ${name}`;
	const namespace = typeof metadata.namespace === "string" ? metadata.namespace : defaultNamespace;
	return `${kind} ${namespace}/${name}`;
}

/** Groups whose kinds say what a mesh should do. */
const forMesh = /^(?:[a-z.]*istio\.io|gateway\.networking\.k8s\.io|keepmesh\.io)\//;

function knownKind(apiVersion: string, kind: string, findings: Findings): KindInfo | undefined {
	const found = lookUpKind(apiVersion, kind);
	switch (found.type) {
		case "known":
			return found.info;
		case "wrongVersion": {
			const served = found.info.apiVersions.join(", ");
			findings.error(["apiVersion"], `${kind} is not served as ${apiVersion}`, `served as ${served}`);
			return undefined;
		}
		case "misspelt":
			findings.error(["kind"], `${apiVersion} has no kind ${kind}`, `did you mean ${found.near}?`);
			return undefined;
		case "notRead":
			findings.warning(
				["kind"],
				`Keepmesh does not read ${kind} (${apiVersion}): it is skipped`,
				forMesh.test(apiVersion) ? "what it asks for is not done" : "nothing in the mesh depends on it",
			);
			return undefined;
		default:
			return found satisfies never;
	}
}

function readMetadata(
	value: unknown,
	info: KindInfo,
	defaultNamespace: string,
	findings: Findings,
): ObjectMeta | undefined {
	if (value === undefined || value === null) {
		findings.error(["metadata"], "metadata is missing", "add metadata: { name: ... }");
		return undefined;
	}
	const before = findings.all.length;
	const { hasNulls } = checkShape(metadataShape, value, ["metadata"], findings);
	if (findings.all.length > before || !isMapping(value)) return undefined;
	const metadata = (hasNulls ? withoutNulls(value) : value) as Partial<
		Record<keyof ObjectMeta | "creationTimestamp" | "deletionTimestamp", never>
	>;
	const deletedMs = timeOf(metadata.deletionTimestamp, ["metadata", "deletionTimestamp"], findings);
	const read: ObjectMeta = {
		name: metadata.name ?? "",
		namespace: info.namespaced ? (metadata.namespace ?? defaultNamespace) : "",
		labels: metadata.labels ?? {},
		annotations: metadata.annotations ?? {},
		createdMs: timeOf(metadata.creationTimestamp, ["metadata", "creationTimestamp"], findings) ?? 0,
		...(deletedMs === undefined ? {} : { deletedMs }),
		...(metadata.uid === undefined ? {} : { uid: metadata.uid }),
		...(metadata.generation === undefined ? {} : { generation: metadata.generation }),
	};
	checkNames(read, info.kind, findings);
	return read;
}

function timeOf(text: string | undefined, path: Path, findings: Findings): number | undefined {
	if (text === undefined) return undefined;
	const ms = Date.parse(text);
	if (!Number.isNaN(ms)) return ms;
	findings.error(path, `is not a time, found ${renderValue(text)}`, "write it like 2026-01-31T12:00:00Z");
	return undefined;
}

/** The part of a resource that `spec` holds in our objects; undefined after an error. */
function readFields(document: Mapping, info: KindInfo, findings: Findings): unknown {
	if (info.fields === "topLevel") return readTopLevel(document, info, findings);
	const spec = document.spec;
	if (spec === undefined || spec === null) {
		if (info.fields === "optionalSpec") return {};
		findings.error(["spec"], "spec is missing", `add spec: with the fields of a ${info.kind}`);
		return undefined;
	}
	const { hasNulls } = checkShape(info.shape, spec, ["spec"], findings);
	const clean = hasNulls ? withoutNulls(spec) : spec;
	if (info.kind === "Namespace") return {};
	if (info.kind === "Pod" && isMapping(clean)) return { ...clean, ...readPodStatus(document.status, findings) };
	if (info.kind === "Service" && isMapping(clean))
		return withStatus(clean, readServiceStatus(document.status, findings));
	return withCurrentNames(info.kind, clean);
}

function readPodStatus(status: unknown, findings: Findings): Mapping {
	if (status === undefined || status === null) return {};
	const { hasNulls } = checkShape(podStatusShape, status, ["status"], findings);
	const clean = hasNulls ? withoutNulls(status) : status;
	if (!isMapping(clean)) return {};
	const { podIP, podIPs, phase, conditions } = clean;
	const known = Object.entries({ podIP, podIPs, phase, conditions }).filter(([, value]) => value !== undefined);
	return { status: Object.fromEntries(known) };
}

/** What somebody wrote under `spec.status` was not checked, and is no status. */
function withStatus(spec: Mapping, status: Mapping): Mapping {
	const own = Object.entries(spec).filter(([key]) => key !== "status");
	return { ...(own.length < Object.keys(spec).length ? Object.fromEntries(own) : spec), ...status };
}

function readServiceStatus(status: unknown, findings: Findings): Mapping {
	if (status === undefined || status === null) return {};
	const { hasNulls } = checkShape(serviceStatusShape, status, ["status"], findings);
	const clean = hasNulls ? withoutNulls(status) : status;
	const balancer = isMapping(clean) ? clean.loadBalancer : undefined;
	if (!isMapping(balancer) || balancer.ingress === undefined) return {};
	return { status: { loadBalancer: { ingress: balancer.ingress } } };
}

function readTopLevel(document: Mapping, info: KindInfo, findings: Findings): unknown {
	const { hasNulls } = checkShape(info.shape, document, [], findings);
	const fields = (hasNulls ? withoutNulls(document) : document) as Mapping;
	if (info.kind === "EndpointSlice") {
		const { addressType, endpoints, ports } = fields;
		return { addressType, endpoints: endpoints ?? [], ports: ports ?? [] };
	}
	if (info.kind === "Secret") return readSecret(fields, findings);
	return {};
}

/** Values are decoded here and never printed anywhere. */
function readSecret(fields: Mapping, findings: Findings): Mapping {
	const data: Record<string, string> = Object.create(null);
	for (const [key, value] of Object.entries(isMapping(fields.data) ? fields.data : {})) {
		if (typeof value !== "string") continue;
		const decoded = decodeBase64(value);
		if (decoded === undefined)
			findings.error(
				["data", key],
				"is not base64 (the value is not shown)",
				"encode it, or put the plain text under stringData",
			);
		else data[key] = decoded;
	}
	for (const [key, value] of Object.entries(isMapping(fields.stringData) ? fields.stringData : {}))
		if (typeof value === "string") data[key] = value;
	return { ...(fields.type === undefined ? {} : { type: fields.type }), data: { ...data } };
}

function decodeBase64(text: string): string | undefined {
	try {
		const bytes = Uint8Array.from(atob(text.replace(/\s/g, "")), (character) => character.charCodeAt(0));
		return new TextDecoder().decode(bytes);
	} catch {
		return undefined;
	}
}
