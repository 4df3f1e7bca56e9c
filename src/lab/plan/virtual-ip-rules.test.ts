import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { vipCommand } from "./lab-commands.ts";
import { planLabNetwork } from "./lab-network.ts";
import { renderVirtualIpRules } from "./virtual-ip-rules.ts";

describe("a node's rules for virtual IPs", () => {
	it("lead them to its own gateway, from outside and from the node itself", () => {
		const rules = renderVirtualIpRules(["10.77.0.240", "10.77.0.241"], "10.77.1.5");
		const lines = rules.split("\n").filter((line) => line.includes("dnat to"));
		assert.equal(lines.length, 2);
		for (const line of lines)
			assert.match(line, /ip daddr \{ 10\.77\.0\.240, 10\.77\.0\.241 \} .* dnat to 10\.77\.1\.5/);
	});

	it("refuse them without a gateway, so that a check does not ask another node's", () => {
		const rules = renderVirtualIpRules(["10.77.0.240"], undefined);
		assert.match(rules, /hook output .* reject with tcp reset/);
		assert.doesNotMatch(rules, /dnat/);
	});

	it("replace what was there, and are nothing without addresses", () => {
		const table = "table ip keepmesh-lab-vip";
		assert.equal(renderVirtualIpRules([], "10.77.1.5"), `${table} {}\ndelete ${table}\n`);
		assert.ok(renderVirtualIpRules(["10.77.0.240"], undefined).startsWith(`${table} {}\ndelete ${table}\n`));
	});
});

describe("the command of a node's virtual IPs", () => {
	it("reads the lab's resources as that node", () => {
		const [node] = planLabNetwork({ name: "x", nodes: 1, controls: 0 }).nodes;
		assert.ok(node);
		assert.equal(
			vipCommand(["keepmesh"], node, { resources: "/r", state: "/s" }).join(" "),
			"nsenter --net=/run/netns/km-x-node-1 -- keepmesh vip run --resources /r --node node-1 --state /s",
		);
	});
});
