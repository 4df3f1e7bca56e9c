// Messages of istio.v1.auth.IstioCertificateService/CreateCertificate, by hand: the service is not among Envoy's descriptors.
// IstioCertificateRequest {string csr = 1; int64 validity_duration = 3; Struct metadata = 4}; IstioCertificateResponse {repeated string cert_chain = 1}.

import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";

export const createCertificatePath = "/istio.v1.auth.IstioCertificateService/CreateCertificate";

export interface CreateCertificateRequest {
	/** PEM of a PKCS #10 request. */
	readonly csr: string;
	/** Wanted life; 0 leaves it to the authority. */
	readonly validitySeconds: number;
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
	while (reader.pos < reader.len) {
		const [field, wireType] = reader.tag();
		if (field === 1 && wireType === WireType.LengthDelimited) csr = reader.string();
		else if (field === 3 && wireType === WireType.Varint) validitySeconds = Number(reader.int64());
		else reader.skip(wireType, field);
	}
	return { csr, validitySeconds };
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
