// The text of a manifest, YAML or JSON, with any number of documents -> the same with proxies. Documents without pods stay as they
// are written, letter for letter; in the others comments and order stay where nothing changes.

import { type Document, isAlias, isSeq, parseDocument, stringify, visit } from "yaml";
import type { InjectConfig } from "./inject-config.ts";
import { injectManifest, type ManifestPod } from "./inject-manifest.ts";
import { type PatchOperation, planJsonPatch } from "./json-patch.ts";

export interface InjectedText {
	readonly text: string;
	readonly pods: readonly ManifestPod[];
	/** Documents that are no YAML, with the line that they begin at. */
	readonly problems: readonly string[];
}

export function injectText(text: string, namespace: string, config: InjectConfig): InjectedText {
	const pods: ManifestPod[] = [];
	const problems: string[] = [];
	let line = 1;
	const documents = text.split(/^(?=---(?:\s|$))/m).map((written) => {
		const document = parseDocument(written, { logLevel: "error" });
		const [error] = document.errors;
		const first = line;
		line += written.split("\n").length - 1;
		if (error) {
			problems.push(`line ${first + (error.linePos?.[0].line ?? 1) - 1}: ${error.message.split("\n")[0]}`);
			return written;
		}
		const object: unknown = document.toJS({ maxAliasCount: 1000 });
		const injected = injectManifest(object, namespace, config);
		pods.push(...injected.pods);
		if (!injected.pods.some(({ outcome }) => outcome === "injected")) return written;
		return render(written, document, object, injected.object);
	});
	return { text: documents.join(""), pods, problems };
}

function render(written: string, document: Document, before: unknown, after: unknown): string {
	if (written.trimStart().startsWith("{")) return `${JSON.stringify(after, undefined, 2)}\n`;
	const start = /^---\s*\n/.test(written) ? "---\n" : "";
	// An alias stands for something written elsewhere: changed there, it would change here as well.
	if (hasAliases(document)) return `${start || "---\n"}${stringify(after, { lineWidth: 0 })}`;
	for (const operation of planJsonPatch(before, after)) patch(document, operation);
	const text = document.toString({ lineWidth: 0, directives: false });
	return `${start}${text.replace(/^---\s*\n/, "")}`;
}

function hasAliases(document: Document): boolean {
	let found = false;
	visit(document, (_key, node) => {
		found ||= isAlias(node);
		return found ? visit.BREAK : undefined;
	});
	return found;
}

function patch(document: Document, { op, path, value }: PatchOperation): void {
	const fields = path
		.slice(1)
		.split("/")
		.map((field) => field.replaceAll("~1", "/").replaceAll("~0", "~"));
	const last = fields.at(-1) ?? "";
	const list = document.getIn(fields.slice(0, -1), true);
	if (op === "remove") document.deleteIn(fields);
	else if (op === "add" && isSeq(list)) list.items.splice(Number(last), 0, document.createNode(value));
	else document.setIn(fields, document.createNode(value));
}
