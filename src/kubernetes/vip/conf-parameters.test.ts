import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseKeepalivedConf } from "../../vip/keepalived-conf/parse-keepalived-conf.ts";
import { threeNodes } from "./cluster.testing.ts";
import { confParameters } from "./conf-parameters.ts";

const conf = `vrrp_instance web {
 interface eth0
 virtual_router_id 51
 @n2 priority 150
 @^n2 priority 100
 unicast_src_ip $_NODE_ADDRESS
 unicast_peer {
  $_PEER_ADDRESSES
 }
 virtual_ipaddress {
  10.88.0.100/24
 }
}
`;

const read = (configId: string, nodes = threeNodes) =>
	parseKeepalivedConf("keepalived.conf", conf, { configId, parameters: confParameters(nodes, configId) });

describe("one keepalived.conf for all nodes of a cluster", () => {
	it("names this node and the others by parameters", () => {
		const { config, problems } = read("n2");
		assert.deepEqual(problems, []);
		const [instance] = config.instances;
		assert.equal(instance?.priority, 150);
		assert.ok(instance?.transport.type === "unicast");
		assert.equal(instance.transport.source, "10.88.0.12");
		assert.deepEqual(
			instance.transport.peers.map(({ address }) => address),
			["10.88.0.11", "10.88.0.13"],
		);
	});

	it("has an error where a node is not known", () => {
		assert.ok(read("n2", []).problems.some(({ severity }) => severity === "error"));
	});
});
