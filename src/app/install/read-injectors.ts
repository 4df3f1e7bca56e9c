// Who puts proxies into pods: our webhooks, by revision and tag, and those of others that answer for the same labels.

import type { InjectorFacts, OtherInjector } from "../../install/cluster-facts.ts";
import { revisionLabel, tagLabel } from "../../install/release-names.ts";
import type { InjectorConfiguration, InjectorWebhook } from "../../install/revision-tag.ts";
import type { KubernetesClient } from "../../kubernetes/client/kubernetes-client.ts";
import { listAt } from "./read-objects.ts";

export const webhooksPath = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations";
export const validatorsPath = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations";
const ourName = "keepmesh-injector";

export interface FoundInjectors {
	readonly ours: readonly InjectorFacts[];
	readonly others: readonly OtherInjector[];
}

export async function readInjectors(client: KubernetesClient): Promise<FoundInjectors> {
	const all = await listAt<InjectorConfiguration>(client, webhooksPath);
	return {
		ours: all.filter(isOurs).map(factsOf),
		others: all
			.filter((one) => !isOurs(one) && one.webhooks.some(takesPods))
			.map((one) => ({
				name: one.metadata.name,
				takesEnabled: one.webhooks.some((hook) => takesPods(hook) && takesEnabled(hook)),
			})),
	};
}

export const isOurs = ({ metadata }: InjectorConfiguration): boolean =>
	metadata.labels?.["app.kubernetes.io/name"] === ourName;

function factsOf({ metadata, webhooks }: InjectorConfiguration): InjectorFacts {
	const revision = metadata.labels?.[revisionLabel] ?? "default";
	const tag = metadata.labels?.[tagLabel];
	const { service } = webhooks[0]?.clientConfig ?? {};
	return {
		name: metadata.name,
		namespace: service?.namespace ?? "",
		chosenBy: tag ?? revision,
		isTag: tag !== undefined,
		revision,
		failurePolicy: webhooks[0]?.failurePolicy ?? "Fail",
		hasAuthority: webhooks.every((hook) => (hook.clientConfig?.caBundle ?? "") !== ""),
		service: service?.name ?? "",
	};
}

const takesPods = (hook: InjectorWebhook): boolean =>
	(hook.rules ?? []).some(({ resources }) => resources?.includes("pods"));

/** Istio's own label, so it is a mesh. */
const takesEnabled = ({ namespaceSelector }: InjectorWebhook): boolean =>
	(namespaceSelector?.matchExpressions ?? []).some(
		({ key, operator, values }) => key === "istio-injection" && operator === "In" && values?.includes("enabled"),
	);
