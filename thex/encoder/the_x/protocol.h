#pragma once

#include "thex/encoder/rows/encoder_protocol.h"

namespace thex::encoder {

extern const EncoderProtocol kTheX;

}  // namespace thex::encoder
