import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { writeDockerArchive } from "./docker-archive.ts";
import type { Image } from "./image.ts";

describe("a docker archive", () => {
	let work = "";
	let image: Image;
	before(() => {
		work = mkdtempSync(join(tmpdir(), "docker-archive-"));
		// More than one read, and no multiple of a block.
		writeFileSync(join(work, "source"), Buffer.alloc(1_500_001, 7));
		image = {
			name: "keepmesh.test/example:2",
			config: { entrypoint: ["/main"], environment: ["A=b"], user: "1337" },
			layers: [
				[{ kind: "file", path: "opt/deep/main", source: join(work, "source"), mode: 0o755 }],
				[
					{ kind: "text", path: "etc/name", text: "first" },
					{ kind: "text", path: "etc/name", text: "last" },
					{ kind: "directory", path: "tmp", mode: 0o1777 },
				],
			],
		};
		writeDockerArchive(join(work, "image.tar"), image);
		execFileSync("tar", ["-xf", join(work, "image.tar"), "-C", work]);
	});
	after(() => rmSync(work, { recursive: true, force: true }));

	const parsed = (name: string) => JSON.parse(readFileSync(join(work, name), "utf8"));

	it("has a manifest with the image's name, its configuration and its layers", () => {
		const [{ RepoTags, Config, Layers }, ...others] = parsed("manifest.json");
		assert.deepEqual(RepoTags, ["keepmesh.test/example:2"]);
		assert.deepEqual(Layers, ["0/layer.tar", "1/layer.tar"]);
		assert.equal(others.length, 0);
		const { Entrypoint, Env, User } = parsed(Config).config;
		assert.deepEqual([Entrypoint, Env, User], [["/main"], ["A=b"], "1337"]);
	});

	it("names its configuration and its layers by what is in them", () => {
		const digest = (name: string): string =>
			createHash("sha256")
				.update(readFileSync(join(work, name)))
				.digest("hex");
		const [{ Config, Layers }] = parsed("manifest.json");
		assert.equal(Config, `${digest(Config)}.json`);
		assert.deepEqual(
			parsed(Config).rootfs.diff_ids,
			Layers.map((name: string) => `sha256:${digest(name)}`),
		);
	});

	it("has directories before what is in them, and of two entries the last", () => {
		const list = (index: number): readonly string[] =>
			execFileSync("tar", ["-tf", join(work, `${index}/layer.tar`)], { encoding: "utf8" })
				.trim()
				.split("\n");
		assert.deepEqual(list(0), ["opt/", "opt/deep/", "opt/deep/main"]);
		assert.deepEqual(list(1), ["etc/", "etc/name", "tmp/"]);
		const content = execFileSync("tar", ["-xOf", join(work, "1/layer.tar"), "etc/name"], { encoding: "utf8" });
		assert.equal(content, "last");
	});

	it("keeps the content of files", () => {
		const content = execFileSync("tar", ["-xOf", join(work, "0/layer.tar"), "opt/deep/main"], { maxBuffer: 2e6 });
		assert.ok(content.equals(readFileSync(join(work, "source"))));
	});

	it("has the same bytes each time", () => {
		writeDockerArchive(join(work, "again.tar"), image);
		assert.ok(readFileSync(join(work, "again.tar")).equals(readFileSync(join(work, "image.tar"))));
	});
});
