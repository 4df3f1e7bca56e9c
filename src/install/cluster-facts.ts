// What a check of a cluster looks at: plain values, of the parts of objects that matter.

export interface NodeFacts {
	readonly name: string;
	readonly isReady: boolean;
	/** `6.12.0-13-amd64` */
	readonly kernel: string;
	readonly os: string;
	readonly architecture: string;
	readonly kubelet: string;
}

/** A Deployment or DaemonSet of ours. */
export interface PartFacts {
	readonly name: string;
	readonly revision: string;
	/** app.kubernetes.io/version */
	readonly version: string;
	readonly wanted: number;
	readonly ready: number;
	/** Of the newest template. */
	readonly updated: number;
	/** What its pods wait for, of those that are not ready: `ErrImagePull: ...`. */
	readonly troubles: readonly string[];
}

export interface InjectorFacts {
	readonly name: string;
	readonly namespace: string;
	/** By which pods choose it: a revision or a tag. */
	readonly chosenBy: string;
	readonly isTag: boolean;
	readonly revision: string;
	readonly failurePolicy: string;
	readonly hasAuthority: boolean;
	readonly service: string;
}

export interface NamespaceFacts {
	readonly name: string;
	/** By which it chooses its injector: `default` for istio-injection=enabled; undefined: it does not. */
	readonly wants?: string;
	/** Pods that run without a proxy although the namespace has one injected, and none says no. */
	readonly podsWithout: number;
	readonly podsWith: number;
}

/** Pods of one namespace whose proxies one revision has put in. */
export interface ProxyFacts {
	readonly namespace: string;
	readonly revision: string;
	readonly pods: number;
}

export interface LeaderFacts {
	readonly revision: string;
	readonly holder: string;
	readonly renewedMsAgo: number;
	readonly leaseMs: number;
}

/** Another program that injects, or could. */
export interface OtherInjector {
	readonly name: string;
	/** Also takes namespaces with istio-injection=enabled. */
	readonly takesEnabled: boolean;
}

export interface ClusterFacts {
	readonly namespace: string;
	/** `v1.36.3` */
	readonly server: string;
	readonly nodes: readonly NodeFacts[];
	/** What the caller may not do, of what installing does: `create clusterroles`. */
	readonly refused: readonly string[];
	/** pod-security.kubernetes.io/enforce of the namespace; undefined: none, or no namespace. */
	readonly podSecurity?: string;
	/** Full names of the kinds that are there and established. */
	readonly kinds: ReadonlySet<string>;
	readonly control: readonly PartFacts[];
	readonly agents: readonly PartFacts[];
	readonly injectors: readonly InjectorFacts[];
	readonly otherInjectors: readonly OtherInjector[];
	readonly namespaces: readonly NamespaceFacts[];
	readonly proxies: readonly ProxyFacts[];
	/** Who leads each revision, where somebody does. */
	readonly leaders: readonly LeaderFacts[];
	/** Names of Services of the namespace that have an endpoint. */
	readonly servedServices: ReadonlySet<string>;
}
