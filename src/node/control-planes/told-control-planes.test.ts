import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { encodedFromBytes } from "../../envoy/encode-resource.ts";
import { controlPlanesName, controlPlanesTypeUrl, encodeControlPlanes } from "../../replicas/control-planes-codec.ts";
import { silentLog } from "../../runtime/log.ts";
import { VirtualClock } from "../../runtime/virtual-clock.ts";
import { SeenRevisions } from "./seen-revisions.ts";
import { ToldControlPlanes } from "./told-control-planes.ts";

const given = [{ host: "10.0.0.1", port: 15012 }];
const told = (...addresses: readonly string[]) => {
	const resource = encodedFromBytes(controlPlanesName, controlPlanesTypeUrl, encodeControlPlanes(addresses));
	return { typeUrl: controlPlanesTypeUrl, nonce: "1", resources: [resource], removed: [] };
};
const hosts = (list: ToldControlPlanes): readonly string[] => list.addresses.map(({ host }) => host);

describe("the control planes that a node may turn to", () => {
	let directory = "";
	const file = (): string => join(directory, "control-planes.json");
	const open = (): ToldControlPlanes => new ToldControlPlanes(given, file(), silentLog);
	beforeEach(() => {
		directory = mkdtempSync(join(tmpdir(), "keepmesh-told-"));
	});
	afterEach(() => rmSync(directory, { recursive: true, force: true }));

	it("grow by those that it is told of, in the list that others hold, and shrink to those that it was given", () => {
		const list = open();
		const held = list.addresses;
		assert.equal(list.take(told("10.0.0.1:15012", "10.0.0.2:15012", "10.0.0.3:15012")), undefined);
		assert.deepEqual(hosts(list), ["10.0.0.1", "10.0.0.2", "10.0.0.3"]);
		list.take(told("10.0.0.3:15012", "10.0.0.4:15012"));
		assert.deepEqual(hosts(list), ["10.0.0.1", "10.0.0.3", "10.0.0.4"]);
		assert.equal(held, list.addresses);
		list.take({ ...told(), resources: [], removed: [controlPlanesName] });
		assert.deepEqual(hosts(list), ["10.0.0.1", "10.0.0.3", "10.0.0.4"]);
	});

	it("are there again after a restart without any control plane", async () => {
		const list = open();
		list.take(told("10.0.0.2:15012", "[fd00::1]:15012"));
		await list.close();
		assert.deepEqual(hosts(open()), ["10.0.0.1", "10.0.0.2", "fd00::1"]);
	});

	it("stay as they are when what is told is no list, or the file is damaged", () => {
		writeFileSync(file(), "{");
		const list = open();
		const bad = encodedFromBytes(
			controlPlanesName,
			controlPlanesTypeUrl,
			new TextEncoder().encode('{"addresses":["x"]}'),
		);
		assert.match(list.take({ ...told(), resources: [bad] }) ?? "", /no list/);
		assert.match(list.take(told()) ?? "", /no list/);
		assert.deepEqual(hosts(list), ["10.0.0.1"]);
	});

	it("are said to be known by version, so that they do not travel again", () => {
		const list = open();
		const response = told("10.0.0.2:15012");
		list.take(response);
		assert.deepEqual([...list.versions()], [[controlPlanesName, response.resources[0]?.version]]);
	});

	it("are remembered with how new what came from them was, for each proxy until its pod goes", async () => {
		const clock = new VirtualClock();
		const path = join(directory, "revisions.json");
		const seen = new SeenRevisions(path, { clock, log: silentLog });
		seen.onSeen("a", { epoch: 7, counter: 1 });
		seen.onSeen("a", { epoch: 7, counter: 2 });
		seen.onSeen("b", { epoch: 7, counter: 3 });
		seen.forget("b");
		await seen.close();
		const again = new SeenRevisions(path, { clock, log: silentLog });
		assert.deepEqual([again.of("a"), again.of("b")], [{ epoch: 7, counter: 2 }, undefined]);
		assert.match(again.metrics(), /keepmesh_node_config_counter\{proxy="a"\} 2/);
		writeFileSync(path, '{"a":"7"');
		assert.equal(new SeenRevisions(path, { clock, log: silentLog }).of("a"), undefined);
	});
});
