import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { openAuthority } from "../../identity/authority/authority.ts";
import { encodeTrustBundle, type TrustBundle } from "../../identity/trust-bundle.ts";
import { silentLog } from "../../runtime/log.ts";
import { VirtualClock } from "../../runtime/virtual-clock.ts";
import { TrustBundles } from "./trust-bundles.ts";

const directory = mkdtempSync(join(tmpdir(), "keepmesh-trust-bundles-"));
after(() => rmSync(directory, { recursive: true }));
const authority = openAuthority({ directory, trustDomain: "cluster.local", wallMs: Date.now });
const first = authority.bundle();
authority.addRoot();
const second = authority.bundle();
const derOf = (pem = ""): Uint8Array => new X509Certificate(pem).raw;

function setUp(lackOf?: () => Promise<string | undefined>) {
	const clock = new VirtualClock();
	const state = { lack: new Map<string, string>(), said: [] as string[], changed: [] as string[] };
	const bundles = new TrustBundles({
		trustDomain: () => "cluster.local",
		onChanged: (proxyId) => state.changed.push(proxyId),
		lackOf: lackOf ?? (async (proxyId) => state.lack.get(proxyId)),
		clock,
		log: silentLog,
	});
	const deliver = (
		proxyId: string,
		bundle: TrustBundle,
		senderRoot = derOf(first.roots[0]),
		bytes?: Uint8Array,
	): void =>
		bundles.receive({
			proxyId,
			bytes: bytes ?? encodeTrustBundle(bundle),
			senderRoot,
			confirm: () => state.said.push(`${proxyId} uses ${bundle.roots.length}`),
			refuse: (because) => state.said.push(because),
		});
	const settle = () => new Promise((resolve) => setImmediate(resolve));
	return { bundles, clock, state, deliver, settle };
}

describe("a trust bundle", () => {
	it("is confirmed when the proxy uses it, and not before", async () => {
		const { bundles, state, deliver, settle } = setUp();
		state.lack.set("p", "not yet");
		deliver("p", first);
		await settle();
		assert.deepEqual([...bundles.pending()], [["p", "not yet"]]);
		bundles.check("other");
		state.lack.clear();
		await settle();
		assert.deepEqual(state.said, []);
		bundles.check("p");
		await settle();
		assert.deepEqual(state.said, ["p uses 1"]);
		bundles.check("p");
		await settle();
		assert.deepEqual(state.said, ["p uses 1"]);
		assert.equal(bundles.pending().size, 0);
	});

	it("is looked at again each second, for nothing tells when an Envoy has no use for it", async () => {
		const { clock, state, deliver, settle } = setUp();
		state.lack.set("p", "its Envoy does not ask");
		deliver("p", first);
		await settle();
		state.lack.clear();
		clock.advance(1000);
		await settle();
		assert.deepEqual(state.said, ["p uses 1"]);
		assert.equal(clock.armed, 0);
	});

	it("that another has replaced is never confirmed", async () => {
		const { state, deliver, settle } = setUp();
		deliver("p", first);
		deliver("p", second);
		await settle();
		assert.deepEqual(state.said, ["p uses 2"]);
	});

	it("gives the node every root that any proxy's bundle has", async () => {
		const { bundles, state, deliver } = setUp();
		deliver("p", first);
		deliver("q", second);
		assert.equal(bundles.allRoots().length, 2);
		assert.equal(bundles.rootsOf("p")?.match(/BEGIN/g)?.length, 1);
		bundles.forget("q");
		assert.equal(bundles.allRoots().length, 1);
		assert.deepEqual(state.changed, ["p", "q", "q"]);
	});

	it("is not confirmed when nobody can tell whether it is in force", async () => {
		const { bundles, state, deliver, settle } = setUp(() => Promise.reject(new Error("Envoy speaks nonsense")));
		deliver("p", first);
		await settle();
		assert.deepEqual(state.said, []);
		assert.match(bundles.pending().get("p") ?? "", /nonsense/);
	});

	const newRoot = second.roots.find((root) => !first.roots.includes(root));
	const cases: readonly [string, TrustBundle, Uint8Array | undefined, RegExp][] = [
		["without the root of its sender", first, derOf(newRoot), /leaves out the root/],
		["of another trust domain", { ...first, trustDomain: "evil.example" }, derOf(first.roots[0]), /of evil.example/],
		["with a root that is no certificate", { ...first, roots: ["nonsense"] }, undefined, /not one certificate/],
		["with two certificates as one root", { ...first, roots: [second.roots.join("")] }, undefined, /not one/],
		["with a revocation list that is none", { ...first, revocationLists: ["x"] }, undefined, /revocation list is none/],
	];
	for (const [name, bundle, sender, because] of cases)
		it(`${name} is refused, and what was trusted stays`, async () => {
			const { bundles, state, deliver, settle } = setUp();
			deliver("p", second);
			await settle();
			deliver("p", bundle, sender);
			await settle();
			assert.match(state.said[1] ?? "", because);
			assert.equal(bundles.allRoots().length, 2);
		});

	it("of nonsense is refused", () => {
		const { state, deliver } = setUp();
		deliver("p", first, undefined, Uint8Array.of(1, 2, 3));
		assert.deepEqual(state.said, ["it is no trust bundle"]);
	});
});
