import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { describe, it } from "node:test";
import { signerOf } from "../../identity/authority/signing-key.ts";
import { distinguishedName } from "../../identity/certificate.ts";
import { revocationListPem } from "../../identity/revocation-list.testing.ts";
import { isRevocationList, revocationListsAt } from "./revocation-lists.ts";

const signer = signerOf(generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey);
const minuteMs = 60_000;
const nowMs = Date.UTC(2030, 1, 1);

function list(fromMinutes: number, untilMinutes: number): string {
	const fields = { issuerName: distinguishedName("issuer"), authorityKeyId: Uint8Array.of(1), serials: [] };
	const times = { thisUpdateMs: nowMs + fromMinutes * minuteMs, nextUpdateMs: nowMs + untilMinutes * minuteMs };
	return revocationListPem({ ...fields, ...times }, signer);
}

describe("the revocation lists for Envoys", () => {
	const good = list(-10, 10);
	it("are all of them while all are valid", () => {
		const other = list(-1, 1);
		assert.deepEqual(revocationListsAt([good, other], nowMs), { pem: good + other });
		assert.deepEqual(revocationListsAt([], nowMs), { pem: "" });
	});
	it("are none shortly before one expires, and before one begins: Envoys would refuse everybody", () => {
		const lists = [good, list(-20, 60)];
		assert.equal(revocationListsAt(lists, nowMs + 9.7 * minuteMs).pem, lists.join(""));
		assert.match(revocationListsAt(lists, nowMs + 9.8 * minuteMs).because ?? "", /expired at 2030-02-01T00:10:00/);
		assert.equal(revocationListsAt(lists, nowMs + 9.8 * minuteMs).pem, "");
		assert.match(revocationListsAt([good, list(1, 9)], nowMs).because ?? "", /not valid before 2030-02-01T00:01/);
	});
	it("are told apart from anything else", () => {
		assert.ok(isRevocationList(good));
		for (const text of ["", "hello", good + good, good.replaceAll("X509 CRL", "CERTIFICATE"), good.replace("M", "A")])
			assert.ok(!isRevocationList(text), text.slice(0, 40));
	});
});
