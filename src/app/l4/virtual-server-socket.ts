// The socket of a process of virtual servers, under its state directory.

export const virtualServerSocketName = "l4.sock";
