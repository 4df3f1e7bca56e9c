// Where a vip process keeps its socket unless told otherwise.

export const defaultVipState = "/run/keepmesh-vip";
