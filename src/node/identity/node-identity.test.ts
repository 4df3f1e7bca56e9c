import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { existsSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { signerOf } from "../../identity/authority/signing-key.ts";
import { distinguishedName } from "../../identity/certificate.ts";
import { createCertificatePath, encodeCreateCertificateRequest } from "../../identity/certificate-service-codec.ts";
import { revocationListPem } from "../../identity/revocation-list.testing.ts";
import { realClock } from "../../runtime/clock.ts";
import { silentLog } from "../../runtime/log.ts";
import { VirtualClock } from "../../runtime/virtual-clock.ts";
import { newKey, requestFor } from "./certified-key.ts";
import { ControlCaller } from "./control-caller.ts";
import { IdentityStore } from "./identity-store.ts";
import { type NodeAccount, NodeIdentity } from "./node-identity.ts";
import { startTlsControl, type TlsControl } from "./tls-control.testing.ts";

const directory = mkdtempSync(join(tmpdir(), "keepmesh-node-identity-"));
const hourMs = 3_600_000;

function aRevocationList(): string {
	const signer = signerOf(generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey);
	const fields = { issuerName: distinguishedName("issuer"), authorityKeyId: Uint8Array.of(1), serials: [] };
	return revocationListPem({ ...fields, nextUpdateMs: Date.now() + hourMs }, signer);
}

let made = 0;

describe("a node's own identity", () => {
	const ends: (() => void)[] = [];
	after(() => {
		for (const end of ends) end();
		rmSync(directory, { recursive: true });
	});

	/** Certificates are of real time; clocks are moved forward from there. */
	const newClock = (laterMs = 0): VirtualClock => new VirtualClock(Date.now() + laterMs);
	const control = async (options: Partial<Parameters<typeof startTlsControl>[0]> = {}): Promise<TlsControl> => {
		const started = await startTlsControl({ directory: join(directory, `ca-${made++}`), ...options });
		ends.push(() => started.close());
		return started;
	};
	const node = (
		controls: readonly { readonly port: number }[],
		options: {
			token?: string | undefined;
			clock?: VirtualClock;
			stored?: string;
			name?: string;
			account?: NodeAccount;
		} = {},
	) => {
		const clock = options.clock ?? newClock();
		const state = { token: options.token, renewed: 0 };
		const stored = options.stored ?? join(directory, `node-${made++}`);
		const upstreams = controls.map(({ port }) => ({ host: "127.0.0.1", port }));
		const caller = new ControlCaller({ upstreams, clock: realClock });
		const identity = new NodeIdentity({
			name: options.name ?? "n1",
			readToken: () => state.token,
			tokenPlace: "the file",
			...(options.account ? { account: options.account } : {}),
			upstreams,
			store: new IdentityStore(stored, silentLog),
			caller,
			onRenewed: () => state.renewed++,
			clock,
			random: () => 0.5,
			log: silentLog,
		});
		ends.push(
			() => identity.close(),
			() => caller.close(),
		);
		identity.open();
		const until = async (is: () => boolean): Promise<void> => {
			const endMs = performance.now() + 5000;
			while (!is()) {
				if (performance.now() > endMs) throw new Error(`in vain: ${JSON.stringify(identity.status())}`);
				await new Promise((resolve) => setTimeout(resolve, 5));
			}
		};
		const joined = () => until(() => state.renewed > 0);
		const failed = () => until(() => identity.status().because !== undefined);
		return { identity, caller, clock, state, stored, until, joined, failed };
	};

	it("comes with a join token, and without one after a restart", async () => {
		const c = await control();
		const first = node([c], { token: c.newToken("n1") });
		assert.equal(first.identity.security(), undefined);
		await first.joined();
		assert.equal(first.identity.trustDomain, "cluster.local");
		assert.equal(first.identity.status().uri, "spiffe://cluster.local/keepmesh/node/n1");
		assert.equal(statSync(join(first.stored, "node.pem")).mode & 0o777, 0o600);
		assert.equal(statSync(first.stored).mode & 0o777, 0o700);
		assert.ok(!existsSync(join(first.stored, "joining.key")));
		first.identity.close();
		const second = node([], { stored: first.stored });
		assert.equal(second.identity.trustDomain, "cluster.local");
		assert.deepEqual(second.identity.status(), first.identity.status());
		assert.deepEqual(c.asked, ["join n1"]);
	});

	it("is not asked for where the root is another than the token's, and the token is not shown there", async () => {
		const [right, wrong] = [await control(), await control()];
		const n = node([wrong], { token: right.newToken("n1") });
		await n.failed();
		assert.match(n.identity.status().because ?? "", /does not have the root that the join token names/);
		assert.deepEqual(wrong.asked, []);
		const both = node([wrong, right], { token: right.newToken("n1") });
		await both.joined();
		assert.deepEqual(wrong.asked, []);
	});

	it("is not asked for from a server of the right root that is no control plane", async () => {
		const c = await control({ id: { trustDomain: "cluster.local", part: "node", name: "evil" } });
		const n = node([c], { token: c.newToken("n1") });
		await n.failed();
		assert.match(n.identity.status().because ?? "", /not a control plane.*keepmesh\/node\/evil/);
		assert.deepEqual(c.asked, []);
	});

	it("is not that of another node", async () => {
		const c = await control();
		const n = node([c], { token: c.newToken("n2") });
		await n.failed();
		assert.match(n.identity.status().because ?? "", /for node n2, and this one is n1/);
		assert.equal(n.identity.security(), undefined);
	});

	it("still comes when the first answer was lost: the same key asks again", async () => {
		const c = await control();
		c.loseAnswers = true;
		const n = node([c], { token: c.newToken("n1") });
		await n.failed();
		c.loseAnswers = false;
		const again = node([c], { stored: n.stored, token: n.state.token });
		await again.joined();
	});

	it("is renewed at half life over its own certificate", async () => {
		const clock = newClock();
		const c = await control({ wallMs: () => clock.wallMs() });
		const n = node([c], { token: c.newToken("n1"), clock });
		await n.joined();
		const before = n.identity.status().serial;
		clock.advance(12.1 * hourMs);
		await n.until(() => n.state.renewed === 2);
		assert.notEqual(n.identity.status().serial, before);
		assert.deepEqual(c.asked, ["join n1", "renew n1"]);
	});

	it("that has expired is told, and is replaced with a fresh token, not with the used one", async () => {
		const c = await control({ leafTtlMs: hourMs });
		const token = c.newToken("n1");
		const first = node([c], { token });
		await first.joined();
		first.identity.close();
		const late = node([c], { stored: first.stored, token, clock: newClock(2 * hourMs) });
		await late.failed();
		assert.equal(late.identity.status().state, "expired");
		assert.match(late.identity.status().because ?? "", /expired.*used up.*keepmesh token create --node n1/);
		assert.ok(late.identity.security(), "it still tries with what it has");
		late.state.token = c.newToken("n1");
		late.clock.advance(6_000);
		await late.joined();
		assert.deepEqual(c.asked, ["join n1", "join n1"]);
	});

	it("is replaced, roots and all, when a fresh token is put there: the mesh may have begun anew", async () => {
		const [old, anew] = [await control(), await control()];
		const first = node([old], { token: old.newToken("n1") });
		await first.joined();
		const moved = node([anew], { stored: first.stored, token: first.state.token });
		const { roots } = moved.identity;
		moved.state.token = "nonsense";
		moved.clock.advance(6_000);
		await moved.failed();
		assert.equal(moved.identity.roots, roots);
		moved.state.token = anew.newToken("n1");
		moved.clock.advance(6_000);
		await moved.joined();
		assert.notDeepEqual(moved.identity.roots, roots);
		assert.deepEqual(anew.asked, ["join n1"]);
	});

	it("is kept when the roots change, and roots are never none", async () => {
		const c = await control();
		const n = node([c], { token: c.newToken("n1") });
		await n.joined();
		const { roots } = n.identity;
		const security = n.identity.security();
		n.identity.trust([]);
		n.identity.trust([...roots]);
		assert.equal(n.identity.security(), security, "nothing changed");
		const { fingerprint } = c.authority.addRoot();
		n.identity.trust(c.authority.bundle().roots);
		assert.notEqual(n.identity.security(), security);
		assert.equal(new IdentityStore(n.stored, silentLog).loadRoots().length, 2);
		assert.ok(fingerprint);
	});

	it("keeps the mesh's revocation lists through a restart, until it joins another mesh", async () => {
		const [c, anew] = [await control(), await control()];
		const n = node([c], { token: c.newToken("n1") });
		await n.joined();
		assert.deepEqual(n.identity.revocationLists, []);
		const lists = [aRevocationList(), aRevocationList()];
		n.identity.revoke(lists);
		n.identity.close();
		const again = node([anew], { stored: n.stored, token: n.state.token });
		assert.deepEqual(again.identity.revocationLists, lists);
		again.state.token = anew.newToken("n1");
		again.clock.advance(6_000);
		await again.joined();
		assert.deepEqual(again.identity.revocationLists, []);
		again.identity.revoke(lists);
		again.identity.revoke([]);
		assert.deepEqual(new IdentityStore(n.stored, silentLog).loadRevocationLists(), []);
	});

	it("signs for its workloads over one connection", async () => {
		const c = await control();
		const n = node([c], { token: c.newToken("n1") });
		await n.joined();
		const before = c.connections();
		const security = n.identity.security();
		assert.ok(security);
		const message = encodeCreateCertificateRequest({ csr: requestFor(newKey()), validitySeconds: 0 });
		const ask = (account: string) =>
			n.caller.call(security, {
				path: createCertificatePath,
				message,
				headers: { "keepmesh-workload-identity": `spiffe://cluster.local/ns/default/sa/${account}` },
			});
		await Promise.all(["a", "b", "c"].map(ask));
		await ask("d");
		assert.equal(c.connections() - before, 1);
	});

	it("is renewed by the next control plane when the first is gone or hangs", async () => {
		const ca = join(directory, `ca-${made++}`);
		const [one, two] = [await control({ directory: ca }), await control({ directory: ca })];
		const hung = createServer(() => {});
		await new Promise<void>((resolve) => hung.listen(0, "127.0.0.1", resolve));
		ends.push(() => hung.close());
		const { port } = hung.address() as AddressInfo;
		const n = node([one, { port }, two], { token: one.newToken("n1") });
		await n.joined();
		one.close();
		const security = n.identity.security();
		assert.ok(security);
		const message = encodeCreateCertificateRequest({ csr: requestFor(newKey()), validitySeconds: 0 });
		const before = performance.now();
		await n.caller.call(security, { path: createCertificatePath, message });
		assert.ok(performance.now() - before < 4_000);
		const again = performance.now();
		await n.caller.call(security, { path: createCertificatePath, message });
		assert.ok(performance.now() - again < 500, "the one that answered comes first");
		assert.deepEqual(two.asked, ["renew n1", "renew n1"]);
	});

	describe("with an account of the cluster", () => {
		const accountAt = (c: () => TlsControl, token: () => string | undefined = () => "jwt") => ({
			readToken: token,
			place: "the pod",
			roots: async () => c().authority.bundle().roots,
		});
		const nodeOfAccount = (token: string) => (token === "jwt" ? "n1" : undefined);

		it("needs no join token", async () => {
			const c = await control({ nodeOfAccount });
			const n = node([c], { account: accountAt(() => c) });
			await n.joined();
			assert.equal(n.identity.status().uri, "spiffe://cluster.local/keepmesh/node/n1");
			assert.deepEqual(c.asked, ["join n1"]);
		});

		it("is not shown to a control plane that has none of the roots that were written down", async () => {
			const [right, wrong] = [await control({ nodeOfAccount }), await control({ nodeOfAccount })];
			const n = node([wrong], { account: accountAt(() => right) });
			await n.failed();
			assert.deepEqual(wrong.asked, []);
		});

		it("waits for its token, and says where that is looked for", async () => {
			const c = await control({ nodeOfAccount });
			let token: string | undefined;
			const n = node([c], {
				account: accountAt(
					() => c,
					() => token,
				),
			});
			await n.failed();
			assert.match(n.identity.status().because ?? "", /has no token in the pod/);
			token = "jwt";
			n.clock.advance(1_000);
			await n.joined();
		});

		it("joins anew by itself when the mesh has begun again with another root", async () => {
			const [before, after] = [await control({ nodeOfAccount }), await control({ nodeOfAccount })];
			let now = before;
			const n = node([before, after], { account: accountAt(() => now) });
			await n.joined();
			now = after;
			before.close();
			n.clock.advance(20_000);
			await n.until(() => n.state.renewed > 1);
			assert.deepEqual(after.asked, ["join n1"]);
		});
	});

	it("does not show itself to a server of another trust", async () => {
		const [c, other] = [await control(), await control()];
		const n = node([c], { token: c.newToken("n1") });
		await n.joined();
		const security = n.identity.security();
		assert.ok(security);
		const stranger = new ControlCaller({ upstreams: [{ host: "127.0.0.1", port: other.port }], clock: n.clock });
		await assert.rejects(stranger.call(security, { path: createCertificatePath, message: new Uint8Array() }));
		assert.deepEqual(other.asked, []);
		stranger.close();
	});
});
