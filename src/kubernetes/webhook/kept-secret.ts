// The webhooks' certificates, kept in a Secret that all replicas share. Whoever comes first makes it; the leader renews it; all
// serve what lies there, and go on with what they have while the API server cannot be asked.

import type { Cancel, Clock } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";
import type { RawObject } from "../client/api-object.ts";
import { secrets } from "../client/api-resources.ts";
import type { KubernetesClient } from "../client/kubernetes-client.ts";
import { pathOf } from "../client/resource-path.ts";
import { type ResourceWatch, watchResource } from "../client/watch-resource.ts";
import { planWebhookSecret, readWebhookSecret, type SecretFields, type WebhookSecret } from "./webhook-authority.ts";
import type { CertificateSource, ServingCertificate } from "./webhook-server.ts";

export interface KeptSecretOptions {
	readonly namespace: string;
	/** `keepmesh-webhook` */
	readonly name: string;
	/** What API servers call the webhooks by. */
	readonly dnsNames: readonly string[];
}

export interface KeptSecretDeps {
	readonly client: KubernetesClient;
	readonly clock: Clock;
	readonly log: Log;
	readonly isLeader: () => boolean;
	/** What lies in the Secret now; at once, and after each change. */
	readonly onSecret: (secret: WebhookSecret) => void;
}

/** How often the leader looks whether something is due, and a failed write is tried again. */
const lookEveryMs = 60_000;
const firstRetryMs = 2_000;

interface Held {
	readonly uid: string;
	readonly resourceVersion: string;
	readonly fields: SecretFields;
}

export class KeptSecret implements CertificateSource {
	readonly #options: KeptSecretOptions;
	readonly #deps: KeptSecretDeps;
	readonly #users = new Set<(certificate: ServingCertificate) => void>();
	#watch: ResourceWatch | undefined;
	#held: Held | undefined;
	#serving: ServingCertificate | undefined;
	#isWriting = false;
	#cancelLook: Cancel | undefined;
	#isClosed = false;
	#failures = 0;

	constructor(options: KeptSecretOptions, deps: KeptSecretDeps) {
		this.#options = options;
		this.#deps = deps;
	}

	open(): void {
		const { client, clock, log } = this.#deps;
		const { name, namespace } = this.#options;
		const target = { resource: secrets, namespace, fieldSelector: `metadata.name=${name}`, keep: heldOf };
		this.#watch = watchResource<Held>(client, target, {
			clock,
			log,
			onEvent: (event) => {
				if (event.type === "synced") this.#take(event.objects[0]);
				else if (event.type === "applied") this.#take(event.object);
				else if (event.type === "removed") this.#take(undefined);
			},
		});
	}

	/** Throws before the first one is there; see hasCertificate. */
	get current(): ServingCertificate {
		if (!this.#serving) throw new Error("there is no webhook certificate yet");
		return this.#serving;
	}

	get hasCertificate(): boolean {
		return this.#serving !== undefined;
	}

	onRenewed(use: (certificate: ServingCertificate) => void): Cancel {
		this.#users.add(use);
		return () => {
			this.#users.delete(use);
		};
	}

	/** What is due is done now: this replica has become the leader. */
	lookNow(): void {
		if (this.#watch?.status().isSynced) void this.#look();
	}

	close(): void {
		this.#isClosed = true;
		this.#cancelLook?.();
		this.#watch?.close();
	}

	#take(held: Held | undefined): void {
		this.#held = held;
		const secret = held && readWebhookSecret(held.fields);
		if (secret) {
			this.#deps.onSecret(secret);
			const { "tls.crt": cert, "tls.key": key } = secret;
			if (cert !== this.#serving?.cert || key !== this.#serving.key) {
				this.#serving = { cert, key };
				for (const use of this.#users) use(this.#serving);
			}
		}
		void this.#look();
	}

	/** A Secret that is not there is made by anybody: the server lets one of them. One that is there is the leader's to change. */
	async #look(): Promise<void> {
		if (this.#isWriting || this.#isClosed) return;
		this.#isWriting = true;
		this.#cancelLook?.();
		let nextMs = lookEveryMs;
		try {
			const nowMs = this.#deps.clock.wallMs();
			const plan = planWebhookSecret(this.#held?.fields, { dnsNames: this.#options.dnsNames, nowMs });
			if (plan.change && (!this.#held || this.#deps.isLeader())) {
				const status = await this.#write(plan.secret);
				// 409: somebody else was first; the watch tells what they wrote.
				if (status < 300)
					this.#deps.log.info({ secret: this.#options.name, because: plan.because }, "webhook certificates made");
				else if (status !== 409) throw new Error(`the API server answered ${status}`);
			}
			this.#failures = 0;
		} catch (error) {
			nextMs = Math.min(lookEveryMs, firstRetryMs * 2 ** this.#failures);
			this.#failures++;
			this.#deps.log.warn({ because: String(error) }, "webhook certificates could not be written");
		} finally {
			this.#isWriting = false;
			if (!this.#isClosed) this.#cancelLook = this.#deps.clock.after(nextMs, () => void this.#look());
		}
	}

	async #write(secret: WebhookSecret): Promise<number> {
		const { name, namespace } = this.#options;
		const data = Object.fromEntries(
			Object.entries(secret).map(([field, text]) => [field, Buffer.from(text).toString("base64")]),
		);
		const labels = { "app.kubernetes.io/part-of": "keepmesh" };
		const body = { apiVersion: "v1", kind: "Secret", type: "kubernetes.io/tls", data };
		const held = this.#held;
		if (!held) {
			const made = { ...body, metadata: { name, namespace, labels } };
			return (await this.#deps.client.request("POST", pathOf(secrets, namespace), { body: made })).status;
		}
		const metadata = { name, namespace, labels, uid: held.uid, resourceVersion: held.resourceVersion };
		const changed = { ...body, metadata };
		return (await this.#deps.client.request("PUT", pathOf(secrets, namespace, name), { body: changed })).status;
	}
}

function heldOf(raw: RawObject): Held {
	const data = (raw.data ?? {}) as Readonly<Record<string, string>>;
	const fields = Object.entries(data).map(([name, text]) => [name, Buffer.from(text, "base64").toString("utf8")]);
	const { resourceVersion, uid } = raw.metadata;
	return { uid, resourceVersion, fields: Object.fromEntries(fields) };
}
