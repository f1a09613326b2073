// The row of the protocol one-round in the table of protocols (encoder/protocol_table.h).
#pragma once

#include "thex/encoder/rows/encoder_protocol.h"

namespace thex::encoder {

extern const EncoderProtocol kOneRound;

}  // namespace thex::encoder
