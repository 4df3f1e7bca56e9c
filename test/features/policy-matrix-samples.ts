// Requests to try policies with, made from the policies themselves: for each value in their text one that it takes and one
// that it nearly takes.

import type { AuthorizationPolicySpec, AuthorizationRule } from "../../src/resources/kinds/security.ts";

/** One side of the matrix for each thing that a rule can ask about. */
export interface MatrixSides {
	/** Without `spiffe://`; undefined: plaintext. */
	readonly principals: readonly (string | undefined)[];
	readonly methods: readonly string[];
	readonly paths: readonly string[];
	readonly hosts: readonly string[];
	readonly ports: readonly number[];
	readonly headers: readonly Readonly<Record<string, string>>[];
	/** Undefined: no token. */
	readonly claims: readonly (Readonly<Record<string, unknown>> | undefined)[];
}

export type MatrixPoint = { readonly [Side in keyof MatrixSides]: MatrixSides[Side][number] };

type Texts = readonly string[] | undefined;

export function sidesOf(policies: readonly AuthorizationPolicySpec[], ports: readonly number[]): MatrixSides {
	const rules = policies.flatMap((policy) => policy.rules ?? []);
	const sources = rules.flatMap((rule) => (rule.from ?? []).map(({ source }) => source ?? {}));
	const operations = rules.flatMap((rule) => (rule.to ?? []).map(({ operation }) => operation ?? {}));
	const both = (...lists: readonly Texts[]): readonly string[] => lists.flatMap((list) => list ?? []);
	const keyed = (key: string): readonly string[] => valuesOf(rules, key);
	const accounts = [
		...sources.flatMap(({ principals, notPrincipals }) => both(principals, notPrincipals)),
		...keyed("source.principal"),
	].map(likeIt);
	const namespaces = [
		...sources.flatMap(({ namespaces: own, notNamespaces }) => both(own, notNamespaces)),
		...keyed("source.namespace"),
	].map(likeIt);
	const named = sources.flatMap(({ serviceAccounts, notServiceAccounts }) => both(serviceAccounts, notServiceAccounts));
	return {
		principals: distinct([
			undefined,
			"cluster.local/ns/default/sa/reviews",
			...accounts.filter((one) => /^[^/]+\/ns\/[^/]+\/sa\/[^/]+$/.test(one)),
			...accounts.map((one) => one.replace(/^.*\/ns\//, "cluster.local/ns/")).filter(isPrincipal),
			...namespaces.flatMap((one) => [`cluster.local/ns/${one}/sa/x`, `cluster.local/ns/${one}x/sa/${one}`]),
			...named.map((one) => `cluster.local/ns/${one.includes("/") ? one.replace("/", "/sa/") : `default/sa/${one}`}`),
			...named.map((one) => `cluster.local/ns/other/sa/${one.split("/").at(-1)}-x`),
		]),
		methods: distinct(["GET", "DELETE", ...operations.flatMap(({ methods, notMethods }) => both(methods, notMethods))]),
		paths: distinct(["/", ...operations.flatMap(({ paths, notPaths }) => both(paths, notPaths)).flatMap(pathsNear)]),
		hosts: distinct([
			"p.default",
			...operations
				.flatMap(({ hosts, notHosts }) => both(hosts, notHosts))
				.flatMap((one) => [likeIt(one), `${likeIt(one)}x`]),
		]),
		ports,
		headers: [{}, ...headersOf(rules)],
		claims: [
			undefined,
			{ iss, sub: "nobody" },
			...claimsOf(
				rules,
				sources.flatMap(({ requestPrincipals }) => requestPrincipals ?? []),
			),
		],
	};
}

export const iss = "https://issuer.example";

function valuesOf(rules: readonly AuthorizationRule[], key: string): readonly string[] {
	const conditions = rules.flatMap((rule) => rule.when ?? []).filter((one) => one.key === key);
	return conditions.flatMap(({ values = [], notValues = [] }) => [...values, ...notValues]);
}

/** A text that the pattern takes. */
function likeIt(pattern: string): string {
	return pattern.replaceAll("{**}", "deep/er").replaceAll("{*}", "one").replace(/^\*/, "front").replace(/\*$/, "end");
}

const isPrincipal = (text: string): boolean => /^[^/]+\/ns\/[^/]+\/sa\/[^/]+$/.test(text);

function pathsNear(pattern: string): readonly string[] {
	const like = likeIt(pattern);
	const taken = like.startsWith("/") ? like : `/${like}`;
	const odd = pattern.includes("{*") ? [...'"*|[]^`'].map((one) => taken.replace(/one|deep/, one)) : [];
	const spelled = [
		taken.replace(/[^\w\-.~/%]/g, (char) => `%${char.charCodeAt(0).toString(16)}`),
		taken.replace(/%3A/g, ":").replace(/%../g, (text) => text.toLowerCase()),
	].filter((one) => one !== taken && !odd.length);
	return [taken, `${taken}x`, taken.slice(0, -1) || "/", `${taken}/more`, `${taken}?query=1`, ...odd, ...spelled];
}

function headersOf(rules: readonly AuthorizationRule[]): readonly Readonly<Record<string, string>>[] {
	return rules
		.flatMap((rule) => rule.when ?? [])
		.flatMap(({ key, values = [], notValues = [] }) => {
			const name = /^request\.headers\[(.+)\]$/.exec(key)?.[1]?.toLowerCase();
			return name === undefined
				? []
				: [...values, ...notValues].flatMap((one) => [{ [name]: likeIt(one) }, { [name]: `a${likeIt(one)}a` }]);
		});
}

function claimsOf(
	rules: readonly AuthorizationRule[],
	requestPrincipals: readonly string[],
): readonly Readonly<Record<string, unknown>>[] {
	const claims = rules
		.flatMap((rule) => rule.when ?? [])
		.flatMap(({ key, values = [], notValues = [] }) => {
			const names = /^request\.auth\.claims\[(.+)\]$/.exec(key)?.[1]?.split("][");
			if (!names) return [];
			const nest = (value: unknown) =>
				names.reduceRight((inner, name) => ({ [name]: inner }), value) as Record<string, unknown>;
			return [...values, ...notValues].flatMap((one) => [
				{ iss, sub: "s", ...nest(likeIt(one)) },
				{ iss, sub: "s", ...nest(["other", likeIt(one)]) },
				{ iss, sub: "s", ...nest(`${likeIt(one)}-not`) },
			]);
		});
	const audiences = valuesOf(rules, "request.auth.audiences").map((aud) => ({ iss, sub: "s", aud }));
	const subjects = requestPrincipals.map((one) => ({ iss, sub: likeIt(one.split("/").at(-1) ?? "") }));
	return [...claims, ...audiences, ...subjects];
}

function distinct<Value>(values: readonly Value[]): readonly Value[] {
	return [...new Set(values)];
}

/** All points of the matrix when they are few, else `most` of them: drawn by the seed, each value of each side among them. */
export function pointsOf(sides: MatrixSides, most: number, seed: number): readonly MatrixPoint[] {
	const keys = Object.keys(sides) as readonly (keyof MatrixSides)[];
	const size = keys.reduce((product, key) => product * sides[key].length, 1);
	const random = randomFrom(seed);
	const points = new Map<string, MatrixPoint>();
	const longest = Math.max(...keys.map((key) => sides[key].length));
	for (let draw = 0; points.size < Math.min(most, size) && draw < most * 50; draw++) {
		const entries = keys.map((key) => {
			const values = sides[key];
			const index = draw < longest ? draw % values.length : Math.floor(random() * values.length);
			return [key, values[index]] as const;
		});
		const point = Object.fromEntries(entries) as unknown as MatrixPoint;
		points.set(JSON.stringify(entries), point);
	}
	return [...points.values()];
}

function randomFrom(seed: number): () => number {
	let state = seed;
	return () => {
		state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
		return state / 2 ** 32;
	};
}
