import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { planRedirect, type RedirectInput } from "./redirect-plan.ts";
import { renderRedirect, renderRedirectRemoval } from "./render-redirect.ts";

const every: RedirectInput = { owner: "default/app", mode: "TPROXY", ips: ["10.1.0.5", "fd00::5"], annotations: {} };

describe("the redirect as text", () => {
	it("has room for a guard before all other rules of every chain", () => {
		const { plan } = planRedirect(every);
		const lines = renderRedirect(plan, ["meta l4proto != @alive accept"]).split("\n");
		const afterHooks = lines.flatMap((line, index) => (/policy accept;$/.test(line) ? [lines[index + 1]?.trim()] : []));
		assert.deepEqual(afterHooks, ["meta l4proto != @alive accept", "meta l4proto != @alive accept"]);
	});

	it("is taken away by a text that is harmless without it", () => {
		assert.equal(renderRedirectRemoval(), "table inet keepmesh\ndelete table inet keepmesh\n");
	});
});

describe("annotations of the redirect", () => {
	it("that cannot be meant are reported one by one and left out", () => {
		const { plan, problems } = planRedirect({
			...every,
			annotations: {
				"traffic.sidecar.istio.io/excludeInboundPorts": "80,http,70000,90-80",
				"traffic.sidecar.istio.io/excludeOutboundIPRanges": "10.0.0.0/33,10.0.0/8,10.0.0.0/8",
				"traffic.sidecar.istio.io/excludeInterfaces": "eth0;drop,eth1",
			},
		});
		assert.deepEqual(
			problems.map((problem) => problem.message.split(" ")[0]),
			['"eth0;drop"', '"http"', '"70000"', '"90-80"', '"10.0.0.0/33"', '"10.0.0/8"'],
		);
		assert.deepEqual(plan.inboundExcludedPorts, [{ first: 80, last: 80 }]);
		assert.deepEqual(plan.outboundExcludedRanges, ["10.0.0.0/8"]);
		assert.deepEqual(plan.excludedInterfaces, ["eth1"]);
	});
});
