// What an installation's objects are called. In: namespace and revision. Out: names, the same as in the charts
// (deploy/helm/keepmesh/templates/_names.tpl).

export const defaultNamespace = "keepmesh-system";
export const defaultRevision = "default";
/** Selects the control planes of every revision, in their namespace. */
export const controlLabel = "app.kubernetes.io/name=keepmesh-control";
export const nodeLabel = "app.kubernetes.io/name=keepmesh-node";
export const injectorLabel = "app.kubernetes.io/name=keepmesh-injector";
export const revisionLabel = "istio.io/rev";
export const tagLabel = "istio.io/tag";
/** Of the chart with the kinds. */
export const crdsRelease = "keepmesh-crds";

/** Helm's name of the release. */
export const releaseOf = (revision: string): string => `keepmesh${suffixOf(revision)}`;
export const injectorName = (revision: string, namespace: string): string =>
	`keepmesh-injector${suffixOf(revision)}-${namespace}`;
export const validatorName = (revision: string, namespace: string): string =>
	`keepmesh-validator${suffixOf(revision)}-${namespace}`;
export const tagConfigurationName = (tag: string, namespace: string): string => `keepmesh-tag-${tag}-${namespace}`;

const suffixOf = (revision: string): string => (revision === defaultRevision ? "" : `-${revision}`);
