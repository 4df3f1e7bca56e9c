// Path templates of a policy (`/orders/{*}/items`, `/static/{**}`) -> Envoy's URI template, or an expression that also
// matches what that matcher takes for no path at all. `{*}` is one segment, `{**}` any number of them.

import { spelledExpression } from "./text-pattern.ts";

export function isPathTemplate(path: string): boolean {
	return path.includes("{*}") || path.includes("{**}");
}

/** `/orders/*`: Envoy's form. Undefined where Envoy would refuse it, and with it the whole listener. */
export function uriTemplate(path: string): string | undefined {
	const [first, ...segments] = path.split("/");
	if (first !== "" || segments.length === 0) return undefined;
	let open = false;
	for (const segment of segments) {
		const operator = segment === "{*}" || segment === "{**}";
		if (operator && open) return undefined;
		if (!operator && !/^[A-Za-z0-9\-._~%!$&'()+,;:@=]*$/.test(segment)) return undefined;
		if (segment === "{**}") open = true;
	}
	return path.replaceAll("{**}", "**").replaceAll("{*}", "*");
}

/** For rules that close: a segment is anything without a slash, be it valid in a URI or not. */
export function pathTemplateExpression(path: string): string {
	const [text = "", ...rest] = path.split(/(?=\{\*\*?\})/);
	const parts = rest.map((part) =>
		part.startsWith("{**}") ? `\\C*${spelledExpression(part.slice(4))}` : `[^/]+${spelledExpression(part.slice(3))}`,
	);
	return spelledExpression(text) + parts.join("");
}
