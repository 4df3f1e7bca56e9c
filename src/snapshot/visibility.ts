// exportTo: which namespaces may see a resource. `*` all, `.` its own, `~` none, else names.

/** exportTo with `.` resolved; the mesh's default when the resource does not say. */
export function resolveExportTo(
	declared: readonly string[] | undefined,
	fallback: readonly string[],
	namespace: string,
): readonly string[] {
	const list = declared === undefined || declared.length === 0 ? fallback : declared;
	return [...new Set(list.map((entry) => (entry === "." ? namespace : entry)))].sort();
}

/** `exportTo` must be resolved. */
export function isVisibleTo(exportTo: readonly string[], namespace: string): boolean {
	if (exportTo.includes("~")) return false;
	return exportTo.includes("*") || exportTo.includes(namespace);
}

/** Whether some namespace sees both. */
export function visibilitiesMeet(a: readonly string[], b: readonly string[]): boolean {
	if (a.includes("~") || b.includes("~")) return false;
	return a.includes("*") ? b.length > 0 : b.includes("*") ? a.length > 0 : a.some((namespace) => b.includes(namespace));
}
