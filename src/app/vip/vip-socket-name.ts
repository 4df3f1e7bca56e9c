// Where a vip process answers, under its state directory.

export const vipSocketName = "vip.sock";
