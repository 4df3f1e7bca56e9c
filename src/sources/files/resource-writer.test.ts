import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { type ResourceText, removeResource, resourceTexts, writeResource } from "./resource-writer.ts";

const service = (name: string, port: number): string =>
	`apiVersion: v1\nkind: Service\nmetadata:\n  name: ${name} # keep\nspec:\n  ports:\n  - port: ${port}\n    name: http\n`;

describe("resource writer", () => {
	let directory = "";
	beforeEach(() => {
		directory = mkdtempSync(join(tmpdir(), "keepmesh-writer-"));
	});
	afterEach(() => rmSync(directory, { recursive: true, force: true }));

	const one = (text: string, namespace = "default"): ResourceText => {
		const [first] = resourceTexts("stdin", text, namespace);
		assert.ok(first);
		return first;
	};

	it("writes a new resource into a file of its own, as it was given", async () => {
		const outcome = await writeResource(directory, one(service("a", 80)), undefined);
		assert.deepEqual(outcome, { ok: true, file: join(directory, "Service.default.a.yaml") });
		assert.equal(readFileSync(join(directory, "Service.default.a.yaml"), "utf8"), service("a", 80));
		assert.deepEqual(readdirSync(directory), ["Service.default.a.yaml"]);
	});

	it("writes down the namespace that was given beside the text", async () => {
		await writeResource(directory, one(service("a", 80), "shop"), undefined);
		assert.match(readFileSync(join(directory, "Service.shop.a.yaml"), "utf8"), /namespace: shop/);
	});

	it("keeps Secrets from other users", async () => {
		const secret = one("apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {a: b}\n");
		await writeResource(directory, secret, undefined);
		assert.equal(statSync(join(directory, "Secret.default.s.yaml")).mode & 0o777, 0o600);
	});

	it("changes only its own document of a file that holds several", async () => {
		const file = join(directory, "all.yaml");
		writeFileSync(file, `# top\n${service("a", 1)}---\n${service("b", 2)}---\n# third\n${service("c", 3)}`);
		assert.deepEqual(await writeResource(directory, one(service("b", 99)), file), { ok: true, file });
		assert.equal(
			readFileSync(file, "utf8"),
			`# top\n${service("a", 1)}---\n${service("b", 99)}---\n# third\n${service("c", 3)}`,
		);
		await writeResource(directory, one(service("a", 98)), file);
		await writeResource(directory, one(service("c", 97)), file);
		assert.equal(readFileSync(file, "utf8"), `${service("a", 98)}---\n${service("b", 99)}---\n${service("c", 97)}`);
	});

	it("takes one document out, and the file away with the last one", async () => {
		const file = join(directory, "all.yaml");
		writeFileSync(file, `${service("a", 1)}---\n${service("b", 2)}`);
		await removeResource(file, "Service/default/a");
		assert.equal(readFileSync(file, "utf8"), `---\n${service("b", 2)}`);
		await removeResource(file, "Service/default/b");
		assert.equal(existsSync(file), false);
	});

	it("does not edit a document that other resources share", async () => {
		const file = join(directory, "list.json");
		const entry = (name: string) => ({ apiVersion: "v1", kind: "ServiceAccount", metadata: { name } });
		writeFileSync(file, JSON.stringify({ apiVersion: "v1", kind: "List", items: [entry("a"), entry("b")] }));
		const outcome = await removeResource(file, "ServiceAccount/default/a");
		assert.deepEqual(outcome, { ok: false, because: "sharedDocument", file });
	});

	it("takes a List apart into its resources", () => {
		const entry = (name: string) => ({ apiVersion: "v1", kind: "ServiceAccount", metadata: { name } });
		const text = JSON.stringify({ apiVersion: "v1", kind: "List", items: [entry("a"), entry("b")] });
		assert.deepEqual(
			resourceTexts("x", text, "default").map((resource) => resource.text),
			["a", "b"].map((name) => `apiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: ${name}\n`),
		);
	});
});
