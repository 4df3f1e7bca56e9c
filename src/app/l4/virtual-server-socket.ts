// Where a process of virtual servers is found: its socket under its state directory, and the lock of its network namespace.

export const virtualServerSocketName = "l4.sock";

/** Two would take each other's rules away. */
export const virtualServerLock = "\0keepmesh-virtual-servers";
