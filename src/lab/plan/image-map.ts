// Which local command stands for which container image. In: the image and the rules of the lab's file, then the built-in
// ones; the first match counts. Out: what to run, or a message that says what to write into the lab's file.

import type { Container } from "../../resources/kinds/core.ts";

export interface ImageRule {
	/** The whole image with its tag; `*` stands for any text. */
	readonly match: string;
	/** Program and arguments. */
	readonly command: readonly string[];
	readonly env?: Readonly<Record<string, string>>;
	/** Run the container's own command where it has one (images that are only a shell or curl). Default false. */
	readonly useContainerCommand?: boolean;
}

export type ResolvedImage =
	| { readonly ok: true; readonly command: readonly string[]; readonly env: Readonly<Record<string, string>> }
	| { readonly ok: false; readonly message: string };

export function resolveImage(container: Container, rules: readonly ImageRule[], labFile: string): ResolvedImage {
	const image = container.image ?? "";
	const rule = rules.find((candidate) => imageMatches(candidate.match, image));
	if (!rule)
		return {
			ok: false,
			message: `no local command stands for the image "${image}"; add one to ${labFile}: images: [{match: "${imageWithoutTag(image)}*", command: [...]}]`,
		};
	const own = container.command;
	const command =
		rule.useContainerCommand && own !== undefined && own.length > 0
			? [...own, ...(container.args ?? [])]
			: rule.command;
	return { ok: true, command, env: rule.env ?? {} };
}

export function imageMatches(pattern: string, image: string): boolean {
	const parts = pattern.split("*").map((part) => part.replace(/[\\^$.|?+()[\]{}]/g, "\\$&"));
	return new RegExp(`^${parts.join(".*")}$`).test(image);
}

function imageWithoutTag(image: string): string {
	return image.replace(/(?:@.*|:[^/:]*)$/, "");
}

/** `program`: node and the path of the sample's entry. */
export function builtInImages(program: readonly string[]): readonly ImageRule[] {
	const rule = (
		match: string,
		role: string,
		version = "v1",
		env: Readonly<Record<string, string>> = {},
	): ImageRule => ({
		match,
		command: [...program, role],
		env: { SERVICE_NAME: role, SERVICE_VERSION: version, ...env },
	});
	const bookinfo = (name: string, role: string, version: string): ImageRule =>
		rule(`*examples-bookinfo-${name}*`, role, version);
	const shell = (match: string): ImageRule => ({
		match,
		command: ["sleep", "infinity"],
		useContainerCommand: true,
	});
	return [
		bookinfo("productpage-v1", "productpage", "v1"),
		bookinfo("productpage-v-flooding", "productpage", "v1"),
		bookinfo("details-v1", "details", "v1"),
		bookinfo("details-v2", "details", "v2"),
		bookinfo("ratings-v1", "ratings", "v1"),
		bookinfo("ratings-v2", "ratings", "v2"),
		bookinfo("ratings-v-faulty", "ratings", "v-faulty"),
		bookinfo("reviews-v1", "reviews", "v1"),
		bookinfo("reviews-v2", "reviews", "v2"),
		bookinfo("reviews-v3", "reviews", "v3"),
		rule("*examples-bookinfo-mysqldb*", "mysql"),
		rule("*examples-bookinfo-mongodb*", "redis", "v1", { PORT: "27017" }),
		rule("*examples-helloworld-v1*", "helloworld", "v1"),
		rule("*examples-helloworld-v2*", "helloworld", "v2"),
		rule("*/go-httpbin*", "httpbin", "v1", { PORT: "8080" }),
		rule("*/httpbin*", "httpbin", "v1", { PORT: "80" }),
		rule("*mysql:*", "mysql"),
		rule("*redis:*", "redis"),
		shell("*curl*"),
		shell("*busybox*"),
		shell("*sleep*"),
	];
}
