import assert from "node:assert/strict";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { silentLog } from "../runtime/log.ts";
import { VirtualClock } from "../runtime/virtual-clock.ts";
import type { RelayStreamStatus } from "../xds/wire/relay-options.ts";
import { ConfigContact } from "./config-contact.ts";

const base = mkdtempSync(join(tmpdir(), "keepmesh-config-contact-"));
after(() => rmSync(base, { recursive: true }));
let made = 0;

const connected: RelayStreamStatus = { nodeId: "p", losses: 0, upstream: "c1:15012" };
const alone: RelayStreamStatus = { nodeId: "p", losses: 1, lastLoss: "refused" };

function setUp(file = join(base, `${made++}.json`), epochMs?: number) {
	const clock = new VirtualClock(epochMs);
	const said: string[] = [];
	let streams: readonly RelayStreamStatus[] = [];
	const note = (facts: object, message: string): void => void said.push(`${message} ${JSON.stringify(facts)}`);
	const parts = { clock, log: { ...silentLog, warn: note, info: note }, streams: () => streams };
	const contact = new ConfigContact(file, parts);
	contact.expect("p");
	contact.open();
	const set = (...next: readonly RelayStreamStatus[]): void => {
		streams = next;
		contact.look();
	};
	return { contact, clock, said, set, file };
}

describe("how old a proxy's configuration may be", () => {
	it("is nothing while a control plane is in contact, however long nothing changes", () => {
		const { contact, clock, set, said } = setUp();
		set(connected);
		contact.accepted("p");
		clock.advance(3_600_000);
		const at = (ms: number): string => new Date(ms).toISOString();
		assert.deepEqual(contact.of("p"), {
			connected: true,
			upstream: "c1:15012",
			lastContactAt: at(clock.wallMs()),
			acceptedAt: at(clock.wallMs() - 3_600_000),
			staleForSeconds: 0,
		});
		assert.deepEqual(said, []);
	});

	it("counts from the last contact, and is told once when it is more than a minute, and once when it is over", () => {
		const { contact, clock, set, said } = setUp();
		set(connected);
		set(alone);
		clock.advance(59_000);
		assert.deepEqual(said, []);
		clock.advance(31_000);
		assert.equal(contact.of("p")?.staleForSeconds, 90);
		assert.equal(contact.of("p")?.connected, false);
		assert.equal(said.length, 1);
		assert.match(said[0] ?? "", /out of date.*refused/);
		set(connected);
		clock.advance(5_000);
		assert.equal(said.length, 2);
		assert.equal(contact.of("p")?.staleForSeconds, 0);
	});

	it("is known as metrics", () => {
		const { contact, clock, set } = setUp();
		set(connected);
		set({ ...alone, fromCache: true });
		clock.advance(7_000);
		assert.match(contact.metrics(), /^keepmesh_node_xds_connected\{proxy="p"\} 0$/m);
		assert.match(contact.metrics(), /^keepmesh_node_config_stale_seconds\{proxy="p"\} 7$/m);
		assert.equal(contact.of("p")?.fromCache, true);
		contact.forget("p");
		assert.doesNotMatch(contact.metrics(), /"p"/);
	});

	it("goes on across a restart of the agent, also when the last change is much older", async () => {
		const before = setUp();
		before.set(connected);
		before.contact.accepted("p");
		before.clock.advance(3_600_000);
		before.set(alone);
		await before.contact.close();
		assert.equal(statSync(before.file).mode & 0o777, 0o600);
		const later = setUp(before.file, before.clock.wallMs() + 30_000);
		later.contact.accepted("p", before.clock.wallMs() - 3_600_000);
		assert.equal(later.contact.of("p")?.staleForSeconds, 30);
	});

	it("counts from when the configuration is, if no contact is known; a file that is not whole is none", () => {
		const file = join(base, "bad.json");
		writeFileSync(file, '{"p":');
		const { contact, clock } = setUp(file);
		contact.accepted("p", clock.wallMs() - 120_000);
		assert.equal(contact.of("p")?.staleForSeconds, 120);
		assert.equal(contact.of("p")?.lastContactAt, undefined);
	});

	it("does not get younger when the wall clock is put back", () => {
		const { contact, clock, set } = setUp();
		set(connected);
		set(alone);
		clock.advance(50_000);
		clock.wallMs = () => 0;
		assert.equal(contact.of("p")?.staleForSeconds, 50);
	});

	it("takes the stream that is in contact when an old one of the same proxy is still there", () => {
		const { contact, set } = setUp();
		set(connected, alone);
		assert.equal(contact.of("p")?.connected, true);
	});
});
