import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { renderVipStatus } from "../cli/vip-status-command.ts";
import { renderVipMetrics } from "./vip-metrics.ts";
import { vipStatus } from "./vip-status.ts";
import { VirtualNodes } from "./virtual-nodes.testing.ts";

const fastHeartbeat = { intervalMs: 20, missed: 3, port: 15112 };

function statusesAfter(ms: number) {
	const nodes = new VirtualNodes();
	const a = nodes.add("a", { priority: 150, fastHeartbeat });
	const b = nodes.add("b", { fastHeartbeat });
	a.start();
	b.start();
	nodes.clock.advance(ms);
	const of = (node: typeof a) => {
		assert.ok(node.runtime);
		return vipStatus(node.runtime, node.name, nodes.clock.monotonicMs() * 1000);
	};
	return { nodes, a, b, of };
}

describe("the status of virtual IPs", () => {
	it("says who owns an address, since when and why, and who else is heard", () => {
		const { b, of } = statusesAfter(2000);
		const [instance] = of(b).instances;
		assert.equal(instance?.owner, "10.77.0.2");
		assert.deepEqual(
			instance?.nodes.map(({ address, state, priority }) => [address, state, priority]),
			[["10.77.0.2", "MASTER", 150]],
		);
		assert.equal(instance?.peers[0]?.address, "10.77.0.2");
		assert.ok((instance?.peers[0]?.ageMs ?? 1000) <= 100);
		assert.equal(instance?.transitions.at(-1)?.to, "BACKUP");
	});

	it("knows no owner once the one that was heard is silent", () => {
		const { nodes, a, b, of } = statusesAfter(2000);
		b.host.fail("addAddress", { ok: false, because: "refused", message: "no" });
		a.powerOff();
		nodes.clock.advance(700);
		assert.equal(of(b).instances[0]?.owner, null);
		assert.equal(of(b).instances[0]?.state, "FAULT");
	});

	it("says what of the files is left out, from the start on", () => {
		const { a, nodes } = statusesAfter(200);
		assert.ok(a.runtime);
		const leftOut = ["vip.yaml: VirtualIP web: spec.authentication: the key cannot be read: /key"];
		const status = vipStatus(a.runtime, a.name, nodes.clock.monotonicMs() * 1000, { leftOut });
		assert.deepEqual(status.leftOut, leftOut);
		assert.equal(status.configProblem, undefined);
		assert.match(renderVipStatus(status, nodes.clock.wallMs()), /\nleft out: vip\.yaml: .*cannot be read: \/key/);
	});

	it("has the metrics of keepalived's exporter, and its own", () => {
		const { a, b, of } = statusesAfter(2000);
		const [ofA, ofB] = [renderVipMetrics(of(a)), renderVipMetrics(of(b))];
		const labels = 'iname="web",intf="eth0",vrid="51"';
		assert.match(ofA, new RegExp(`^keepalived_vrrp_state\\{${labels},ip_address="10.77.0.100"\\} 2$`, "m"));
		assert.match(ofB, new RegExp(`^keepalived_vrrp_state\\{${labels},ip_address="10.77.0.100"\\} 1$`, "m"));
		assert.match(ofA, new RegExp(`^keepalived_become_master_total\\{${labels}\\} 1$`, "m"));
		assert.match(ofB, new RegExp(`^keepmesh_vip_peers\\{${labels}\\} 1$`, "m"));
		for (const line of ofA.trim().split("\n"))
			assert.match(line, /^(?:# (?:HELP|TYPE) \w+ .+|\w+(?:\{(?:\w+="[^"]*",?)+\})? \d+)$/);
	});

	it("fits on a screen", () => {
		const { a, nodes, of } = statusesAfter(2000);
		const text = renderVipStatus(of(a), nodes.clock.wallMs());
		assert.match(
			text,
			/^NAME\s+STATE\s+PRIORITY\s+OWNER\s+SINCE\s+ADDRESSES\s+WHY\nweb\s+MASTER\s+150\s+a\s+1s\s+10\.77\.0\.100\/24\s/,
		);
	});
});
