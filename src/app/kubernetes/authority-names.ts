// What the certificate authority's objects at the API server are called, in Keepmesh's own namespace.

/** A Secret: the authority, and what belongs to it. */
export const authoritySecret = "keepmesh-ca";
export const authoritySecretType = "keepmesh.io/certificate-authority";
/** A Secret that an operator makes, as for Istio. */
export const plugInSecret = "cacerts";
/** A file of the authority's Secret: the authority is plugged in, so no replica may make one of its own. */
export const plugInMarker = "plug-in";
/** A ConfigMap: what each replica says of its proxies during a rotation. */
export const rotationMap = "keepmesh-rotation";
