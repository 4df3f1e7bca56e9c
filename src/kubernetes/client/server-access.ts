// Where an API server is and how it is asked: the result of reading a kubeconfig, or a Pod's service account.

export interface ServerAccess {
	/** `https://10.96.0.1:443`, perhaps with a path. */
	readonly url: URL;
	/** PEM. Absent: the authorities that Node trusts. */
	readonly ca?: string;
	/** PEM of the client. */
	readonly certificate?: string;
	readonly key?: string;
	/** The name in the server's certificate, where it is another than that of the URL. */
	readonly serverName?: string;
	/** The kubeconfig says `insecure-skip-tls-verify`. */
	readonly isUnverified?: boolean;
	/** Asked for before each request, because tokens are replaced while the process runs. */
	readonly token?: () => string | undefined;
	/** Namespace of the context, or of the Pod. */
	readonly namespace: string;
}

/** A kubeconfig or a service account that cannot be used; the message names the file and what is wrong in it. */
export class AccessError extends Error {
	override readonly name = "AccessError";
}
