// The two messages of grpc.health.v1, and gRPC's frame around them: HealthCheckRequest {service = 1}, HealthCheckResponse {status = 1}.

export type ServingStatus = "UNKNOWN" | "SERVING" | "NOT_SERVING" | "SERVICE_UNKNOWN";

const statuses: readonly ServingStatus[] = ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"];
const maxMessageBytes = 4096;

export function encodeHealthRequest(service: string): Buffer {
	const name = Buffer.from(service);
	const length: number[] = [];
	for (let rest = name.length; ; rest >>>= 7) {
		length.push(rest > 127 ? (rest & 127) | 128 : rest);
		if (rest <= 127) break;
	}
	const message = name.length === 0 ? Buffer.alloc(0) : Buffer.concat([Buffer.from([0x0a, ...length]), name]);
	const frame = Buffer.alloc(5);
	frame.writeUInt32BE(message.length, 1);
	return Buffer.concat([frame, message]);
}

/** Takes bytes as they come and gives whole answers; throws on what is no answer of a health service. */
export class HealthResponseReader {
	#bytes: Buffer = Buffer.alloc(0);

	push(bytes: Buffer): readonly ServingStatus[] {
		this.#bytes = Buffer.concat([this.#bytes, bytes]);
		const found: ServingStatus[] = [];
		while (this.#bytes.length >= 5) {
			const length = this.#bytes.readUInt32BE(1);
			if (this.#bytes[0] !== 0 || length > maxMessageBytes) throw new Error("no answer of a health service");
			if (this.#bytes.length < 5 + length) break;
			found.push(decodeStatus(this.#bytes.subarray(5, 5 + length)));
			this.#bytes = this.#bytes.subarray(5 + length);
		}
		return found;
	}
}

/** Field 1 as a varint; the last one counts; other fields are passed over. */
function decodeStatus(message: Buffer): ServingStatus {
	let status = 0;
	let at = 0;
	const varint = (): number => {
		let value = 0;
		for (let shift = 0; ; shift += 7) {
			const byte = message[at++];
			if (byte === undefined || shift > 63) throw new Error("no answer of a health service");
			if (shift < 28) value |= (byte & 127) << shift;
			if (byte < 128) return value;
		}
	};
	while (at < message.length) {
		const tag = varint();
		const wire = tag & 7;
		if (wire === 0) {
			const value = varint();
			if (tag >> 3 === 1) status = value;
		} else if (wire === 2) {
			const length = varint();
			at += length;
		} else if (wire === 1) at += 8;
		else if (wire === 5) at += 4;
		else throw new Error("no answer of a health service");
	}
	return statuses[status] ?? "UNKNOWN";
}
