// What the parts of a control plane that exist only on Kubernetes are given, and what they give back: webhooks, status, and others.

import type { KubernetesClient } from "../../kubernetes/client/kubernetes-client.ts";
import type { Problem } from "../../resources/problem.ts";
import type { Cancel, Clock } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";
import type { MetricsRegistry } from "../../runtime/metrics.ts";
import type { KubernetesSource } from "../../sources/kubernetes/kubernetes-source.ts";
import type { UnaryService } from "../../xds/wire/unary-service.ts";
import type { ApiRoute } from "../api/api-server.ts";
import type { CertificateAuthority } from "../control/certificate-authority.ts";
import type { ControlPlane } from "../control/control-plane.ts";
import type { NodeCallerRules } from "../control/node-caller.ts";
import type { ReplicaAnswer } from "../control/replicas/replica-group.ts";
import type { ResourceStatuses } from "../control/resource-status.ts";
import type { KubernetesControlOptions } from "./kubernetes-control-options.ts";

/** Who of the replicas leads, by Lease. */
export interface Leadership {
	readonly isLeader: boolean;
	/** Identity of the leader, as far as it is known. */
	readonly holder: string | undefined;
	/** Calls at once with what is so now, then with each change. */
	follow(onChange: (isLeader: boolean) => void): Cancel;
}

export interface ControlPartContext {
	readonly client: KubernetesClient;
	readonly options: KubernetesControlOptions;
	readonly version: string;
	/** What outlives the process lies there; absent: nothing does. */
	readonly dataDirectory?: string;
	readonly trustDomain: string;
	/** Absent: this control plane signs nothing. */
	readonly certificates?: CertificateAuthority;
	readonly control: ControlPlane;
	readonly source: KubernetesSource;
	readonly leadership: Leadership;
	readonly clock: Clock;
	readonly log: Log;
	readonly metrics: MetricsRegistry;
	/** Everything that is wrong with resources at this moment. */
	readonly problems: () => readonly Problem[];
	/** What each of the other replicas that are in contact answers to a call of its own; absent: there are never any. */
	readonly askOthers?: <Answer extends object>(
		path: string,
		timeoutMs: number,
	) => Promise<readonly ReplicaAnswer<Answer>[]>;
	/** What became of each resource, as a picture of this moment; costs time with the number of proxies. */
	readonly statuses: () => ResourceStatuses;
}

export interface ControlPart {
	/** Calls over the xDS port that it answers, by path; `rules` say whom to believe on that port. */
	services?(rules: NodeCallerRules): ReadonlyMap<string, UnaryService>;
	/** Of the API beside those that every control plane has. */
	routes?(): readonly ApiRoute[];
	close(): Promise<void> | void;
}

/** Started when everything has been read and before proxies are served; one that throws keeps the control plane from starting. */
export type StartControlPart = (context: ControlPartContext) => Promise<ControlPart>;
