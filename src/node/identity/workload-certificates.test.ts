import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { openAuthority } from "../../identity/authority/authority.ts";
import {
	decodeCreateCertificateRequest,
	encodeCreateCertificateResponse,
} from "../../identity/certificate-service-codec.ts";
import { parseSpiffeId } from "../../identity/spiffe-id.ts";
import { silentLog } from "../../runtime/log.ts";
import { VirtualClock } from "../../runtime/virtual-clock.ts";
import { IdentityStore } from "./identity-store.ts";
import { WorkloadCertificates } from "./workload-certificates.ts";

const directory = mkdtempSync(join(tmpdir(), "keepmesh-workload-certificates-"));
after(() => rmSync(directory, { recursive: true }));

const reviews = { namespace: "default", serviceAccount: "bookinfo-reviews" };
const reviewsUri = "spiffe://cluster.local/ns/default/sa/bookinfo-reviews";
const hourMs = 3_600_000;
let stores = 0;

function setUp(options: { readonly answerFor?: string; readonly stored?: string; readonly laterMs?: number } = {}) {
	const clock = new VirtualClock(1_700_000_000_000 + (options.laterMs ?? 0));
	const authority = openAuthority({
		directory: join(directory, "ca"),
		trustDomain: "cluster.local",
		wallMs: () => clock.wallMs(),
	});
	const state = { down: false, asked: 0, renewed: [] as string[] };
	const stored = options.stored ?? join(directory, `identity-${stores++}`);
	const certificates = new WorkloadCertificates({
		trustDomain: () => "cluster.local",
		createCertificate: async (message, uri) => {
			state.asked++;
			if (state.down) throw new Error("no control plane answers");
			const id = parseSpiffeId(options.answerFor ?? uri);
			assert.ok(id);
			const outcome = authority.sign(decodeCreateCertificateRequest(message).csr, id);
			assert.ok(outcome.ok);
			return encodeCreateCertificateResponse(outcome.chain);
		},
		store: new IdentityStore(stored, silentLog),
		onRenewed: (proxyId) => state.renewed.push(proxyId),
		clock,
		random: () => 0.5,
		log: silentLog,
	});
	const settle = () => new Promise((resolve) => setImmediate(resolve));
	return { certificates, clock, state, stored, settle };
}

describe("the certificate of a workload", () => {
	it("is asked for at once and renewed at half life", async () => {
		const { certificates, clock, state, settle } = setUp();
		certificates.add("p", reviews);
		await settle();
		const first = certificates.keyOf("p");
		assert.equal(first?.uri, reviewsUri);
		clock.advance(11.9 * hourMs);
		await settle();
		assert.equal(state.asked, 1);
		clock.advance(0.2 * hourMs);
		await settle();
		assert.deepEqual(state.renewed, ["p", "p"]);
		assert.notEqual(certificates.keyOf("p")?.keyPem, first?.keyPem);
	});

	it("stays in use while no control plane answers, and is asked for again and again", async () => {
		const { certificates, clock, state, settle } = setUp();
		certificates.add("p", reviews);
		await settle();
		const good = certificates.keyOf("p");
		state.down = true;
		for (let i = 0; i < 80; i++) {
			clock.advance(0.25 * hourMs);
			await settle();
		}
		assert.equal(certificates.keyOf("p"), good);
		assert.ok(state.asked > 10);
		assert.equal(certificates.statuses().get("p")?.state, "expiring");
		assert.match(certificates.statuses().get("p")?.because ?? "", /no control plane answers/);
		state.down = false;
		clock.advance(hourMs);
		await settle();
		assert.notEqual(certificates.keyOf("p"), good);
		assert.equal(certificates.statuses().get("p")?.state, "good");
	});

	it("is there at once after a restart, without any control plane, and belongs to root alone", async () => {
		const before = setUp();
		before.certificates.add("p~1", reviews);
		await before.settle();
		const key = before.certificates.keyOf("p~1");
		before.certificates.close();
		const [file = ""] = readdirSync(join(before.stored, "workloads"));
		assert.equal(statSync(join(before.stored, "workloads", file)).mode & 0o777, 0o600);
		assert.equal(statSync(join(before.stored, "workloads")).mode & 0o777, 0o700);
		const after = setUp({ stored: before.stored });
		after.state.down = true;
		after.certificates.add("p~1", reviews);
		assert.deepEqual(after.certificates.keyOf("p~1"), key);
		await after.settle();
		assert.equal(after.state.asked, 0);
	});

	it("is asked for anew when the stored one is another's, or its file is not whole", async () => {
		const before = setUp();
		before.certificates.add("p", reviews);
		await before.settle();
		const other = setUp({ stored: before.stored });
		other.certificates.add("p", { ...reviews, serviceAccount: "other" });
		assert.equal(other.certificates.keyOf("p"), undefined);
		await other.settle();
		const [file = ""] = readdirSync(join(before.stored, "workloads"));
		const path = join(before.stored, "workloads", file);
		const whole = readFileSync(path, "utf8");
		for (const cut of [0, 100, whole.length / 2, whole.length - 10]) {
			writeFileSync(path, whole.slice(0, cut));
			const again = setUp({ stored: before.stored });
			again.certificates.add("p", { ...reviews, serviceAccount: "other" });
			assert.equal(again.certificates.keyOf("p"), undefined, `${cut} bytes`);
			await again.settle();
			assert.equal(again.state.asked, 1);
			assert.ok(again.certificates.keyOf("p"));
		}
		assert.ok(readdirSync(join(before.stored, "workloads")).some((name) => name.endsWith(".unreadable")));
	});

	it("is not taken when it names somebody else", async () => {
		const { certificates, settle } = setUp({ answerFor: "spiffe://cluster.local/ns/default/sa/somebody" });
		certificates.add("p", reviews);
		await settle();
		assert.equal(certificates.keyOf("p"), undefined);
	});

	it("is forgotten, with its timer and its file, when the workload goes", async () => {
		const { certificates, clock, stored, settle } = setUp();
		certificates.add("p", reviews);
		await settle();
		certificates.remove("p");
		assert.equal(certificates.keyOf("p"), undefined);
		assert.equal(clock.armed, 0);
		assert.deepEqual(readdirSync(join(stored, "workloads")), []);
	});

	it("of a workload that went while no agent ran is removed", async () => {
		const { certificates, stored, settle } = setUp();
		certificates.add("stays", reviews);
		certificates.add("goes", reviews);
		await settle();
		new IdentityStore(stored, silentLog).keepWorkloads(["stays"]);
		assert.deepEqual(readdirSync(join(stored, "workloads")), ["stays.pem"]);
	});

	it("comes from the issuer that the mesh wants now, renewed at once if it does not", async () => {
		const { certificates, clock, state, settle } = setUp();
		certificates.add("p", reviews);
		await settle();
		certificates.wantIssuer("p", certificates.keyOf("p")?.issuerKeyId ?? "");
		await settle();
		assert.equal(state.asked, 1);
		certificates.wantIssuer("p", "00ff");
		await settle();
		assert.equal(state.asked, 2);
		clock.advance(200);
		await settle();
		assert.equal(state.asked, 3);
	});
});
