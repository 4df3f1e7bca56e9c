// The fields of an Envoy message as a plain object. protobuf-es's MessageInitShape also allows a finished message, which
// cannot be spread into another one.

import type { DescMessage, MessageInitShape } from "@bufbuild/protobuf";

export type MessageFields<Desc extends DescMessage> = Extract<
	MessageInitShape<Desc>,
	{ readonly $typeName?: undefined }
>;
