// Bytes of an HTTP/2 stream -> whole gRPC messages, bounded in size.
// https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md: one byte compressed flag, four bytes length, message.

const headerBytes = 5;

/** What is wrong, as a gRPC status for the peer. */
export interface FrameError {
	readonly grpcStatus: number;
	readonly because: string;
}

export class FrameReader {
	readonly #maxBytes: number;
	#chunks: Buffer[] = [];
	#buffered = 0;
	/** Size of the message under way, header included, once it is known. */
	#wanted = headerBytes;

	constructor(maxBytes: number) {
		this.#maxBytes = maxBytes;
	}

	/** Calls `take` for each message that is now whole. After an error the stream is of no more use. */
	push(chunk: Buffer, take: (message: Uint8Array) => void): FrameError | undefined {
		this.#chunks.push(chunk);
		this.#buffered += chunk.length;
		while (this.#buffered >= this.#wanted) {
			const bytes = this.#joined();
			if (bytes[0] !== 0) return { grpcStatus: 12, because: "compressed messages are not supported" };
			const end = headerBytes + bytes.readUInt32BE(1);
			if (end - headerBytes > this.#maxBytes)
				return {
					grpcStatus: 8,
					because: `a message of ${end - headerBytes} bytes; at most ${this.#maxBytes} are read`,
				};
			this.#wanted = end;
			if (bytes.length < end) return undefined;
			this.#chunks = bytes.length === end ? [] : [bytes.subarray(end)];
			this.#buffered = bytes.length - end;
			this.#wanted = headerBytes;
			take(bytes.subarray(headerBytes, end));
		}
		return undefined;
	}

	#joined(): Buffer {
		const only = this.#chunks[0];
		if (this.#chunks.length === 1 && only) return only;
		const joined = Buffer.concat(this.#chunks, this.#buffered);
		this.#chunks = [joined];
		return joined;
	}
}

/** A message as one frame. */
export function frame(message: Uint8Array): Buffer {
	const framed = Buffer.allocUnsafe(headerBytes + message.length);
	framed[0] = 0;
	framed.writeUInt32BE(message.length, 1);
	framed.set(message, headerBytes);
	return framed;
}
