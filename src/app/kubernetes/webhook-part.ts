// The webhooks of a control plane on Kubernetes: /inject puts proxies into pods, /validate judges resources. Every replica answers;
// the leader keeps the certificate young and lets API servers know who signed it.

import { defaultInjectConfig } from "../../inject/inject-config.ts";
import { injectReview } from "../../inject/inject-review.ts";
import type { AdmissionReview } from "../../kubernetes/admission/admission-review.ts";
import { KeptCaBundle } from "../../kubernetes/webhook/kept-ca-bundle.ts";
import { keepInjectConfig } from "../../kubernetes/webhook/kept-inject-config.ts";
import { KeptSecret } from "../../kubernetes/webhook/kept-secret.ts";
import { caBundleOf } from "../../kubernetes/webhook/webhook-authority.ts";
import { type AnswerReview, startWebhookServer, type WebhookServer } from "../../kubernetes/webhook/webhook-server.ts";
import type { ControlPart, ControlPartContext } from "./control-part.ts";
import { hasNativeSidecars } from "./native-sidecars.ts";
import { validateHandler } from "./validate-handler.ts";

const durationBuckets = [0.001, 0.005, 0.02, 0.1, 0.5, 2];
/** Until every machine's rules have left this replica out: Kubernetes takes it out of the Service when its pod is told to end. */
const lingerMs = 3_000;
/** A start does not wait longer than this for the first certificate: webhooks are not all that a control plane is for. */
const maxFirstCertificateMs = 10_000;
const defaultListen = { host: "0.0.0.0", port: 15_017 };

/** Resolves when the webhooks are answered: API servers call whoever is ready. */
export async function webhookPart(context: ControlPartContext): Promise<ControlPart> {
	const { client, clock, leadership, log, options } = context;
	const { namespace, revision, service } = options;
	const suffix = revision === "default" ? "" : `-${revision}`;
	const base = {
		...defaultInjectConfig,
		revision,
		trustDomain: context.trustDomain,
		nativeSidecars: await hasNativeSidecars(client, log),
		...(options.image === undefined ? {} : { image: options.image }),
	};
	const config = await keepInjectConfig(
		{ namespace, name: `keepmesh-injector${suffix}`, base },
		{ client, clock, log },
	);
	const isLeader = (): boolean => leadership.isLeader;
	const bundle = new KeptCaBundle({ service, namespace }, { client, clock, log, isLeader });
	const secret = new KeptSecret(
		{ namespace, name: `keepmesh-webhook${suffix}`, dnsNames: [`${service}.${namespace}.svc`] },
		{ client, clock, log, isLeader, onSecret: (held) => bundle.use(caBundleOf(held)) },
	);
	const inject: AnswerReview = (review) => {
		const { because, outcome, response } = injectReview(review, config.current);
		counts.add(1, { outcome });
		const { name, namespace: place } = review.request;
		if (outcome === "refused")
			log.warn({ namespace: place, pod: podName(review) ?? name, because }, "a pod is not injected");
		else log.debug({ namespace: place, pod: podName(review) ?? name, outcome, because }, "a pod was asked about");
		return response;
	};
	const handlers = new Map<string, AnswerReview>([
		["/inject", inject],
		["/validate", validateHandler(() => context.control.snapshot, clock)],
	]);
	const counts = context.metrics.counter("keepmesh_injections_total", "Pods that the webhook was asked about", [
		"outcome",
	]);
	const seconds = context.metrics.histogram(
		"keepmesh_webhook_seconds",
		"Time to answer an admission review",
		durationBuckets,
		["path", "status"],
	);
	const first = Promise.withResolvers<void>();
	let server: Promise<WebhookServer | undefined> | undefined;
	const start = (): void => {
		if (server || !secret.hasCertificate) return;
		const deps = {
			log,
			onAnswered: (path: string, status: number, tookMs: number) =>
				seconds.observe(tookMs / 1000, { path, status: String(status) }),
		};
		server = startWebhookServer(
			{ listen: options.webhooks ?? defaultListen, certificates: secret },
			handlers,
			deps,
		).then(
			(started) => {
				log.info({ port: started.port }, "webhooks are answered");
				return started;
			},
			(error: unknown) => {
				log.error({ because: String(error) }, "webhooks cannot be answered");
				return undefined;
			},
		);
		void server.then(() => first.resolve());
	};
	const stopRenewed = secret.onRenewed(start);
	const stopFollowing = leadership.follow((leads) => {
		if (!leads) return;
		secret.lookNow();
		bundle.look();
	});
	bundle.open();
	secret.open();
	const cancel = clock.after(maxFirstCertificateMs, first.resolve);
	await first.promise;
	cancel();
	return {
		close: async () => {
			stopFollowing();
			stopRenewed();
			await (await server)?.close(lingerMs);
			secret.close();
			bundle.close();
			config.close();
		},
	};
}

/** As people know it before the server has made its name. */
function podName({ request }: AdmissionReview): string | undefined {
	const { generateName, name } =
		(request.object as { metadata?: { name?: string; generateName?: string } })?.metadata ?? {};
	return name ?? generateName;
}
