// Classic BPF programs, so that a packet socket wakes for the few frames that matter. In: addresses. Out: instructions, and
// the option that attaches them. Documentation/networking/filter.rst of the kernel.

import {
	BPF_JEQ_K,
	BPF_LD_B_ABS,
	BPF_LD_H_ABS,
	BPF_LD_W_ABS,
	BPF_RET_K,
	ETH_P_ARP,
	ETH_P_IPV6,
	sockFilterBytes,
	sockFprogBytes,
} from "./abi/packet.ts";
import { SO_ATTACH_FILTER, SOL_SOCKET } from "./abi/socket.ts";
import { allocate, errorNumber, libc, type NativeMemory } from "./libc.ts";

/** A jump counts instructions to pass over. */
export interface FilterInstruction {
	readonly code: number;
	readonly value: number;
	readonly ifTrue?: number;
	readonly ifFalse?: number;
}

const accept: FilterInstruction = { code: BPF_RET_K, value: 0xffff };
export const drop: FilterInstruction = { code: BPF_RET_K, value: 0 };

/** ARP frames whose sender says that it has one of the addresses. */
export function arpSenderFilter(addresses: readonly Uint8Array[]): readonly FilterInstruction[] {
	return [
		{ code: BPF_LD_H_ABS, value: 12 },
		{ code: BPF_JEQ_K, value: ETH_P_ARP, ifTrue: 1 },
		drop,
		{ code: BPF_LD_W_ABS, value: 28 },
		...addresses.flatMap((address) => [
			{ code: BPF_JEQ_K, value: Buffer.from(address).readUInt32BE(0), ifFalse: 1 },
			accept,
		]),
		drop,
	];
}

/** Neighbour advertisements for one of the addresses. */
export function neighbourAdvertFilter(addresses: readonly Uint8Array[]): readonly FilterInstruction[] {
	const target = 14 + 40 + 8;
	return [
		{ code: BPF_LD_H_ABS, value: 12 },
		{ code: BPF_JEQ_K, value: ETH_P_IPV6, ifTrue: 1 },
		drop,
		{ code: BPF_LD_B_ABS, value: 20 },
		{ code: BPF_JEQ_K, value: 58, ifTrue: 1 },
		drop,
		{ code: BPF_LD_B_ABS, value: 54 },
		{ code: BPF_JEQ_K, value: 136, ifTrue: 1 },
		drop,
		...addresses.flatMap((address) => equals16(target, Buffer.from(address))),
		drop,
	];
}

const unusedProgram: NativeMemory = { address: 0n, bytes: Buffer.alloc(0) };
let program = unusedProgram;
/** Of the kernel (BPF_MAXINSNS). */
const mostInstructions = 4096;

/** Returns the error number, 0 when it is attached. The kernel takes a copy. */
export function attachFilter(fd: number, instructions: readonly FilterInstruction[]): number {
	if (program === unusedProgram) program = allocate(sockFprogBytes + mostInstructions * sockFilterBytes);
	const { address, bytes } = program;
	bytes.writeUInt16LE(instructions.length, 0);
	bytes.writeBigUInt64LE(address + BigInt(sockFprogBytes), 8);
	for (const [index, instruction] of instructions.entries()) {
		const offset = sockFprogBytes + index * sockFilterBytes;
		bytes.writeUInt16LE(instruction.code, offset);
		bytes[offset + 2] = instruction.ifTrue ?? 0;
		bytes[offset + 3] = instruction.ifFalse ?? 0;
		bytes.writeUInt32LE(instruction.value >>> 0, offset + 4);
	}
	return libc.setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, address, sockFprogBytes) === 0 ? 0 : errorNumber();
}

/** Accepts when four words are equal, else goes on with the next instruction. */
function equals16(offset: number, address: Buffer): readonly FilterInstruction[] {
	const words = [0, 1, 2, 3].flatMap((word) => [
		{ code: BPF_LD_W_ABS, value: offset + word * 4 },
		{ code: BPF_JEQ_K, value: address.readUInt32BE(word * 4), ifFalse: 7 - word * 2 },
	]);
	return [...words, accept];
}
