import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { installPlugin, removePlugin } from "./install-plugin.ts";

const places = { exchange: "/run/keepmesh/cni" };
const bridge = {
	cniVersion: "1.0.0",
	name: "pods",
	plugins: [{ type: "bridge", bridge: "cni0" }, { type: "portmap" }],
};

describe("the CNI plug-in on a node", () => {
	let root = "";
	let directories = { programs: "", lists: "" };
	beforeEach(() => {
		root = mkdtempSync(join(tmpdir(), "keepmesh-cni-"));
		directories = { programs: join(root, "bin"), lists: join(root, "net.d") };
		for (const directory of Object.values(directories)) mkdirSync(directory);
	});
	afterEach(() => rmSync(root, { recursive: true, force: true }));

	const write = (name: string, content: object): void =>
		writeFileSync(join(directories.lists, name), JSON.stringify(content));
	const read = (name: string) => JSON.parse(readFileSync(join(directories.lists, name), "utf8"));
	const typesIn = (name: string): readonly string[] => read(name).plugins.map(({ type }: { type: string }) => type);

	it("is chained behind the cluster's own, in the list that the runtime takes", () => {
		write("20-other.conflist", bridge);
		write("10-pods.conflist", bridge);
		assert.equal(installPlugin(directories, places).ok, true);
		assert.deepEqual(typesIn("10-pods.conflist"), ["bridge", "portmap", "keepmesh-cni"]);
		assert.deepEqual(typesIn("20-other.conflist"), ["bridge", "portmap"]);
		assert.equal(statSync(join(directories.programs, "keepmesh-cni")).mode & 0o777, 0o755);
	});

	it("changes nothing that is right already, and comes back when the list is written anew", () => {
		write("10-pods.conflist", bridge);
		installPlugin(directories, places);
		assert.deepEqual(installPlugin(directories, places), { ok: true, changed: [] });
		write("10-pods.conflist", bridge);
		assert.deepEqual(installPlugin(directories, places), {
			ok: true,
			changed: [join(directories.lists, "10-pods.conflist")],
		});
	});

	it("replaces the program of another version", () => {
		write("10-pods.conflist", bridge);
		installPlugin(directories, places);
		const program = join(directories.programs, "keepmesh-cni");
		assert.deepEqual(installPlugin(directories, { exchange: "/elsewhere" }), { ok: true, changed: [program] });
	});

	it("says that there is no list yet, and waits for it", () => {
		const installed = installPlugin(directories, places);
		assert.ok(!installed.ok && /has no CNI configuration yet/.test(installed.because));
	});

	it("makes a list of a single plug-in, and leaves it as it was when it goes", () => {
		const single = { cniVersion: "0.4.0", name: "pods", type: "bridge", bridge: "cni0" };
		write("10-pods.conf", single);
		installPlugin(directories, places);
		assert.deepEqual(read("10-pods.conflist"), {
			cniVersion: "0.4.0",
			name: "pods",
			plugins: [{ type: "bridge", bridge: "cni0" }, { type: "keepmesh-cni" }],
		});
		removePlugin(directories);
		assert.deepEqual(readdirSync(directories.lists), ["10-pods.conf"]);
		assert.deepEqual(read("10-pods.conf"), single);
	});

	it("leaves list and directory as they were when it goes", () => {
		write("10-pods.conflist", bridge);
		installPlugin(directories, places);
		removePlugin(directories);
		assert.deepEqual(read("10-pods.conflist"), bridge);
		assert.deepEqual(readdirSync(directories.programs), []);
		assert.deepEqual(removePlugin(directories), []);
	});
});
