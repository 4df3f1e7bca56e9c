// Whether the API server may take a resource of the mesh: an AdmissionReview comes in, the answer goes out, by the same rules as
// `keepmesh validate`. Errors refuse; everything else that is worth knowing becomes a warning, which kubectl prints.

import { checkReferences } from "../../resources/check-references.ts";
import { type AnyObject, keyOf } from "../../resources/config-object.ts";
import { type Finding, renderPath } from "../../resources/findings.ts";
import type { Problem } from "../../resources/problem.ts";
import { readObject } from "../../resources/read-object.ts";
import { isMapping } from "../../resources/shapes/check-shape.ts";
import {
	type AdmissionRequest,
	type AdmissionResponse,
	type AdmissionReview,
	allow,
	refuse,
} from "./admission-review.ts";

export interface ValidateContext {
	/** What is in force. Absent: a resource is looked at alone, and no warning says that what it refers to is missing. */
	readonly objects?: readonly AnyObject[];
}

/** More problems than anybody reads at once. */
const maxProblems = 20;
/** The API server cuts longer warnings, and drops those behind 4096 characters. */
const maxWarningLength = 256;
const maxWarnings = 15;

export function validateReview({ request }: AdmissionReview, context: ValidateContext = {}): AdmissionResponse {
	if (!isToBeRead(request)) return allow(request);
	const namespace = request.namespace ?? "";
	const { object, findings, resource } = readObject(
		withName(request.object),
		{ namespace: namespace === "" ? "default" : namespace },
		{ file: "", line: 1, column: 1 },
	);
	const errors = findings.filter(({ severity }) => severity === "error").map(textOfFinding);
	const warnings = findings.filter(({ severity }) => severity === "warning").map(textOfFinding);
	if (errors.length > 0) return refuse(request, refusalOf(resource, errors), shown(warnings));
	const references = object && context.objects ? referencesOf(object, context.objects) : [];
	return allow(request, shown([...warnings, ...references]));
}

/**
 * What is going away is nobody's business. And an update that leaves the spec as it is must pass, whatever it holds: it may have
 * been taken while nobody looked, and finalizers and labels have to be changed all the same.
 */
function isToBeRead({ object, oldObject, operation }: AdmissionRequest): boolean {
	if (!isMapping(object) || (operation !== "CREATE" && operation !== "UPDATE")) return false;
	if (isMapping(object.metadata) && object.metadata.deletionTimestamp) return false;
	return !isMapping(oldObject) || operation === "CREATE" || !isSameJson(object.spec, oldObject.spec);
}

/** The server writes fields of both in the same order, unless they came in different versions: then they are read again. */
function isSameJson(one: unknown, other: unknown): boolean {
	return JSON.stringify(one) === JSON.stringify(other);
}

/** What is to get a name by `generateName` has none yet. */
function withName(object: unknown): unknown {
	if (!isMapping(object) || !isMapping(object.metadata)) return object;
	const { generateName, name } = object.metadata;
	if (name !== undefined || typeof generateName !== "string") return object;
	return { ...object, metadata: { ...object.metadata, name: `${generateName}xxxxx` } };
}

function referencesOf(object: AnyObject, inForce: readonly AnyObject[]): readonly string[] {
	const key = keyOf(object);
	const all = [...inForce.filter((other) => keyOf(other) !== key), object];
	const { kind, metadata } = object;
	const resource =
		metadata.namespace === "" ? `${kind} ${metadata.name}` : `${kind} ${metadata.namespace}/${metadata.name}`;
	return checkReferences(all)
		.filter((problem) => problem.resource === resource)
		.map(textOfProblem);
}

function refusalOf(resource: string, errors: readonly string[]): string {
	const more = errors.length - maxProblems;
	const lines = errors.slice(0, maxProblems).map((text) => `\n  ${text}`);
	return `${resource} has ${errors.length} ${errors.length === 1 ? "error" : "errors"}:${lines.join("")}${more > 0 ? `\n  and ${more} more` : ""}`;
}

function textOfFinding({ path, ...finding }: Finding): string {
	return textOfProblem({ ...finding, path: renderPath(path) });
}

/** On one line: `spec.http[0].timeout: is not a duration, found "5"; write ... [IST0101]`. */
function textOfProblem({ path, message, hint, code }: Pick<Problem, "path" | "message" | "hint" | "code">): string {
	const place = path === "" ? "" : `${path}: `;
	return `${place}${message}${hint === "" ? "" : `; ${hint}`}${code === undefined ? "" : ` [${code}]`}`;
}

function shown(warnings: readonly string[]): readonly string[] {
	const cut = warnings.map((text) =>
		text.length > maxWarningLength ? `${text.slice(0, maxWarningLength - 3)}...` : text,
	);
	if (cut.length <= maxWarnings) return cut;
	return [...cut.slice(0, maxWarnings - 1), `and ${cut.length - maxWarnings + 1} more: keepmesh validate -f FILE`];
}
