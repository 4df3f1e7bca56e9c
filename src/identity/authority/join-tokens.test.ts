import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { JoinTokens } from "./join-tokens.ts";

const directory = mkdtempSync(join(tmpdir(), "keepmesh-tokens-"));
after(() => rmSync(directory, { recursive: true }));
const rootHash = "A".repeat(43);
const key = Uint8Array.of(1, 2, 3);
const otherKey = Uint8Array.of(4, 5, 6);
const hourMs = 3_600_000;
const nowMs = 1_800_000_000_000;
const create = (node = "n1") => new JoinTokens(directory).create({ node, ttlMs: hourMs, rootHash, nowMs });

/** Another replica: its own object over the same directory. */
const redeem = (text: string, publicKey = key, atMs = nowMs) => new JoinTokens(directory).redeem(text, publicKey, atMs);

function refusal(outcome: ReturnType<typeof redeem>): string {
	assert.ok(!outcome.ok);
	return outcome.reason;
}

describe("a join token", () => {
	it("says for which node it is, at any replica", () => {
		const { text } = create("edge-7.example");
		const outcome = redeem(text);
		assert.ok(outcome.ok);
		assert.equal(outcome.token.node, "edge-7.example");
	});

	it("has a secret that is stored nowhere, in files that only the owner reads", () => {
		const { text, token } = create();
		const secret = text.split(".")[2] ?? "";
		assert.ok(Buffer.from(secret, "base64url").length >= 16);
		const folder = join(directory, "tokens");
		for (const name of readdirSync(folder)) assert.ok(!readFileSync(join(folder, name), "utf8").includes(secret));
		assert.equal(statSync(join(folder, `${token.id}.json`)).mode & 0o777, 0o600);
	});

	it("may be shown again with the same key, whose answer was lost, but with no other", () => {
		const { text } = create();
		assert.ok(redeem(text).ok);
		assert.ok(redeem(text).ok);
		assert.equal(refusal(redeem(text, otherKey)), "token_used");
	});

	it("does not count after its time, not even for the key that used it", () => {
		const { text } = create();
		assert.ok(redeem(text).ok);
		assert.equal(refusal(redeem(text, key, nowMs + hourMs)), "token_expired");
	});

	it("does not count when revoked", () => {
		const { text, token } = create();
		assert.ok(new JoinTokens(directory).revoke(token.id, nowMs));
		assert.equal(refusal(redeem(text)), "token_revoked");
	});

	it("is refused alike with a wrong secret and when there is none such", () => {
		const { text } = create();
		const [prefix, id = "", secret = ""] = text.split(".");
		const wrongSecret = `${prefix}.${id}.${"x".repeat(32)}.${rootHash}`;
		const unknown = `${prefix}.${"0".repeat(16)}.${secret}.${rootHash}`;
		assert.equal(refusal(redeem(wrongSecret)), "token_unknown");
		assert.equal(refusal(redeem(unknown)), "token_unknown");
		assert.ok(redeem(text).ok);
	});

	for (const text of ["", "km1", "km1.../../etc/passwd.x.y", `km1.${"a".repeat(100_000)}`, "km2.a.b.c", "km1.é.b.c"])
		it(`is refused when it is no token: ${text.slice(0, 30)}`, () => {
			assert.equal(refusal(redeem(text)), "token_malformed");
		});

	it("is not made for a name that no node can have", () => {
		assert.throws(() => create("../../etc"), /no node name/);
	});

	it("is listed with what became of it", () => {
		const { text, token } = create("listed");
		const stateOf = (atMs = nowMs) => new JoinTokens(directory).list(atMs).find(({ id }) => id === token.id)?.state;
		assert.equal(stateOf(), "unused");
		assert.equal(stateOf(nowMs + hourMs), "expired");
		redeem(text);
		assert.equal(stateOf(), "used");
		assert.ok(!JSON.stringify(new JoinTokens(directory).list(nowMs)).includes("secret"));
	});
});
