// What differs between proxies that share a view.

export interface ClusterOptions {
	/** The proxy has a certificate, so that it can speak the mesh's mutual TLS. */
	readonly workloadCertificate: boolean;
}

export const withoutCertificate: ClusterOptions = { workloadCertificate: false };
export const withCertificate: ClusterOptions = { workloadCertificate: true };
