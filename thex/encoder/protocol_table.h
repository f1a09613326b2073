// The protocols that the encoder has circuits for: a row of each protocol of model/protocol.h.
#pragma once

#include "thex/encoder/rows/encoder_protocol.h"

namespace thex::encoder {

const EncoderProtocol& encoder_row(model::Protocol protocol);

}  // namespace thex::encoder
