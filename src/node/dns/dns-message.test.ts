import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
	addressData,
	type DnsMessage,
	type DnsRecord,
	decodeDns,
	dnsTypes,
	encodeDns,
	encodeName,
	nameFromText,
	nameKey,
} from "./dns-message.ts";

const query: DnsMessage = {
	id: 0x1234,
	isResponse: false,
	opcode: 0,
	authoritative: false,
	truncated: false,
	recursionDesired: true,
	recursionAvailable: false,
	rcode: 0,
	questions: [{ name: nameFromText("Reviews.default.SVC.cluster.local"), type: dnsTypes.a, class: 1 }],
	answers: [],
	authorities: [],
	additionals: [],
};

const address = (name: string, ip: string): DnsRecord => ({
	name: nameFromText(name),
	class: 1,
	ttlSeconds: 30,
	...(addressData(ip) ?? assert.fail(ip)),
});

function decode(bytes: Uint8Array): DnsMessage {
	const decoded = decodeDns(bytes);
	assert.ok(decoded.ok, decoded.ok ? "" : decoded.because);
	return decoded.message;
}

/** A header for one question, followed by these bytes. */
function withBody(...body: readonly number[]): Uint8Array {
	return Uint8Array.from([0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, ...body]);
}

describe("a DNS message", () => {
	it("is read as it was written, with the case of its names", () => {
		const response: DnsMessage = {
			...query,
			isResponse: true,
			authoritative: true,
			recursionAvailable: true,
			answers: [address("reviews.default.svc.cluster.local", "10.0.0.1"), address("other.name", "fd00::5")],
			additionals: [{ name: [], type: dnsTypes.opt, class: 1232, ttlSeconds: 0, data: new Uint8Array() }],
		};
		const decoded = decode(encodeDns(response));
		assert.deepEqual(decoded.questions, response.questions);
		assert.deepEqual(decoded.additionals, response.additionals);
		assert.equal(nameKey(decoded.answers[0]?.name ?? []), "reviews.default.svc.cluster.local");
		assert.deepEqual(decoded.answers[1], response.answers[1]);
	});

	it("has the layout of RFC 1035", () => {
		const bytes = encodeDns({ ...query, questions: [{ name: ["a", "bc"], type: 28, class: 1 }] });
		assert.equal(
			Buffer.from(bytes).toString("hex"),
			["1234", "0100", "0001", "0000", "0000", "0000", "0161", "026263", "00", "001c", "0001"].join(""),
		);
	});

	it("follows pointers back, and names that share their end", () => {
		const bytes = withBody(1, 97, 2, 98, 99, 0, 0, 1, 0, 1);
		const two = Uint8Array.from([...bytes.slice(0, 5), 2, ...bytes.slice(6), 1, 120, 0xc0, 14, 0, 1, 0, 1]);
		assert.deepEqual(
			decode(two).questions.map((question) => nameKey(question.name)),
			["a.bc", "x.bc"],
		);
	});

	it("refuses pointers to themselves, forward and in circles", () => {
		for (const body of [
			[0xc0, 12],
			[0xc0, 14, 0xc0, 12],
			[1, 97, 0xc0, 16],
			[1, 97, 0xc0, 0xff],
		]) {
			const decoded = decodeDns(withBody(...body, 0, 1, 0, 1));
			assert.equal(decoded.ok, false);
		}
	});

	it("refuses names longer than 255 bytes, also when pointers make them so", () => {
		const label = [63, ...new Array<number>(63).fill(97)];
		assert.equal(decodeDns(withBody(...label, ...label, ...label, ...label, 0, 0, 1, 0, 1)).ok, false);
		const first = [...label, ...label, ...label, 0, 0, 1, 0, 1];
		const bytes = withBody(...first, ...label, 0xc0, 12, 0, 1, 0, 1);
		bytes[5] = 2;
		assert.equal(decodeDns(bytes).ok, false);
	});

	it("refuses every message that was cut off, and keeps its header for the answer", () => {
		const whole = encodeDns({ ...query, answers: [address("x.y", "10.0.0.1")] });
		for (let length = 0; length < whole.length; length++) {
			const decoded = decodeDns(whole.subarray(0, length));
			assert.equal(decoded.ok, false, `${length} bytes`);
			assert.equal(!decoded.ok && decoded.header?.id, length < 12 ? undefined : 0x1234);
		}
	});

	it("refuses counts that promise more than any message holds", () => {
		const bytes = withBody(0, 0, 1, 0, 1);
		bytes.set([0xff, 0xff], 6);
		assert.equal(decodeDns(bytes).ok, false);
	});

	it("never throws or hangs on random bytes, and what it accepts can be written again", () => {
		let seed = 20_260_401;
		const random = (below: number): number => {
			seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
			return (seed >>> 8) % below;
		};
		const whole = encodeDns({ ...query, answers: [address("x.reviews.default", "10.0.0.1"), address("y", "::1")] });
		let accepted = 0;
		for (let round = 0; round < 20_000; round++) {
			const bytes = Uint8Array.from(whole);
			for (let change = random(4); change >= 0; change--) bytes[random(bytes.length)] = random(256);
			const decoded = decodeDns(bytes.subarray(0, round % 3 === 0 ? random(bytes.length) : bytes.length));
			if (!decoded.ok) continue;
			accepted++;
			assert.ok(decodeDns(encodeDns(decoded.message)).ok, `seed 20260401, round ${round}`);
		}
		assert.ok(accepted > 1000, `only ${accepted} accepted`);
	});

	it("leaves answers out and says so when it does not fit", () => {
		const answers = Array.from({ length: 100 }, (_, i) => address("reviews.default.svc.cluster.local", `10.0.0.${i}`));
		const opt: DnsRecord = { name: [], type: dnsTypes.opt, class: 1232, ttlSeconds: 0, data: new Uint8Array() };
		const bytes = encodeDns({ ...query, isResponse: true, answers, additionals: [opt] }, 512);
		assert.ok(bytes.length <= 512);
		const decoded = decode(bytes);
		assert.equal(decoded.truncated, true);
		assert.ok(decoded.answers.length > 10);
		assert.deepEqual(decoded.additionals, [opt]);
		assert.equal(decode(encodeDns({ ...query, answers })).answers.length, 100);
	});

	it("knows addresses by their text", () => {
		const text = (ip: string) => Buffer.from(addressData(ip)?.data ?? []).toString("hex");
		assert.equal(text("10.0.0.255"), "0a0000ff");
		assert.equal(text("::1"), "00000000000000000000000000000001");
		assert.equal(text("2001:db8::1:0"), "20010db8000000000000000000010000");
		assert.equal(text("::ffff:10.0.0.1"), "00000000000000000000ffff0a000001");
		for (const wrong of ["", "300.0.0.1", "10.0.0", "1::2::3", "host", "1:2:3:4:5:6:7:8:9", "12345::"])
			assert.equal(addressData(wrong), undefined, wrong);
	});

	it("takes a dot inside a label for no separator", () => {
		assert.notEqual(nameKey(["a.b"]), nameKey(["a", "b"]));
		assert.deepEqual([...encodeName(["a.b"])], [3, 97, 46, 98, 0]);
	});
});
