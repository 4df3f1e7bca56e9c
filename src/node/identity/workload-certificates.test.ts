import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { openAuthority } from "../../identity/authority/authority.ts";
import type { SpiffeId } from "../../identity/spiffe-id.ts";
import { VirtualClock } from "../../runtime/virtual-clock.ts";
import { WorkloadCertificates } from "./workload-certificates.ts";

const directory = mkdtempSync(join(tmpdir(), "keepmesh-workload-certificates-"));
after(() => rmSync(directory, { recursive: true }));

const reviews = { trustDomain: "cluster.local", namespace: "default", serviceAccount: "bookinfo-reviews" };
const hourMs = 3_600_000;
const silent = { debug() {}, info() {}, warn() {}, error() {} };

function setUp(impostor?: SpiffeId) {
	const clock = new VirtualClock();
	const authority = openAuthority({
		directory: join(directory, "ca"),
		trustDomain: "cluster.local",
		wallMs: () => clock.wallMs(),
	});
	const state = { down: false, asked: 0, renewed: [] as string[] };
	const certificates = new WorkloadCertificates({
		requestCertificate: async (request, identity) => {
			state.asked++;
			if (state.down) throw new Error("no control plane answers");
			const outcome = authority.sign(request, impostor ?? identity);
			assert.ok(outcome.ok);
			return outcome.chain;
		},
		onRenewed: (proxyId) => state.renewed.push(proxyId),
		clock,
		random: () => 0.5,
		log: silent,
	});
	return { certificates, clock, state, settle: () => new Promise((resolve) => setImmediate(resolve)) };
}

describe("the certificate of a workload", () => {
	it("is asked for at once and renewed at half life", async () => {
		const { certificates, clock, state, settle } = setUp();
		certificates.add("p", reviews);
		await settle();
		const first = certificates.certificateOf("p");
		assert.equal(first?.identity, reviews);
		clock.advance(11.9 * hourMs);
		await settle();
		assert.equal(state.asked, 1);
		clock.advance(0.2 * hourMs);
		await settle();
		assert.deepEqual(state.renewed, ["p", "p"]);
		assert.notEqual(certificates.certificateOf("p")?.keyPem, first?.keyPem);
	});

	it("stays in use while no control plane answers, and is asked for again and again", async () => {
		const { certificates, clock, state, settle } = setUp();
		certificates.add("p", reviews);
		await settle();
		const good = certificates.certificateOf("p");
		state.down = true;
		for (let i = 0; i < 60; i++) {
			clock.advance(0.25 * hourMs);
			await settle();
		}
		assert.equal(certificates.certificateOf("p"), good);
		assert.ok(state.asked > 10);
		state.down = false;
		clock.advance(hourMs);
		await settle();
		assert.notEqual(certificates.certificateOf("p"), good);
	});

	it("is not taken when it names somebody else", async () => {
		const { certificates, settle } = setUp({ ...reviews, serviceAccount: "somebody" });
		certificates.add("p", reviews);
		await settle();
		assert.equal(certificates.certificateOf("p"), undefined);
	});

	it("is forgotten, with its timer, when the workload goes", async () => {
		const { certificates, clock, settle } = setUp();
		certificates.add("p", reviews);
		await settle();
		certificates.remove("p");
		assert.equal(certificates.certificateOf("p"), undefined);
		assert.equal(clock.armed, 0);
	});
});
