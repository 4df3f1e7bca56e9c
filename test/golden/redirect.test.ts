// The redirect as the kernel gets it, as golden files: what an operator reads with `nft list ruleset`.

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { planRedirect, type RedirectInput } from "../../src/hotswitch/redirect-plan.ts";
import { renderRedirect } from "../../src/hotswitch/render-redirect.ts";

const every: RedirectInput = {
	owner: "default/reviews-v1",
	mode: "TPROXY",
	ips: ["10.1.0.5", "fd00::5"],
	annotations: {
		"traffic.sidecar.istio.io/excludeInboundPorts": "22, 8000-8010,8005-8012",
		"traffic.sidecar.istio.io/excludeOutboundPorts": "3306",
		"traffic.sidecar.istio.io/includeOutboundPorts": "9999",
		"traffic.sidecar.istio.io/includeOutboundIPRanges": "10.0.0.0/8,fd00::/8",
		"traffic.sidecar.istio.io/excludeOutboundIPRanges": "10.9.0.0/16,10.9.1.0/24",
		"traffic.sidecar.istio.io/excludeInterfaces": "eth1,eth2",
	},
	dns: { address: "10.1.0.1", port: 15_053 },
};

const cases: Readonly<Record<string, RedirectInput>> = {
	"tproxy-ipv4": { owner: "default/app", mode: "TPROXY", ips: ["10.1.0.5"], annotations: {} },
	"tproxy-takes-plaintext": {
		owner: "default/app",
		mode: "TPROXY",
		ips: ["10.1.0.5"],
		annotations: {},
		plaintext: { others: true, except: [] },
	},
	"tproxy-strict-but-two": {
		owner: "default/app",
		mode: "TPROXY",
		ips: ["10.1.0.5"],
		annotations: {},
		plaintext: { others: false, except: [8080, 9000] },
	},
	"redirect-ipv4": { owner: "default/app", mode: "REDIRECT", ips: ["10.1.0.5"], annotations: {} },
	"tproxy-everything": every,
	"only-some-inbound-ports": {
		owner: "default/app",
		mode: "REDIRECT",
		ips: ["10.1.0.5"],
		annotations: { "traffic.sidecar.istio.io/includeInboundPorts": "9080,9443" },
	},
	"no-inbound-ports": {
		owner: "default/app",
		mode: "TPROXY",
		ips: ["10.1.0.5"],
		annotations: { "traffic.sidecar.istio.io/includeInboundPorts": "" },
	},
	"router-with-dns": { ...every, mode: "NONE", annotations: {} },
	router: { owner: "default/gateway", mode: "NONE", ips: ["10.1.0.5"], annotations: {} },
};

const rewrite = process.env.KEEPMESH_GOLDEN === "rewrite";

describe("the redirect as text", () => {
	for (const [name, input] of Object.entries(cases))
		it(name, () => {
			const { plan, problems } = planRedirect(input);
			assert.deepEqual(problems, []);
			const file = join(import.meta.dirname, `redirect/${name}.nft`);
			const text = renderRedirect(plan);
			if (rewrite) writeFileSync(file, text);
			assert.equal(text, readFileSync(file, "utf8"));
		});
});
