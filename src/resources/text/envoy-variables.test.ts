import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { envoyRefuses } from "../../envoy/envoy-validates.testing.ts";
import { generateOutboundRoutes } from "../../envoy/route/outbound-routes.ts";
import { outboundView, rule, serviceView } from "../../envoy/views.testing.ts";
import { envoyVariablesIn, variablesWithoutParameters } from "./envoy-variables.ts";

const host = "reviews.default.svc.cluster.local";

/** What Envoy says of a route that sets a header to each of these, as they stand in the resource. */
function refusal(values: readonly string[]): string {
	const routes = values.map((value) => {
		const headers = { request: { set: { "x-a": value } }, response: { add: { "x-b": value } } };
		return { route: [{ destination: { host }, headers }], headers };
	});
	return envoyRefuses({
		routes: generateOutboundRoutes(outboundView([serviceView("reviews")], [rule([host], routes)])),
	});
}

const known = [
	...variablesWithoutParameters.map((name) => `%${name}%`),
	...[..."YmdHMSsFTzZjabABef"].map((letter) => `%START_TIME(%${letter})%`),
	..."%START_TIME(%3f)% %REQ(:path?x-a):5% %RESP(a)% %TRAILER(a)% %DYNAMIC_METADATA(a.b:c:d)% %CLUSTER_METADATA(a:b)%".split(
		" ",
	),
	..."%UPSTREAM_METADATA(a:b)% %FILTER_STATE(a.b:PLAIN):9% %FILTER_STATE(a:TYPED)% %FILTER_STATE(a)% %ENVIRONMENT(HOME)%".split(
		" ",
	),
];
const unknown =
	"%NOTHING% %hostname% %REQ% %REQ()% %REQ(a?b?c)% %PROTOCOL:5% %PROTOCOL(a)% %DYNAMIC_METADATA% %FILTER_STATE(a:X)%".split(
		" ",
	);

describe("a variable of Envoy in a text", () => {
	it("stays when Envoy knows it, and Envoy knows all of these", () => {
		for (const text of known) assert.deepEqual(envoyVariablesIn(text), { text, unknown: [], hasLonePercent: false });
		assert.equal(refusal(known), "");
	});

	it("is text when Envoy does not know it, or it is none", () => {
		assert.deepEqual(
			unknown.flatMap((text) => envoyVariablesIn(text).unknown),
			unknown,
		);
		assert.equal(envoyVariablesIn("a %NOTHING% b").text, "a %%NOTHING%% b");
		assert.deepEqual(envoyVariablesIn("100% %% %REQ(a)%"), {
			text: "100%% %% %REQ(a)%",
			unknown: [],
			hasLonePercent: true,
		});
		assert.equal(refusal([...unknown, "100%", "%", "%%%", "%REQ(", "%a %REQ(a)%%b"]), "");
	});
});
