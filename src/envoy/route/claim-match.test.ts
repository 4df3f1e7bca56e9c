// Routes that are chosen by what a token claims.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { defaultMeshSettings } from "../../model/mesh-settings.ts";
import type { HttpMatch } from "../../resources/kinds/networking.ts";
import { FiltersInEnvoy } from "../security/filters-in-envoy.testing.ts";
import { tokenFilters } from "../security/token-filters.ts";
import { type Claims, keySetText, newKey, token } from "../security/tokens.testing.ts";
import { claimPath } from "./claim-match.ts";
import { routesOf, scope } from "./routes.testing.ts";

describe("claimPath", () => {
	const names: readonly (readonly [string, readonly string[] | undefined])[] = [
		["@request.auth.claims.sub", ["sub"]],
		["@request.auth.claims.realm.Roles", ["realm", "Roles"]],
		["@request.auth.claims[sub]", ["sub"]],
		["@request.auth.claims[realm][Roles]", ["realm", "Roles"]],
		["@request.auth.claims[https://example.com/roles]", ["https://example.com/roles"]],
		["@Request.Auth.Claims.sub", ["sub"]],
		["@request.auth.claims", undefined],
		["@request.auth.claims.", undefined],
		["@request.auth.claims.a..b", undefined],
		["@request.auth.claims[]", undefined],
		["@request.auth.claims[a", undefined],
		["@request.auth.claims-abc", undefined],
		["x-some-header", undefined],
	];
	for (const [name, path] of names) {
		it(`${name} -> ${path?.join(" / ") ?? "no claim"}`, () => {
			assert.deepEqual(claimPath(name), path);
		});
	}
});

describe("VirtualService match on claims of tokens, through a real Envoy", () => {
	const issuer = "https://issuer.example";
	const key = newKey();
	const on = (name: string, match: object): HttpMatch => ({ headers: { [name]: match } });
	const without = (name: string, match: object): HttpMatch => ({ withoutHeaders: { [name]: match } });
	const matches: Readonly<Record<string, HttpMatch>> = {
		exact: on("@request.auth.claims.group", { exact: "admin" }),
		prefix: on("@request.auth.claims.group", { prefix: "adm" }),
		regex: on("@request.auth.claims.group", { regex: "a.*n" }),
		present: on("@request.auth.claims.group", {}),
		nested: on("@request.auth.claims.realm.role", { exact: "admin" }),
		bracketed: on("@request.auth.claims[https://example.com/roles][main]", { exact: "admin" }),
		scope: on("@request.auth.claims.scope", { exact: "write" }),
		without: without("@request.auth.claims.group", { exact: "guest" }),
		withHeader: { headers: { "@request.auth.claims.group": { exact: "admin" }, "x-beta": { exact: "1" } } },
		sidecar: on("@request.auth.claims.group", { exact: "admin" }),
	};
	let envoy: FiltersInEnvoy;
	before(async () => {
		const rule = { source: "RequestAuthentication/default/tokens", issuer, keys: keySetText(key) } as const;
		const filters = tokenFilters([rule], defaultMeshSettings);
		envoy = await FiltersInEnvoy.start(
			Object.fromEntries(
				Object.entries(matches).map(([name, match]) => {
					const route = { match: [match], directResponse: { status: 218 } };
					return [name, { filters, routes: routesOf([route], scope({ verifiesTokens: name !== "sidecar" })) }];
				}),
			),
		);
	});
	after(() => envoy.close());

	const takes = async (
		name: string,
		claims?: Claims,
		more: Readonly<Record<string, string>> = {},
	): Promise<boolean> => {
		const authorization = claims && `Bearer ${token(key, { iss: issuer, ...claims })}`;
		const { status } = await envoy.ask(name, { headers: { ...more, ...(authorization && { authorization }) } });
		assert.ok(status === 218 || status === 200, `${status}`);
		return status === 218;
	};

	const holds: readonly (readonly [string, Claims])[] = [
		["exact", { group: "admin" }],
		["exact", { group: ["guest", "admin"] }],
		["prefix", { group: "admiral" }],
		["prefix", { group: ["admiral"] }],
		["regex", { group: "admin" }],
		["present", { group: "any" }],
		["present", { group: ["any"] }],
		["nested", { realm: { role: "admin" } }],
		["bracketed", { "https://example.com/roles": { main: "admin" } }],
		["scope", { scope: "read write" }],
		["without", { group: "admin" }],
		["without", {}],
	];
	for (const [name, claims] of holds) {
		it(`${name} holds for ${JSON.stringify(claims)}`, async () => {
			assert.ok(await takes(name, claims));
		});
	}

	const fails: readonly (readonly [string, Claims])[] = [
		["exact", { group: "administrator" }],
		["exact", { group: "ADMIN" }],
		["exact", { Group: "admin" }],
		["exact", {}],
		["prefix", { group: "an admin" }],
		["regex", { group: "badmin" }],
		["present", { groups: "any" }],
		["nested", { "realm.role": "admin" }],
		["nested", { realm: "admin" }],
		["scope", { scope: "read writes" }],
		["without", { group: "guest" }],
		["without", { group: ["admin", "guest"] }],
	];
	for (const [name, claims] of fails) {
		it(`${name} does not hold for ${JSON.stringify(claims)}`, async () => {
			assert.ok(!(await takes(name, claims)));
		});
	}

	it("holds for no request without a token, whatever headers it has", async () => {
		for (const name of ["exact", "present", "nested", "scope"]) assert.ok(!(await takes(name)), name);
		assert.ok(!(await takes("exact", undefined, { group: "admin" })));
		assert.ok(await takes("without"));
	});

	it("goes together with matches on headers", async () => {
		assert.ok(await takes("withHeader", { group: "admin" }, { "x-beta": "1" }));
		assert.ok(!(await takes("withHeader", { group: "admin" })));
		assert.ok(!(await takes("withHeader", { group: "guest" }, { "x-beta": "1" })));
	});

	it("never holds where nothing verifies tokens before routes are chosen", async () => {
		assert.ok(!(await takes("sidecar", { group: "admin" })));
	});
});
