import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { describe, it } from "node:test";
import { caBundleOf, planWebhookSecret, type SecretFields, type WebhookSecret } from "./webhook-authority.ts";

const dayMs = 86_400_000;
const startMs = Date.UTC(2026, 0, 1);
const name = "keepmesh-control.keepmesh-system.svc";

function plan(fields: SecretFields | undefined, nowMs = startMs, dnsNames: readonly string[] = [name]) {
	return planWebhookSecret(fields, { dnsNames, nowMs });
}

function isTrusted(secret: WebhookSecret, bundleOf: WebhookSecret): boolean {
	const leaf = new X509Certificate(secret["tls.crt"]);
	const text = Buffer.from(caBundleOf(bundleOf), "base64").toString();
	const authorities = text.match(/-----BEGIN[^-]+-----[^-]+-----END[^-]+-----/g) ?? [];
	return authorities.some((pem) => leaf.verify(new X509Certificate(pem).publicKey));
}

describe("the Secret of the webhooks' certificates", () => {
	it("is made where there is none, with a leaf that names the Service", () => {
		const made = plan(undefined);
		assert.ok(made.change);
		const leaf = new X509Certificate(made.secret["tls.crt"]);
		assert.equal(leaf.checkHost(name), name);
		assert.ok(isTrusted(made.secret, made.secret));
		assert.equal(plan(made.secret).change, false);
	});

	it("is made anew when it cannot be read, or key and certificate do not belong together", () => {
		const { secret } = plan(undefined);
		const { secret: other } = plan(undefined);
		for (const broken of [{}, { ...secret, "tls.key": "x" }, { ...secret, "ca.key": other["ca.key"] }]) {
			const again = plan(broken);
			assert.ok(again.change);
			assert.equal(again.because, "what is there cannot be read");
		}
	});

	it("gets a new leaf half-way through the old one's life, from the same authority", () => {
		const { secret } = plan(undefined);
		assert.equal(plan(secret, startMs + 44 * dayMs).change, false);
		const renewed = plan(secret, startMs + 46 * dayMs);
		assert.ok(renewed.change);
		assert.equal(renewed.secret["ca.crt"], secret["ca.crt"]);
		assert.notEqual(renewed.secret["tls.crt"], secret["tls.crt"]);
		assert.ok(isTrusted(renewed.secret, secret));
	});

	it("gets a new leaf when the Service has another name", () => {
		const { secret } = plan(undefined);
		const renewed = plan(secret, startMs, ["keepmesh-control-r2.keepmesh-system.svc"]);
		assert.ok(renewed.change);
		assert.match(renewed.because, /does not name keepmesh-control-r2/);
	});

	it("changes its authority so that at every step what is served is trusted by whoever has heard of the step before", () => {
		let nowMs = startMs;
		let { secret } = plan(undefined);
		let authorities = new Set([secret["ca.key"]]);
		let steps = 0;
		// Twelve years, looked at each week and, around changes, each hour.
		while (nowMs < startMs + 12 * 365 * dayMs) {
			const next = plan(secret, nowMs);
			if (next.change) {
				steps++;
				assert.ok(isTrusted(next.secret, secret), `${next.because}: who knows the old bundle trusts the new leaf`);
				assert.ok(isTrusted(secret, next.secret), `${next.because}: who knows the new bundle trusts the old leaf`);
				secret = next.secret;
				authorities = authorities.add(secret["ca.key"]);
			}
			assert.ok(nowMs < new X509Certificate(secret["tls.crt"]).validToDate.getTime());
			nowMs += next.change ? 3_600_000 : 7 * dayMs;
		}
		assert.equal(authorities.size, 2);
		assert.ok(steps > 50);
	});

	it("starts over when its authority has expired while nobody looked", () => {
		const { secret } = plan(undefined);
		const late = plan(secret, startMs + 11 * 365 * dayMs);
		assert.ok(late.change);
		assert.equal(late.because, "its authority has expired");
	});
});
