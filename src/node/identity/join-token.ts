// The text of a join token, as `keepmesh token create` prints it: km1.ID.SECRET.ROOTHASH.

export interface JoinToken {
	/** Whole, as it is sent. */
	readonly text: string;
	/** base64url SHA-256 of the SubjectPublicKeyInfo of the root that the control plane's own chain must end in. */
	readonly rootHash: string;
}

/** Undefined for anything else. White space around it is the file's. */
export function parseJoinToken(text: string): JoinToken | undefined {
	const trimmed = text.trim();
	const rootHash = /^km1\.[\w-]+\.[\w-]+\.([\w-]{43})$/.exec(trimmed)?.[1];
	return rootHash === undefined ? undefined : { text: trimmed, rootHash };
}
