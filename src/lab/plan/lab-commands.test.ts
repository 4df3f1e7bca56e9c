import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { vipCommand } from "./lab-commands.ts";
import { planLabNetwork } from "./lab-network.ts";

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
