import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash, createPublicKey } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { openAuthority } from "../../identity/authority/authority.ts";
import { JoinTokens } from "../../identity/authority/join-tokens.ts";
import { NodeRegistrations } from "../../identity/authority/node-registrations.ts";
import { keepmesh } from "./cli.testing.ts";

const directory = mkdtempSync(join(tmpdir(), "keepmesh-token-cli-"));
after(() => rmSync(directory, { recursive: true }));
const ca = join(directory, "ca");
const authority = openAuthority({ directory: ca, trustDomain: "cluster.local", wallMs: () => Date.now() });
const token = (...args: readonly string[]) => keepmesh(["token", ...args]);

describe("keepmesh token", { concurrency: 2 }, () => {
	it("prints a token alone on standard output, naming the root of that authority", async () => {
		const { code, stderr, stdout } = await token("create", "--ca", ca, "--node", "n1", "--allow", "prod/db");
		assert.equal(code, 0, stderr);
		assert.match(stdout, /^km1\.[0-9a-f]{16}\.[\w-]{32}\.[\w-]{43}\n$/);
		assert.ok(stdout.trim().endsWith(authority.rootHash));
		assert.match(stderr, /Good once, for node n1/);
		const checked = new JoinTokens(ca).check(stdout.trim(), Date.now());
		assert.ok(checked.ok);
		assert.deepEqual(checked.token.allow, [{ namespace: "prod", serviceAccount: "db" }]);
		assert.equal(checked.token.expiresMs - checked.token.createdMs, 3_600_000);
	});

	it("needs no passphrase, since it opens no key", async () => {
		const sealed = join(directory, "sealed");
		const { rootHash } = openAuthority({
			directory: sealed,
			trustDomain: "t",
			wallMs: () => Date.now(),
			passphrase: "x",
		});
		const { stdout } = await token("create", "--ca", sealed, "--node", "n1");
		assert.ok(stdout.trim().endsWith(rootHash));
	});

	it("names the root of a plugged-in authority", async () => {
		const plugIn = mkdtempSync(join(directory, "plugged-"));
		const words =
			"req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 9 -subj /O=x -keyout ca-key.pem -out ca-cert.pem";
		execFileSync("openssl", words.split(" "), { cwd: plugIn, stdio: "pipe" });
		const key = createPublicKey(readFileSync(join(plugIn, "ca-cert.pem"))).export({ type: "spki", format: "der" });
		const { stderr, stdout } = await token("create", "--ca", ca, "--cacerts", plugIn, "--node", "n1");
		assert.ok(stdout.trim().endsWith(`.${createHash("sha256").update(key).digest("base64url")}`), stderr);
	});

	it("asks for --cacerts where control planes work with an authority that is plugged in", async () => {
		const plugged = mkdtempSync(join(directory, "beside-"));
		mkdirSync(join(plugged, "acknowledged"));
		const { code, stderr } = await token("create", "--ca", plugged, "--node", "n1");
		assert.equal(code, 66);
		assert.match(stderr, /next: keepmesh token create .*--cacerts DIR/);
	});

	it("lists tokens without their secrets, and revokes one", async () => {
		const made = await token("create", "--ca", ca, "--node", "n2", "--ttl", "30m");
		const [, id = "", secret = ""] = made.stdout.split(".");
		const listed = await token("list", "--ca", ca);
		assert.match(listed.stdout, new RegExp(`${id} +n2 +unused +in 29m`));
		assert.ok(!listed.stdout.includes(secret));
		assert.match((await token("revoke", "--ca", ca, id)).stdout, /revoked/);
		assert.match((await token("list", "--ca", ca)).stdout, new RegExp(`${id} +n2 +revoked`));
	});

	it("shuts a node out that has joined", async () => {
		const joined = { id: "0", node: "n3", allow: [], createdMs: 0, expiresMs: 0 };
		new NodeRegistrations(ca).register(joined, Date.now());
		assert.match((await token("list", "--ca", ca)).stdout, /n3/);
		assert.match((await token("revoke", "--ca", ca, "--node", "n3")).stdout, /node n3 shut out/);
		assert.equal((await token("revoke", "--ca", ca, "--node", "n3")).code, 66);
	});

	const wrong: readonly (readonly [string, readonly string[], number, RegExp])[] = [
		["a directory that is not there", ["create", "--ca", join(directory, "typo"), "--node", "n"], 66, /no directory/],
		[
			"a directory that is no authority",
			["create", "--ca", directory, "--node", "n"],
			66,
			/holds no certificate authority/,
		],
		["a name that no node can have", ["create", "--ca", ca, "--node", "../n"], 64, /no node name/],
		["a time that is none", ["create", "--ca", ca, "--node", "n", "--ttl", "soon"], 64, /30m, 24h or 7d/],
		[
			"a grant that is none",
			["create", "--ca", ca, "--node", "n", "--allow", "everything"],
			64,
			/NAMESPACE\/SERVICE-ACCOUNT/,
		],
		["an unknown token", ["revoke", "--ca", ca, "0000000000000000"], 66, /no token/],
		["nothing to revoke", ["revoke", "--ca", ca], 64, /say which/],
	];
	for (const [what, args, exitCode, because] of wrong)
		it(`says what is wrong: ${what}`, async () => {
			const { code, stderr, stdout } = await token(...args);
			assert.match(stderr, because);
			assert.equal(code, exitCode);
			assert.equal(stdout, "");
			assert.ok(!existsSync(join(directory, "typo")));
		});
});

describe("keepmesh control", () => {
	it("says what is wrong with its authority in one line", async () => {
		const plugIn = mkdtempSync(join(directory, "cacerts-"));
		writeFileSync(join(plugIn, "ca-cert.pem"), authority.rootPem);
		writeFileSync(join(plugIn, "ca-key.pem"), "nothing");
		const resources = mkdtempSync(join(directory, "resources-"));
		const ports = ["--xds", "127.0.0.1:0", "--api", "127.0.0.1:0"];
		const { code, stderr } = await keepmesh([
			"control",
			"--resources",
			resources,
			"--ca",
			join(directory, "state"),
			"--cacerts",
			plugIn,
			...ports,
		]);
		assert.match(stderr, /error: .*ca-key\.pem is no private key/);
		assert.match(stderr, /next: ls -l/);
		assert.equal(code, 65);
	});
});
