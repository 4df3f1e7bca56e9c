import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type AnswerOptions, answerQuery, udpLimitBytes } from "./answer-query.ts";
import { type DnsMessage, dnsTypes, nameFromText, rcodes } from "./dns-message.ts";
import { indexNames, mergeNameTables, parseNameTableFile } from "./name-index.ts";

const index = indexNames({
	names: {
		"reviews.default.svc.cluster.local": ["10.0.0.1"],
		"web.default.svc.cluster.local": ["10.0.1.1", "10.0.1.2", "fd00::1"],
		"headless.default.svc.cluster.local": [],
		"*.example.com": ["240.240.0.1"],
		"deep.sub.example.com": ["240.240.0.2"],
		"*.api.example.com": ["240.240.0.3"],
	},
});

const alone: AnswerOptions = { domain: "cluster.local", hasUpstream: false, rotation: 0 };

function ask(
	name: string,
	type: number = dnsTypes.a,
	options: Partial<AnswerOptions> = {},
	more: Partial<DnsMessage> = {},
) {
	const query: DnsMessage = {
		id: 7,
		isResponse: false,
		opcode: 0,
		authoritative: false,
		truncated: false,
		recursionDesired: true,
		recursionAvailable: false,
		rcode: 0,
		questions: [{ name: nameFromText(name), type, class: 1 }],
		answers: [],
		authorities: [],
		additionals: [],
		...more,
	};
	const answer = answerQuery(index, query, { ...alone, ...options });
	if (answer.type === "forward") return "forward";
	const { message } = answer;
	const ips = message.answers.map((record) => [...record.data].join("."));
	const soa = message.authorities.some((record) => record.type === dnsTypes.soa);
	return [message.rcode, ips, ...(soa ? ["soa"] : [])];
}

describe("answers of the machine's DNS", () => {
	it("gives the addresses of the family that was asked for, whatever the case of the name", () => {
		assert.deepEqual(ask("REVIEWS.default.svc.Cluster.Local."), [0, ["10.0.0.1"]]);
		assert.deepEqual(ask("web.default.svc.cluster.local", dnsTypes.aaaa), [0, ["253.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1"]]);
	});

	it("says NODATA for a name without an address of that family, and for other types", () => {
		assert.deepEqual(ask("reviews.default.svc.cluster.local", dnsTypes.aaaa), [rcodes.noError, [], "soa"]);
		assert.deepEqual(ask("reviews.default.svc.cluster.local", 15), [rcodes.noError, [], "soa"]);
		assert.deepEqual(ask("headless.default.svc.cluster.local"), [rcodes.noError, [], "soa"]);
	});

	it("says NODATA for a name that only has names below it", () => {
		assert.deepEqual(ask("default.svc.cluster.local"), [rcodes.noError, [], "soa"]);
	});

	it("says NXDOMAIN for unknown names of the mesh, so that search lists go on", () => {
		assert.deepEqual(ask("reviews.default.svc.cluster.local.svc.cluster.local"), [rcodes.nxDomain, [], "soa"]);
	});

	it("refuses foreign names at once when there is no resolver to ask", () => {
		assert.deepEqual(ask("www.debian.org"), [rcodes.refused, []]);
	});

	it("forwards what it does not know when there is a resolver", () => {
		for (const name of ["www.debian.org", "unknown.default.svc.cluster.local", "default.svc.cluster.local"])
			assert.equal(ask(name, dnsTypes.a, { hasUpstream: true }), "forward");
		assert.deepEqual(ask("reviews.default.svc.cluster.local", dnsTypes.aaaa, { hasUpstream: true }), [0, [], "soa"]);
	});

	it("matches wildcards of any depth, the longest first, but not where a name exists", () => {
		assert.deepEqual(ask("a.example.com"), [0, ["240.240.0.1"]]);
		assert.deepEqual(ask("a.b.c.example.com"), [0, ["240.240.0.1"]]);
		assert.deepEqual(ask("x.api.example.com"), [0, ["240.240.0.3"]]);
		assert.deepEqual(ask("deep.sub.example.com"), [0, ["240.240.0.2"]]);
		assert.deepEqual(ask("sub.example.com"), [0, [], "soa"]);
		assert.deepEqual(ask("example.com"), [0, [], "soa"]);
	});

	it("turns the order of several addresses", () => {
		const first = (rotation: number) => ask("web.default.svc.cluster.local", dnsTypes.a, { rotation });
		assert.deepEqual(first(0), [0, ["10.0.1.1", "10.0.1.2"]]);
		assert.deepEqual(first(3), [0, ["10.0.1.2", "10.0.1.1"]]);
	});

	it("gives clients 30 seconds", () => {
		const query = { id: 1, opcode: 0, recursionDesired: true } as DnsMessage;
		const questions = [{ name: nameFromText("reviews.default.svc.cluster.local"), type: dnsTypes.a, class: 1 }];
		const answer = answerQuery(index, { ...query, questions }, alone);
		assert.equal(answer.type === "respond" && answer.message.answers[0]?.ttlSeconds, 30);
	});

	it("refuses what it does not do: other operations, other classes, several questions", () => {
		const name = "reviews.default.svc.cluster.local";
		const question = { name: nameFromText(name), type: dnsTypes.a, class: 1 };
		assert.deepEqual(ask(name, dnsTypes.a, {}, { opcode: 5 }), [rcodes.notImp, []]);
		assert.deepEqual(ask(name, dnsTypes.a, {}, { questions: [{ ...question, class: 3 }] }), [rcodes.refused, []]);
		assert.deepEqual(ask(name, dnsTypes.a, {}, { questions: [question, question] }), [rcodes.formErr, []]);
		assert.deepEqual(ask(name, dnsTypes.a, {}, { questions: [] }), [rcodes.formErr, []]);
	});

	it("sends over UDP no more than the client takes and a path carries", () => {
		const opt = (size: number) => ({
			additionals: [{ name: [], type: dnsTypes.opt, class: size, ttlSeconds: 0, data: new Uint8Array() }],
		});
		assert.deepEqual([udpLimitBytes({}), udpLimitBytes(opt(100)), udpLimitBytes(opt(4096))], [512, 512, 1232]);
	});
});

describe("the names of a machine", () => {
	const table = (entries: Readonly<Record<string, readonly string[]>>) =>
		new Map(Object.entries(entries).map(([name, ips]) => [name, { ips }]));

	it("are those of all its proxies; the first id decides where they differ", () => {
		const a = table({ "x.y": ["10.0.0.1"], "only.a": ["10.0.0.2"] });
		const b = table({ "x.y": ["10.0.0.9"], "only.b": ["10.0.0.3"] });
		const expected = { names: { "only.a": ["10.0.0.2"], "only.b": ["10.0.0.3"], "x.y": ["10.0.0.1"] } };
		assert.deepEqual(
			mergeNameTables(
				new Map([
					["p2", b],
					["p1", a],
				]),
			),
			expected,
		);
		assert.deepEqual(
			mergeNameTables(
				new Map([
					["p1", a],
					["p2", b],
				]),
			),
			expected,
		);
	});

	it("are read from a file only when it is whole", () => {
		assert.deepEqual(parseNameTableFile('{"names":{"a.b":["10.0.0.1"]}}'), { names: { "a.b": ["10.0.0.1"] } });
		for (const broken of ["", "{", "[]", "null", "{}", '{"names":[1]}', '{"names":{"a":"b"}}', '{"names":{"a":[1]}}'])
			assert.equal(parseNameTableFile(broken), undefined, broken);
	});
});
