import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { readCertificate } from "../certificate-reader.ts";
import { derFromPem } from "../certificate-request.ts";
import { decodeCreateCertificateRequest, encodeCreateCertificateRequest } from "../certificate-service-codec.ts";
import { readRevocationList } from "../revocation-list.ts";
import { requestFor } from "./authority.testing.ts";
import { openAuthority } from "./authority.ts";
import { checkRequest } from "./check-request.ts";

const directory = mkdtempSync(join(tmpdir(), "keepmesh-fuzz-"));
after(() => rmSync(directory, { recursive: true }));
const authority = openAuthority({ directory, trustDomain: "t", wallMs: () => Date.now() });
const certificate = derFromPem("CERTIFICATE", authority.rootPem) ?? new Uint8Array();
const request = derFromPem("CERTIFICATE REQUEST", requestFor()) ?? new Uint8Array();

/** A seeded walk: one byte changed, a piece cut out, a length blown up. */
function* broken(good: Uint8Array, count: number): Generator<Uint8Array> {
	let seed = 12_345;
	const below = (limit: number): number => {
		seed = (Math.imul(seed, 1_103_515_245) + 12_345) & 0x7fff_ffff;
		return seed % limit;
	};
	for (let made = 0; made < count; made++) {
		const bytes = Uint8Array.from(good);
		for (let change = 0; change <= below(4); change++)
			bytes[below(bytes.length)] = [0, 0xff, 0x80, 0x84, below(256)][below(5)] ?? 0;
		yield below(4) === 0 ? bytes.subarray(below(bytes.length)) : bytes;
	}
}

describe("bytes from outside that are no good", () => {
	const readers: readonly (readonly [string, Uint8Array, (bytes: Uint8Array) => unknown])[] = [
		["certificates", certificate, readCertificate],
		["revocation lists", certificate, readRevocationList],
		[
			"requests",
			request,
			(bytes) =>
				checkRequest(
					`-----BEGIN CERTIFICATE REQUEST-----\n${Buffer.from(bytes).toString("base64")}\n-----END CERTIFICATE REQUEST-----\n`,
				),
		],
	];
	for (const [what, good, read] of readers)
		it(`are never more than refused: ${what}`, () => {
			let refused = 0;
			for (const bytes of broken(good, 5_000)) {
				const outcome = read(bytes);
				if (
					outcome === undefined ||
					(typeof outcome === "object" && outcome !== null && "ok" in outcome && !outcome.ok)
				)
					refused++;
			}
			assert.ok(refused > 500, `${refused} refused`);
		});

	it("are an error that the service catches: messages", () => {
		const good = encodeCreateCertificateRequest({ csr: requestFor(), validitySeconds: 3600 });
		for (const bytes of broken(good, 5_000)) {
			try {
				const { csr, validitySeconds } = decodeCreateCertificateRequest(bytes);
				assert.ok(typeof csr === "string" && typeof validitySeconds === "number");
			} catch (error) {
				assert.ok(error instanceof Error);
			}
		}
	});
});
