// What a control plane is started with: the options of `keepmesh control`, and of tests.

import type { RotationConfig } from "../../identity/rotation/step-rotation.ts";
import type { KeySetConfig } from "../../sources/key-sets/key-set-machine.ts";
import type { KubernetesControlOptions } from "../kubernetes/kubernetes-control-options.ts";
import type { CertificateOptions } from "./certificate-authority.ts";
import type { ControlPlaneOptions } from "./control-plane-parts.ts";
import type { ReplicasOptions } from "./replicas/start-replicas.ts";

export interface HostPort {
	readonly host: string;
	/** 0: any free port. */
	readonly port: number;
}

export interface ControlOptions extends ControlPlaneOptions {
	/** Name of this replica. */
	readonly id: string;
	readonly version: string;
	/** Directories or files; what `apply` adds goes into the first directory. Empty on Kubernetes. */
	readonly resources: readonly string[];
	/** The API server of a cluster is the source of resources, instead of files. */
	readonly kubernetes?: KubernetesControlOptions;
	/** Where this replica's state lives, and, unless `caDirectory` says otherwise, its certificate authority in `ca`. */
	readonly dataDirectory?: string;
	/** Of the certificate authority: replicas that share it share one root. With no directory nothing is signed. */
	readonly caDirectory?: string;
	readonly certificates?: CertificateOptions;
	/** How long each stage of a rotation is held once all have confirmed it. */
	readonly rotation?: RotationConfig;
	readonly trustDomain: string;
	/** Other control planes of the mesh: one of them leads, and all say how new what they serve is. Needs `secureXds`. */
	readonly replicas?: ReplicasOptions;
	/** xDS and certificates over TLS; needs the certificate authority. */
	readonly secureXds?: HostPort;
	/** Names, besides Istio's and localhost, under which that port is reached. */
	readonly xdsNames?: readonly string[];
	/** Key sets for tokens may be fetched from this machine itself: for labs and tests. */
	readonly allowLoopbackKeySets?: boolean;
	/** How often key sets are fetched; the default is Istio's 20 minutes. */
	readonly keySets?: KeySetConfig;
	/** Plaintext xDS, off when absent. */
	readonly insecureXds?: HostPort;
	readonly xdsSocket?: string;
	/** Plaintext callers are certified as what they say they are, and get private keys: for experiments in a network of one's own. Default false. */
	readonly insecureCertificates?: boolean;
	readonly api: HostPort;
	/** Names, besides localhost and addresses, under which the API may be called. */
	readonly apiNames?: readonly string[];
}
