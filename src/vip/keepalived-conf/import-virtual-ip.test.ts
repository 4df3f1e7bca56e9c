// Imports: what a keepalived.conf does and what the VirtualIP made of it does are the same.

import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, it } from "node:test";
import { readResourceFile } from "../../resources/read-resources.ts";
import type { InstanceConfig, VipConfig } from "../vip-config.ts";
import { type VirtualIp, virtualIpConfig } from "../virtual-ip-config.ts";
import { weightOf } from "./build-config.ts";
import { corpus, instance } from "./conf-corpus.testing.ts";
import { type ImportSource, importVirtualIps } from "./import-virtual-ip.ts";
import { parseKeepalivedConf } from "./parse-keepalived-conf.ts";
import { renderVirtualIps } from "./render-virtual-ips.ts";

const parse = (text: string): VipConfig => parseKeepalivedConf("keepalived.conf", text, { configId: "a" }).config;

/** Through YAML and back, as one node reads it. */
function throughYaml(sources: readonly ImportSource[], node: string): VipConfig {
	const yaml = renderVirtualIps(importVirtualIps(sources), "default");
	const { objects, problems } = readResourceFile("vip.yaml", yaml);
	const errors = problems.filter(({ severity }) => severity === "error");
	assert.deepEqual(errors, [], yaml);
	const own = sources.find((source) => source.node === node)?.config.instances ?? [];
	const read = virtualIpConfig(objects as readonly VirtualIp[], {
		nodeName: node,
		interfaceFor: () => undefined,
		key: ({ keyFile }) => {
			const found = own.find(
				({ name }) => keyFile === `/etc/keepmesh/vip-${name.toLowerCase().replace(/[^a-z0-9]+/g, "-")}.key`,
			);
			return found && found.authentication.type !== "none" ? found.authentication.key : undefined;
		},
	});
	assert.deepEqual(
		read.problems.filter(({ severity }) => severity === "error"),
		[],
		yaml,
	);
	return read.config;
}

/** What the comments name is taken away; weights are written where they count. */
function essence(config: VipConfig): unknown {
	return config.instances.map((one) => ({
		...one,
		promoteSecondaries: undefined,
		faultWithoutPeers: undefined,
		announce: { ...one.announce, neighbourSpacingMs: undefined },
		notify: { ...one.notify, users: undefined, sendsDeleted: undefined, priorityChanges: undefined },
		transport:
			one.transport.type === "unicast"
				? { ...one.transport, peers: one.transport.peers.map(({ address }) => ({ address })) }
				: one.transport,
		tracked: one.tracked.flatMap((tracked) => {
			const tracker = config.trackers.find(({ name }) => name === tracked.tracker);
			if (!tracker || tracker.check.type === "bfd") return [];
			const { weight: _weight, reverse: _reverse, ...run } = tracker;
			return [{ ...run, weight: weightOf(tracked, config.trackers), reverse: tracked.reverse ?? tracker.reverse }];
		}),
	}));
}

const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

function assertSame(text: string): void {
	const config = parse(text);
	if (!config.instances.every(({ addresses }) => addresses.length > 0)) {
		assert.deepEqual(importVirtualIps([{ node: "a", config }]), []);
		return;
	}
	assert.deepEqual(plain(essence(throughYaml([{ node: "a", config }], "a"))), plain(essence(config)));
}

/** A VirtualIP without peers is refused; the import names it. */
const refused = /^unicast_fault_no_peer$/;

describe("import", () => {
	for (const { name, text } of corpus)
		if (!refused.test(name)) it(`gives an equal configuration back: ${name}`, () => assertSame(text));

	const inputs = resolve(import.meta.dirname, "../../../../shared/inputs/keepalived");
	for (const name of existsSync(inputs) ? readdirSync(inputs) : [])
		it(`gives an equal configuration back: ${name}`, () => assertSame(readFileSync(join(inputs, name), "utf8")));

	it("makes one resource of two nodes, each with its own priority and address", () => {
		const file = (priority: number, own: string, other: string) =>
			parse(
				instance(
					`priority ${priority}\n version 3\n advert_int 0.1\n unicast_src_ip ${own}\n unicast_peer {\n ${other}\n }`,
				),
			);
		const sources = [
			{ node: "a", config: file(150, "10.9.0.1", "10.9.0.2") },
			{ node: "b", config: file(100, "10.9.0.2", "10.9.0.1") },
		];
		const [imported, ...more] = importVirtualIps(sources);
		assert.deepEqual(more, []);
		assert.deepEqual(imported?.notCarried, []);
		assert.deepEqual(imported?.spec.nodes, [
			{ node: "a", priority: 150, initialState: "BACKUP", sourceAddress: "10.9.0.1" },
			{ node: "b", priority: 100, initialState: "BACKUP", sourceAddress: "10.9.0.2" },
		]);
		assert.equal(imported?.spec.transport?.peers, undefined);
		for (const { node, config } of sources)
			assert.deepEqual(plain(essence(throughYaml(sources, node))), plain(essence(config)), node);
	});

	it("names what it does not carry over, and never writes a key", () => {
		const sources = [
			{
				node: "a",
				config: parse(
					`bfd_instance b {\n neighbor_ip 10.9.0.2\n}\n${instance('authentication {\n auth_type PASS\n auth_pass geheim\n }\n track_bfd {\n b\n }\n notify_master "/bin/true" u\n promote_secondaries')}`,
				),
			},
		];
		const yaml = renderVirtualIps(importVirtualIps(sources), "default");
		assert.match(yaml, /# not carried over: track_bfd b/);
		assert.match(yaml, /# not carried over: users of notify scripts/);
		assert.match(yaml, /# not carried over: promote_secondaries/);
		assert.doesNotMatch(yaml, /geheim/);
	});

	it("names what it does not carry over of auth_hmac, and nothing where all is carried", () => {
		const comments = (lines: string): readonly string[] => {
			const text = instance(`auth_hmac {\n key 1 hex:${"0f".repeat(32)}\n ${lines}\n }\n version 3`);
			const [imported] = importVirtualIps([{ node: "a", config: parse(text) }]);
			return (imported?.notCarried ?? []).map((comment) => comment.split(" of auth_hmac")[0] ?? "");
		};
		assert.deepEqual(comments("mode permissive"), ["mode permissive"]);
		assert.deepEqual(comments("anti_replay monotonic"), ["anti_replay monotonic"]);
		assert.deepEqual(comments("time_window 30"), ["time_window 30"]);
		assert.deepEqual(comments("mode enforce\n anti_replay time"), []);
	});

	it("keeps members of a group together", () => {
		const config = parse(
			`${instance("")}${instance("").replace("VI_1", "VI_2").replace("51", "52")}vrrp_sync_group G {\n group {\n VI_1\n VI_2\n }\n}\n`,
		);
		const read = throughYaml([{ node: "a", config }], "a");
		assert.deepEqual(
			read.groups.map(({ name, members }) => [name, members]),
			[["G", ["VI_1", "VI_2"]]],
		);
		assert.deepEqual(
			read.instances.map(({ name }: InstanceConfig) => name),
			["VI_1", "VI_2"],
		);
	});
});
