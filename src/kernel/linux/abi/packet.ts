// Numbers of <linux/if_packet.h>, <linux/if_ether.h> and <linux/filter.h>; the same on x86_64 and arm64.

export const ETH_P_ARP = 0x0806;
export const ETH_P_IPV6 = 0x86dd;

/** `struct sockaddr_ll`: family 0 (u16), protocol 2 (network order), index 4 (i32), type 8, packet type 10, length 11, address 12. */
export const sockaddrLlBytes = 20;

/** `struct sock_filter`: code 0 (u16), jump if true 2 (u8), jump if false 3 (u8), value 4 (u32). */
export const sockFilterBytes = 8;
/** `struct sock_fprog`: count 0 (u16), pointer 8. */
export const sockFprogBytes = 16;
/** Load a word, a half word, a byte of the frame. */
export const BPF_LD_W_ABS = 0x20;
export const BPF_LD_H_ABS = 0x28;
export const BPF_LD_B_ABS = 0x30;
export const BPF_JEQ_K = 0x15;
export const BPF_RET_K = 0x06;
