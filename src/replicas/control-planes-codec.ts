// The list of all control planes of a mesh, as a node gets it on its own stream: one resource, JSON. A node that was given one of them
// learns of the others, and keeps what it was told for a start without any.

export const controlPlanesTypeUrl = "type.googleapis.com/keepmesh.control.v1.ControlPlanes";
export const controlPlanesName = "control-planes";

export interface ControlPlaneAddress {
	readonly host: string;
	readonly port: number;
}

const most = 64;

/** The same bytes at every replica: sorted, each once. */
export function encodeControlPlanes(addresses: readonly string[]): Uint8Array {
	return new TextEncoder().encode(JSON.stringify({ addresses: [...new Set(addresses)].sort() }));
}

/** Undefined: this is no such list. */
export function decodeControlPlanes(bytes: Uint8Array): readonly ControlPlaneAddress[] | undefined {
	let read: unknown;
	try {
		read = JSON.parse(new TextDecoder().decode(bytes));
	} catch {
		return undefined;
	}
	const addresses = typeof read === "object" && read !== null && "addresses" in read ? read.addresses : undefined;
	if (!Array.isArray(addresses) || addresses.length > most) return undefined;
	const found = addresses.map((one: unknown) => (typeof one === "string" ? parseControlPlane(one) : undefined));
	return found.every((one) => one !== undefined) ? found : undefined;
}

/** `10.0.0.1:15012`, `[fd00::1]:15012`, `control.example:15012` */
export function parseControlPlane(text: string): ControlPlaneAddress | undefined {
	const match = /^(?:\[([\da-f:.]+)\]|([^:[\]\s]+)):(\d{1,5})$/i.exec(text);
	const host = match?.[1] ?? match?.[2];
	const port = Number(match?.[3]);
	return host !== undefined && port > 0 && port < 65_536 ? { host, port } : undefined;
}

export function renderControlPlane({ host, port }: ControlPlaneAddress): string {
	return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
