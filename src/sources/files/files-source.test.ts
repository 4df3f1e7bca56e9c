// The ways in which editors, kubectl, Kubernetes and people change files, on a real directory.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
	appendFileSync,
	chmodSync,
	mkdirSync,
	mkdtempSync,
	renameSync,
	rmSync,
	symlinkSync,
	truncateSync,
	unlinkSync,
	writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import type { AnyObject } from "../../resources/config-object.ts";
import type { Problem } from "../../resources/problem.ts";
import { realClock } from "../../runtime/clock.ts";
import type { Change } from "../../snapshot/change.ts";
import type { FileContent } from "./file-ledger.ts";
import { type FilesSource, startFilesSource } from "./files-source.ts";

/** Lines `name value`; a line with "!" breaks the whole file, as a YAML error would. */
function read(text: string, file: string): FileContent {
	const lines = text.split("\n").filter((line) => line !== "");
	if (lines.some((line) => line.includes("!"))) {
		const origin = { file, line: 1, column: 1 };
		return {
			objects: [],
			problems: [{ severity: "error", origin, resource: "", path: "", message: "broken", hint: "" }],
		};
	}
	return {
		problems: [],
		objects: lines.map((line, index): AnyObject => {
			const [name = "", value = ""] = line.split(" ");
			return {
				kind: "Namespace",
				apiVersion: "v1",
				metadata: { name, namespace: "", labels: { value }, annotations: {}, createdMs: 0 },
				spec: {},
				origin: { file, line: index + 1, column: 1 },
			};
		}),
	};
}

