// The rows of the protocols one-round and masked-rounds in the table of protocols (encoder/protocol_table.h).
#pragma once

#include "thex/encoder/rows/encoder_protocol.h"

namespace thex::encoder {

extern const EncoderProtocol kOneRound;
extern const EncoderProtocol kMaskedRounds;

}  // namespace thex::encoder
