// Where leases of Kubernetes are asked for, under the state directory of a vip process.

export const leaseSocketName = "leases.sock";
