// A tag is a second name of a revision: namespaces and pods say the tag (istio.io/rev=prod), and whoever runs the mesh moves it
// from one revision to the next. In: the webhooks of the revision. Out: the webhooks of the tag, which call the same control
// planes. A tag named "default" also injects namespaces with istio-injection=enabled.
// https://istio.io/latest/docs/setup/upgrade/canary/#stable-revision-labels

import { defaultRevision, injectorLabel, revisionLabel, tagConfigurationName, tagLabel } from "./release-names.ts";

interface LabelExpression {
	readonly key: string;
	readonly operator: string;
	readonly values?: readonly string[];
}

interface Selector {
	readonly matchExpressions?: readonly LabelExpression[];
}

export interface InjectorWebhook {
	readonly name: string;
	readonly namespaceSelector?: Selector;
	readonly objectSelector?: Selector;
	readonly clientConfig?: {
		readonly caBundle?: string;
		readonly service?: { readonly name: string; readonly namespace: string };
	};
	readonly rules?: readonly { readonly resources?: readonly string[] }[];
	readonly failurePolicy?: string;
}

export interface InjectorConfiguration {
	readonly apiVersion: string;
	readonly kind: string;
	readonly metadata: { readonly name: string; readonly labels?: Readonly<Record<string, string>> };
	readonly webhooks: readonly InjectorWebhook[];
}

export interface RevisionTag {
	readonly tag: string;
	readonly revision: string;
	readonly namespace: string;
}

/**
 * The tag `default` stands for a revision `default` that is not there: resources that name no revision are judged by the one that it
 * points at. `validator`: of that one. Undefined: it judges nothing, or the tag is another.
 */
export function tagValidation(
	validator: InjectorConfiguration | undefined,
	{ tag, revision, namespace }: RevisionTag,
): InjectorConfiguration | undefined {
	const model = validator?.webhooks.find(({ name }) => name.startsWith("rev."));
	if (!validator || !model || tag !== defaultRevision) return undefined;
	const expressions = (model.objectSelector?.matchExpressions ?? []).filter(({ key }) => key !== revisionLabel);
	return {
		apiVersion: validator.apiVersion,
		kind: validator.kind,
		metadata: {
			name: tagConfigurationName(tag, namespace),
			labels: { "app.kubernetes.io/part-of": "keepmesh", [revisionLabel]: revision, [tagLabel]: tag },
		},
		webhooks: [
			{
				...model,
				name: model.name.replace("rev.", ""),
				objectSelector: { matchExpressions: [{ key: revisionLabel, operator: "DoesNotExist" }, ...expressions] },
			},
		],
	};
}

/** `configuration`: of the revision, as the cluster has it. */
export function tagConfiguration(
	configuration: InjectorConfiguration,
	{ tag, revision, namespace }: RevisionTag,
): InjectorConfiguration {
	const [labelKey = "", labelValue = ""] = injectorLabel.split("=");
	const byName = configuration.webhooks.filter(({ name }) => name.startsWith("rev."));
	const renamed = byName.map((webhook) => withName(webhook, revision, tag));
	const byLabel = tag === defaultRevision ? enabledWebhooks(byName) : [];
	return {
		apiVersion: configuration.apiVersion,
		kind: configuration.kind,
		metadata: {
			name: tagConfigurationName(tag, namespace),
			labels: {
				"app.kubernetes.io/part-of": "keepmesh",
				[labelKey]: labelValue,
				[revisionLabel]: revision,
				[tagLabel]: tag,
			},
		},
		webhooks: [...renamed, ...byLabel],
	};
}

function withName(webhook: InjectorWebhook, revision: string, tag: string): InjectorWebhook {
	const renamed = (selector: Selector | undefined): Selector => ({
		...selector,
		matchExpressions: (selector?.matchExpressions ?? []).map((one) =>
			one.key === revisionLabel && one.values?.includes(revision) ? { ...one, values: [tag] } : one,
		),
	});
	return {
		...webhook,
		namespaceSelector: renamed(webhook.namespaceSelector),
		objectSelector: renamed(webhook.objectSelector),
	};
}

/** Of namespaces with istio-injection=enabled, and of pods that ask for a proxy and name no revision. */
function enabledWebhooks(byName: readonly InjectorWebhook[]): readonly InjectorWebhook[] {
	const [model] = byName;
	if (!model) return [];
	const labels = new Set([revisionLabel, "istio-injection"]);
	const excluded = (model.namespaceSelector?.matchExpressions ?? []).filter(({ key }) => !labels.has(key));
	const name = model.name.slice(model.name.indexOf(".sidecar-injector"));
	const expression = (key: string, operator: string, ...values: readonly string[]): LabelExpression =>
		values.length === 0 ? { key, operator } : { key, operator, values };
	const inject = "sidecar.istio.io/inject";
	return [
		{
			...model,
			name: `namespace${name}`,
			namespaceSelector: { matchExpressions: [expression("istio-injection", "In", "enabled"), ...excluded] },
			objectSelector: { matchExpressions: [expression(inject, "NotIn", "false")] },
		},
		{
			...model,
			name: `object${name}`,
			namespaceSelector: {
				matchExpressions: [
					expression("istio-injection", "DoesNotExist"),
					expression(revisionLabel, "DoesNotExist"),
					...excluded,
				],
			},
			objectSelector: {
				matchExpressions: [expression(inject, "In", "true"), expression(revisionLabel, "DoesNotExist")],
			},
		},
	];
}
