// Messages of istio.v1.auth.IstioCertificateService/CreateCertificate, by hand: the service is not among Envoy's descriptors.
// IstioCertificateRequest {string csr = 1; int64 validity_duration = 3; Struct metadata = 4}; IstioCertificateResponse {repeated string cert_chain = 1}.

import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";

export const createCertificatePath = "/istio.v1.auth.IstioCertificateService/CreateCertificate";

export interface CreateCertificateRequest {
	/** PEM of a PKCS #10 request. */
	readonly csr: string;
	/** Wanted life; 0 leaves it to the authority. */
	readonly validitySeconds: number;
	/** Istio's `ImpersonatedIdentity` in the metadata: the SPIFFE id of the workload that a node asks for. */
	readonly impersonated?: string;
}

export function encodeCreateCertificateRequest(request: CreateCertificateRequest): Uint8Array {
	const writer = new BinaryWriter().tag(1, WireType.LengthDelimited).string(request.csr);
	if (request.validitySeconds > 0) writer.tag(3, WireType.Varint).int64(request.validitySeconds);
	return writer.finish();
}

/** Throws on bytes that are no protobuf. */
export function decodeCreateCertificateRequest(bytes: Uint8Array): CreateCertificateRequest {
	const reader = new BinaryReader(bytes);
	let csr = "";
	let validitySeconds = 0;
	let impersonated: string | undefined;
	while (reader.pos < reader.len) {
		const [field, wireType] = reader.tag();
		if (field === 1 && wireType === WireType.LengthDelimited) csr = reader.string();
		else if (field === 3 && wireType === WireType.Varint) validitySeconds = Number(reader.int64());
		else if (field === 4 && wireType === WireType.LengthDelimited) impersonated ??= impersonatedIn(reader.bytes());
		else reader.skip(wireType, field);
	}
	return { csr, validitySeconds, ...(impersonated === undefined ? {} : { impersonated }) };
}

/** The text of that name in a google.protobuf.Struct. */
function impersonatedIn(struct: Uint8Array): string | undefined {
	for (const entry of chunks(struct, 1)) {
		const [name] = chunks(entry, 1);
		const [value] = chunks(entry, 2);
		const [text] = value ? chunks(value, 3) : [];
		if (name && text && new TextDecoder().decode(name) === "ImpersonatedIdentity")
			return new TextDecoder().decode(text);
	}
	return undefined;
}

/** Every length-delimited field with that number. */
function chunks(bytes: Uint8Array, wanted: number): readonly Uint8Array[] {
	const reader = new BinaryReader(bytes);
	const found: Uint8Array[] = [];
	while (reader.pos < reader.len) {
		const [field, wireType] = reader.tag();
		if (field === wanted && wireType === WireType.LengthDelimited) found.push(reader.bytes());
		else reader.skip(wireType, field);
	}
	return found;
}

/** The chain as separate PEMs, the root last. */
export function encodeCreateCertificateResponse(chain: readonly string[]): Uint8Array {
	const writer = new BinaryWriter();
	for (const certificate of chain) writer.tag(1, WireType.LengthDelimited).string(certificate);
	return writer.finish();
}

/** Throws on bytes that are no protobuf. */
export function decodeCreateCertificateResponse(bytes: Uint8Array): readonly string[] {
	const reader = new BinaryReader(bytes);
	const chain: string[] = [];
	while (reader.pos < reader.len) {
		const [field, wireType] = reader.tag();
		if (field === 1 && wireType === WireType.LengthDelimited) chain.push(reader.string());
		else reader.skip(wireType, field);
	}
	return chain;
}
