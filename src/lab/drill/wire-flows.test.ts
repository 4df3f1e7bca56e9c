import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { WireFlows } from "./wire-flows.ts";

const pod = "10.1.0.5";
const caller = "10.1.0.9";

function packet(from: string, to: string, what: "syn" | string | Uint8Array): Buffer {
	const isSyn = what === "syn";
	const payload = isSyn ? Buffer.alloc(0) : Buffer.from(what);
	const head = Buffer.alloc(40);
	head.writeUInt8(0x45, 0);
	head.writeUInt16BE(40 + payload.length, 2);
	head.writeUInt8(6, 9);
	head.set(from.split(".").map(Number), 12);
	head.set(to.split(".").map(Number), 16);
	head.writeUInt16BE(from === pod ? 8080 : 40_000, 20);
	head.writeUInt16BE(to === pod ? 8080 : 40_000, 22);
	head.writeUInt8(0x50, 32);
	head.writeUInt8(isSyn ? 0x02 : 0x18, 33);
	return Buffer.concat([head, payload]);
}

const hello = Uint8Array.of(22, 3, 1, 2, 0, 1);

function reportOf(packets: readonly Buffer[], ignored: readonly string[] = [], port?: number) {
	const flows = new WireFlows(ignored, port);
	for (const one of packets) flows.take(one);
	return flows.report();
}

describe("what is on the wire of a pod", () => {
	const opened = [packet(caller, pod, "syn"), packet(pod, caller, "syn")];

	it("is of one port only, where that is asked for", () => {
		const talk = [...opened, packet(caller, pod, "GET / HTTP/1.1")];
		assert.equal(reportOf(talk, [], 9999).plaintext, 0);
		assert.equal(reportOf(talk, [], 8080).plaintext, 1);
	});

	it("is encrypted when both sides begin with a record of TLS", () => {
		const report = reportOf([
			...opened,
			packet(caller, pod, hello),
			packet(pod, caller, hello),
			packet(caller, pod, "x"),
		]);
		assert.deepEqual(report, { encrypted: 2, plaintext: 0, examples: [] });
	});

	it("is plaintext when either side begins with anything else, and says with what", () => {
		const report = reportOf([
			...opened,
			packet(caller, pod, "GET /get HTTP/1.1\r\n"),
			packet(pod, caller, "HTTP/1.1 200"),
		]);
		assert.equal(report.plaintext, 2);
		assert.deepEqual(report.examples, [
			"10.1.0.9:40000 to 10.1.0.5:8080: GET /get HTTP/1.1..",
			"10.1.0.5:8080 to 10.1.0.9:40000: HTTP/1.1 200",
		]);
	});

	it("leaves out what a stranger sends, but not what it is answered", () => {
		const asked = [...opened, packet(caller, pod, "GET / HTTP/1.1\r\n")];
		assert.equal(reportOf(asked, [caller]).plaintext, 0);
		assert.equal(reportOf([...asked, packet(pod, caller, "HTTP/1.1 200")], [caller]).plaintext, 1);
	});

	it("judges connections that use the ports of an earlier one by themselves", () => {
		const once = [...opened, packet(caller, pod, hello), packet(pod, caller, hello)];
		assert.deepEqual(reportOf([...once, ...opened, packet(caller, pod, "GET /")]).plaintext, 1);
	});

	it("reads neither cut-off packets nor other protocols", () => {
		const udp = packet(caller, pod, "syn");
		udp.writeUInt8(17, 9);
		assert.deepEqual(reportOf([udp, Buffer.alloc(3), packet(caller, pod, "GET /")]).plaintext, 0);
	});
});
