// Where a process of virtual servers keeps its socket unless told otherwise.

export const defaultLayer4State = "/run/keepmesh-l4";
