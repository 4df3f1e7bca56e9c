// Certificates and rotations over the API of a real control plane, and by the commands that ask it.

import assert from "node:assert/strict";
import { execFile, execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { ControlRig } from "../control.testing.ts";
import type { CertificatesAnswer, RotationAnswer, RotationPlanAnswer } from "./certificate-routes.ts";

const program = join(import.meta.dirname, "../../../bin/keepmesh.ts");

describe("certificates over the API", () => {
	const rig = new ControlRig();
	const post = { method: "POST" };
	before(() => rig.start({ caDirectory: join(rig.directory, ".ca"), rotation: { settleMs: 50 } }));
	after(() => rig.close());
	const keepmesh = (...argv: string[]): Promise<{ code: unknown; stdout: string; stderr: string }> =>
		new Promise((resolve) => {
			const command = ["--no-warnings", program, ...argv, "--api", rig.apiUrl];
			execFile(process.execPath, command, { timeout: 20_000 }, (error, stdout, stderr) =>
				resolve({ code: error?.code ?? 0, stdout, stderr }),
			);
		});
	const until = async (outcome: string): Promise<void> => {
		for (let attempt = 0; attempt < 100; attempt++) {
			const { state } = (await rig.api<RotationAnswer>("/api/v1/rotation")).body;
			if (state.phase === "idle" && state.last?.outcome === outcome) return;
			await sleep(100);
		}
		assert.fail(`never ${outcome}`);
	};

	it("say what the authority has and which issuer signs", async () => {
		const { body } = await rig.api<CertificatesAnswer>("/api/v1/certificates");
		assert.deepEqual([body.trustDomain, body.source, body.issued], ["cluster.local", "self-made", []]);
		assert.deepEqual(
			body.authority.map(({ kind, isSigning }) => [kind, isSigning]),
			[
				["root", true],
				["issuer", true],
			],
		);
	});

	it("say what a rotation would do, without doing it", async () => {
		const { body } = await rig.api<RotationPlanAnswer>("/api/v1/rotation?kind=root&dryRun=true", post);
		assert.deepEqual(body.blockers, []);
		assert.match(body.lines.join("\n"), /nothing would block it now/);
		assert.equal((await rig.api<RotationAnswer>("/api/v1/rotation")).body.state.phase, "idle");
	});

	it("refuse what makes no sense, saying what does", async () => {
		const refused = async (path: string) => {
			const { status, body } = await rig.api<{ error: string; next: string }>(path, post);
			return [status, body.error, body.next !== ""] as const;
		};
		assert.deepEqual(await refused("/api/v1/rotation"), [400, `"" is neither root nor issuer`, true]);
		assert.deepEqual(await refused("/api/v1/rotation/abort"), [409, "no rotation is under way", true]);
		assert.deepEqual(await refused("/api/v1/rotation/forget?replica=..%2Fx"), [
			404,
			`no control plane "../x" has left a heartbeat`,
			true,
		]);
	});

	it("rotate when asked to, and refuse a second rotation meanwhile", async () => {
		const before = (await rig.api<CertificatesAnswer>("/api/v1/certificates")).body.authority;
		assert.equal((await rig.api("/api/v1/rotation?kind=root", post)).status, 200);
		assert.equal((await rig.api("/api/v1/rotation?kind=issuer", post)).status, 409);
		await until("done");
		const now = (await rig.api<CertificatesAnswer>("/api/v1/certificates")).body.authority;
		assert.equal(now.length, 2);
		assert.ok(now.every(({ id }) => !before.some((one) => one.id === id)));
	});

	it("are shown, and rotated, from the command line, stage by stage", async () => {
		const shown = await keepmesh("certs", "-A");
		assert.match(shown.stdout, /AUTHORITY +ID +UNDER[\s\S]*issuer +[0-9a-f]{12} +[0-9a-f]{12} +signs +36[45]d +OK/);
		const json = JSON.parse((await keepmesh("certs", "-o", "json")).stdout) as {
			items: unknown[];
			authority: unknown[];
		};
		assert.deepEqual([json.items.length, json.authority.length], [0, 2]);
		const rotated = await keepmesh("certs", "rotate-issuer", "--wait");
		assert.equal(rotated.code, 0, rotated.stderr);
		assert.match(rotated.stdout, /sign-with-new\n[\s\S]*drop-old\n[\s\S]*issuer: done\n$/);
		assert.match(
			(await keepmesh("certs", "rotate-issuer", "--status")).stdout,
			/the last, of the issuer, done \d+ s ago/,
		);
		const nothing = await keepmesh("certs", "rotate-root", "--abort");
		assert.equal(nothing.code, 1);
		assert.match(nothing.stderr, /no rotation is under way/);
	});
});

describe("a control plane without an authority", () => {
	const rig = new ControlRig();
	before(() => rig.start());
	after(() => rig.close());

	it("says that it has none", async () => {
		const { status, body } = await rig.api<{ error: string; next: string }>("/api/v1/certificates");
		assert.deepEqual([status, body.error], [503, "this control plane has no certificate authority"]);
	});
});

describe("with an authority that is plugged in", () => {
	const rig = new ControlRig();
	const plugIn = mkdtempSync(join(tmpdir(), "keepmesh-plugged-"));
	before(async () => {
		const words =
			"req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 9 -subj /O=x -keyout ca-key.pem -out ca-cert.pem";
		execFileSync("openssl", words.split(" "), { cwd: plugIn, stdio: "pipe" });
		await rig.start({ caDirectory: join(rig.directory, ".ca"), certificates: { plugInDirectory: plugIn } });
	});
	after(async () => {
		await rig.close();
		rmSync(plugIn, { recursive: true });
	});

	it("rotates nothing, and says who does", async () => {
		for (const kind of ["root", "issuer"]) {
			const { body, status } = await rig.api<{ error: string; next: string }>(`/api/v1/rotation?kind=${kind}`, {
				method: "POST",
			});
			assert.equal(status, 409);
			assert.match(body.error, /plugged in.* replaced by whoever made them/);
			assert.equal(body.next, `keepmesh certs rotate-${kind} --dry-run`);
		}
		assert.equal((await rig.api<RotationAnswer>("/api/v1/rotation")).body.state.phase, "idle");
	});
});