describe("files source", () => {
	let directory = "";
	let source: FilesSource | undefined;
	let state: Map<string, string>;
	let log: string[];
	let problems: readonly Problem[];

	beforeEach(() => {
		directory = mkdtempSync(join(tmpdir(), "keepmesh-files-"));
		state = new Map();
		log = [];
		problems = [];
	});
	afterEach(() => {
		source?.close();
		rmSync(directory, { recursive: true, force: true });
	});

	async function start(roots: readonly string[] = [directory], rescanMs = 30_000): Promise<FilesSource> {
		source = startFilesSource({ roots, rescanMs }, { clock: realClock, read, onChanges, onProblems });
		await source.ready;
		return source;
	}
	function onChanges(changes: readonly Change[]): void {
		for (const change of changes) {
			if (change.type === "objectRemoved") {
				const name = change.key.split("/")[2] ?? "";
				state.delete(name);
				log.push(`-${name}`);
			} else {
				const { name, labels } = change.object.metadata;
				state.set(name, labels.value ?? "");
				log.push(`+${name}=${labels.value}`);
			}
		}
	}
	function onProblems(now: readonly Problem[]): void {
		problems = now;
	}
	const path = (name: string): string => join(directory, name);
	async function until(is: () => boolean, what: string): Promise<void> {
		const deadline = performance.now() + 3000;
		while (!is()) {
			if (performance.now() > deadline)
				assert.fail(`${what}; state ${JSON.stringify([...state])}, log ${log.join(" ")}`);
			await new Promise((done) => setTimeout(done, 1));
		}
	}
	const untilState = (expected: Record<string, string>): Promise<void> =>
		until(
			() => JSON.stringify([...state].sort()) === JSON.stringify(Object.entries(expected).sort()),
			`never became ${JSON.stringify(expected)}`,
		);
	const quiet = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

	it("reads nested files at the start, and leaves backups, swap and hidden files alone", async () => {
		mkdirSync(path("deep/er"), { recursive: true });
		mkdirSync(path(".git"));
		writeFileSync(path("a.yaml"), "a 1\n");
		writeFileSync(path("deep/er/b.yml"), "b 1\n");
		writeFileSync(path("c.json"), "c 1");
		for (const name of ["a.yaml~", ".a.yaml.swp", "4913", "#a.yaml#", "a.yaml.bak", ".git/x.yaml", "notes.txt"]) {
			writeFileSync(path(name), "wrong 1\n");
		}
		await start();
		assert.deepEqual([...state].sort(), [
			["a", "1"],
			["b", "1"],
			["c", "1"],
		]);
	});

	it("sees each whole file renamed into place, again and again", async () => {
		writeFileSync(path("a.yaml"), "a 0\n");
		await start();
		for (let i = 1; i <= 30; i++) {
			writeFileSync(path(".a.yaml.new"), `a ${i}\n`);
			renameSync(path(".a.yaml.new"), path("a.yaml"));
			await untilState({ a: String(i) });
		}
	});

	it("takes nothing away while an editor truncates and writes in place", async () => {
		writeFileSync(path("a.yaml"), "a 1\nb 1\n");
		await start();
		truncateSync(path("a.yaml"), 0);
		await quiet(10);
		appendFileSync(path("a.yaml"), "a 2\n");
		await quiet(10);
		appendFileSync(path("a.yaml"), "b 2\n");
		await untilState({ a: "2", b: "2" });
		assert.ok(!log.some((line) => line.startsWith("-")), log.join(" "));
	});

	it("takes nothing away when vim moves the file to a backup and writes a new one", async () => {
		writeFileSync(path("a.yaml"), "a 1\n");
		await start();
		writeFileSync(path("4913"), "");
		unlinkSync(path("4913"));
		renameSync(path("a.yaml"), path("a.yaml~"));
		await quiet(10);
		writeFileSync(path("a.yaml"), "");
		await quiet(5);
		appendFileSync(path("a.yaml"), "a 2\n");
		unlinkSync(path("a.yaml~"));
		await untilState({ a: "2" });
		assert.ok(!log.includes("-a"), log.join(" "));
	});

	it("waits for the rest of a file that appears before it is fully written", async () => {
		await start();
		writeFileSync(path("a.yaml"), "a 1\nb 1");
		await quiet(10);
		appendFileSync(path("a.yaml"), "7\n");
		await untilState({ a: "1", b: "17" });
		assert.ok(!log.includes("+b=1"), log.join(" "));
	});

	it("keeps the last good file when an edit breaks it, reports it, and takes the mended one", async () => {
		writeFileSync(path("a.yaml"), "a 1\n");
		await start();
		writeFileSync(path("a.yaml"), "a !\n");
		await until(() => problems.length === 1, "the problem was never reported");
		assert.equal(state.get("a"), "1");
		assert.equal(problems[0]?.origin.file, path("a.yaml"));
		writeFileSync(path("a.yaml"), "a 2\n");
		await untilState({ a: "2" });
		assert.deepEqual(problems, []);
	});

	it("removes the objects of a removed file, and of a removed directory", async () => {
		mkdirSync(path("sub"));
		writeFileSync(path("a.yaml"), "a 1\n");
		writeFileSync(path("sub/b.yaml"), "b 1\n");
		writeFileSync(path("sub/c.yaml"), "c 1\n");
		await start();
		unlinkSync(path("a.yaml"));
		await untilState({ b: "1", c: "1" });
		rmSync(path("sub"), { recursive: true });
		await untilState({});
	});

	it("sees files in directories made later, and in one moved into the tree", async () => {
		await start();
		mkdirSync(path("new/er"), { recursive: true });
		writeFileSync(path("new/er/a.yaml"), "a 1\n");
		await untilState({ a: "1" });
		mkdirSync(path(".away"));
		writeFileSync(path(".away/b.yaml"), "b 1\n");
		renameSync(path(".away"), path("here"));
		await untilState({ a: "1", b: "1" });
		writeFileSync(path("here/b.yaml"), "b 2\n");
		await untilState({ a: "1", b: "2" });
	});

	it("follows Kubernetes' ..data swap without a gap", async () => {
		mkdirSync(path("..v1"));
		writeFileSync(path("..v1/a.yaml"), "a 1\n");
		symlinkSync("..v1", path("..data"));
		symlinkSync("..data/a.yaml", path("a.yaml"));
		await start();
		assert.equal(state.get("a"), "1");
		for (const version of [2, 3]) {
			mkdirSync(path(`..v${version}`));
			writeFileSync(path(`..v${version}/a.yaml`), `a ${version}\n`);
			symlinkSync(`..v${version}`, path("..data_tmp"));
			renameSync(path("..data_tmp"), path("..data"));
			rmSync(path(`..v${version - 1}`), { recursive: true });
			await untilState({ a: String(version) });
		}
		assert.deepEqual(log, ["+a=1", "+a=2", "+a=3"]);
	});

	it("follows a root that is itself a link, when the link moves", async () => {
		mkdirSync(path("v1"));
		mkdirSync(path("v2"));
		writeFileSync(path("v1/a.yaml"), "a 1\n");
		writeFileSync(path("v2/a.yaml"), "a 2\n");
		symlinkSync("v1", path("current"));
		await start([path("current")]);
		assert.equal(state.get("a"), "1");
		symlinkSync("v2", path("next"));
		renameSync(path("next"), path("current"));
		await untilState({ a: "2" });
		writeFileSync(path("v2/a.yaml"), "a 3\n");
		await untilState({ a: "3" });
	});

	it("sees an edit of the target of a link inside the tree", async () => {
		mkdirSync(path(".store"));
		writeFileSync(path(".store/a.yaml"), "a 1\n");
		symlinkSync(".store/a.yaml", path("a.yaml"));
		await start();
		writeFileSync(path(".store/a.yaml"), "a 2\n");
		await untilState({ a: "2" });
		assert.deepEqual(problems, [], "the target must not be read under its own name as well");
	});

	it("refuses links that lead out of the tree, FIFOs, sockets, unreadable files, and goes on", async () => {
		const outside = mkdtempSync(join(tmpdir(), "keepmesh-outside-"));
		writeFileSync(join(outside, "secret.yaml"), "secret 1\n");
		mkdirSync(path("root"));
		symlinkSync(join(outside, "secret.yaml"), path("root/link.yaml"));
		symlinkSync(outside, path("root/dir"));
		symlinkSync("loop.yaml", path("root/loop.yaml"));
		execFileSync("mkfifo", [path("root/fifo.yaml")]);
		const socket = createServer().listen(path("root/socket.yaml"));
		writeFileSync(path("root/latin.yaml"), Buffer.from([0x61, 0xff, 0x0a]));
		writeFileSync(path("root/good.yaml"), "good 1\n");
		await start([path("root")]);
		socket.close();
		rmSync(outside, { recursive: true });
		assert.deepEqual([...state], [["good", "1"]]);
		const about = problems.map((problem) => `${problem.origin.file.slice(path("root/").length)}: ${problem.message}`);
		assert.deepEqual(about.map((line) => line.replace(/\/tmp\/\S+/g, "PATH")).sort(), [
			"dir: is a link to PATH outside of PATH",
			"fifo.yaml: is a FIFO, not a regular file",
			"latin.yaml: is not UTF-8 text",
			"link.yaml: is a link to PATH outside of PATH",
			"loop.yaml: is a loop of links",
			"socket.yaml: is a socket, not a regular file",
		]);
	});

	it("keeps what it knows of a file that it may no longer read", { skip: process.getuid?.() === 0 }, async () => {
		writeFileSync(path("a.yaml"), "a 1\n");
		await start();
		chmodSync(path("a.yaml"), 0);
		await until(() => problems.length === 1, "never reported");
		assert.equal(state.get("a"), "1");
	});

	it("survives the deletion of the root, and reads it when it is made again", async () => {
		const root = path("root");
		mkdirSync(root);
		writeFileSync(join(root, "a.yaml"), "a 1\n");
		await start([root]);
		rmSync(root, { recursive: true });
		await untilState({});
		await until(() => problems[0]?.message === "is not there", "the missing root was never reported");
		mkdirSync(root);
		writeFileSync(join(root, "a.yaml"), "a 2\n");
		await untilState({ a: "2" });
		writeFileSync(join(root, "b.yaml"), "b 1\n");
		await untilState({ a: "2", b: "1" });
		assert.deepEqual(problems, []);
	});

	it("reads a single file that was named itself, replaced and edited", async () => {
		writeFileSync(path("a.yaml"), "a 1\n");
		writeFileSync(path("b.yaml"), "b 1\n");
		await start([path("a.yaml")]);
		assert.deepEqual([...state], [["a", "1"]]);
		writeFileSync(path("x.tmp"), "a 2\n");
		renameSync(path("x.tmp"), path("a.yaml"));
		await untilState({ a: "2" });
		writeFileSync(path("a.yaml"), "a 3\n");
		await untilState({ a: "3" });
	});

	it("prefers the earlier root, whatever the names", async () => {
		mkdirSync(path("z"));
		mkdirSync(path("b"));
		writeFileSync(path("z/x.yaml"), "a z\n");
		writeFileSync(path("b/x.yaml"), "a b\n");
		await start([path("z"), path("b")]);
		assert.deepEqual([...state], [["a", "z"]]);
		assert.match(problems[0]?.message ?? "", /is also defined at .*\/z\/x\.yaml:1/);
	});

	it("gives a burst of files out in few calls, and all of them", async () => {
		await start();
		for (let i = 0; i < 2000; i++) writeFileSync(path(`f${i}.yaml`), `f${i} 1\n`);
		await until(() => state.size === 2000, "some are missing");
	});

	it("finds by re-scan what no event told", async () => {
		writeFileSync(path("a.yaml"), "a 1\n");
		const running = await start();
		writeFileSync(path("a.yaml"), "a 2\n");
		await running.rescan();
		await untilState({ a: "2" });
	});

	it("leaves nothing watched when it is closed while it still reads for the first time", async () => {
		mkdirSync(path("deep/er/est"), { recursive: true });
		for (let turns = 0; turns < 10; turns++) {
			const running = startFilesSource({ roots: [directory] }, { clock: realClock, read, onChanges, onProblems });
			for (let turn = 0; turn < turns; turn++) await new Promise((done) => setImmediate(done));
			running.close();
			await running.ready;
		}
		await quiet(5);
		const watchers = process.getActiveResourcesInfo().filter((name) => name === "FSEventWrap");
		assert.deepEqual(watchers, []);
	});
});
