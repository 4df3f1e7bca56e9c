// Clients that AuthorizationPolicies name and that cannot be there: namespaces that do not exist. Istio's IST0101.

import type { ConfigObject } from "../config-object.ts";
import type { Path } from "../findings.ts";
import { nearestName } from "../text/nearest-name.ts";
import type { MeshIndex } from "./mesh-index.ts";
import type { Report } from "./report.ts";

interface NamedNamespace {
	readonly namespace: string;
	readonly path: Path;
}

/** Only where Namespaces are among the resources: files of a mesh often leave them out. */
export function checkClientNamespaces(index: MeshIndex, report: Report): void {
	if (index.of("Namespace").length === 0) return;
	const known = new Set([
		...index.of("Namespace").map(({ metadata }) => metadata.name),
		...index.of("Service").map(({ metadata }) => metadata.namespace),
		...index.workloads.keys(),
	]);
	for (const policy of index.of("AuthorizationPolicy"))
		for (const { namespace, path } of namespacesNamedBy(policy)) {
			if (namespace === policy.metadata.namespace || known.has(namespace)) continue;
			const near = nearestName(namespace, known);
			report(
				"warning",
				"IST0101",
				policy,
				path,
				`there is no namespace ${namespace}`,
				near ? `did you mean ${near}?` : "nothing in it can be a client",
			);
		}
}

/** Those that are written out, in sources and in conditions on them; patterns may mean namespaces to come. */
function* namespacesNamedBy({ spec }: ConfigObject<"AuthorizationPolicy">): Generator<NamedNamespace> {
	for (const [at, rule] of (spec.rules ?? []).entries()) {
		for (const [sourceAt, { source }] of (rule.from ?? []).entries()) {
			const path = ["spec", "rules", at, "from", sourceAt, "source"];
			yield* written(source?.namespaces, [...path, "namespaces"], (value) => value);
			yield* written(source?.principals, [...path, "principals"], ofPrincipal);
			yield* written(source?.serviceAccounts, [...path, "serviceAccounts"], ofServiceAccount);
		}
		for (const [whenAt, { key, values }] of (rule.when ?? []).entries()) {
			const path = ["spec", "rules", at, "when", whenAt, "values"];
			if (key === "source.namespace") yield* written(values, path, (value) => value);
			if (key === "source.principal") yield* written(values, path, ofPrincipal);
			if (key === "source.serviceAccount") yield* written(values, path, ofServiceAccount);
		}
	}
}

function* written(
	values: readonly string[] | undefined,
	path: Path,
	namespaceOf: (value: string) => string | undefined,
): Generator<NamedNamespace> {
	for (const [at, value] of (values ?? []).entries()) {
		const namespace = value.includes("*") ? undefined : namespaceOf(value);
		if (namespace !== undefined) yield { namespace, path: [...path, at] };
	}
}

function ofPrincipal(value: string): string | undefined {
	return /^[^/]+\/ns\/([^/]+)\/sa\/[^/]+$/.exec(value)?.[1];
}

function ofServiceAccount(value: string): string | undefined {
	return value.includes("/") ? value.slice(0, value.indexOf("/")) : undefined;
}
